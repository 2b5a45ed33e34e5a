/** The log: one JSON object a line, made of names, numbers and fixed words only. */
import type { InvocationContext } from "@azure/functions";
import type { KeyType } from "../domain/api-key";
import { Defect, type Failure } from "../domain/failure";
import type { DiscountId, MerchantId } from "../domain/identifiers";
import type { StoreCall } from "../domain/store";
import { version } from "../version";

/** A change of a merchant's keys in force, or a repetition that got the key in force again, for audits. It names no key. */
export interface ApiKeyChange {
  readonly merchantId: MerchantId;
  readonly keyType: KeyType;
  readonly change: "made" | "replaced" | "revoked" | "repetition";
  /** The last 4 characters of the key now in force; undefined when none is. */
  readonly hint?: string | undefined;
  /** Of the key before it; undefined when there was none, or it has no hint. */
  readonly formerHint?: string | undefined;
  readonly changedAt: Date;
}

/** The `event` of a line. Queries and alerts select by it. */
export type LogEvent = "request" | "store-call" | "api-key" | "defect";

export interface CallSubject {
  readonly merchantId?: MerchantId;
  /** The merchant named by an API key that is not in force. Anybody can make up such a key. */
  readonly claimedMerchantId?: MerchantId;
  readonly discountId?: DiscountId;
  readonly isUse?: boolean;
  /** An earlier call with the same `Idempotency-Key` used the OTP: it counts as used once. */
  readonly isRepetition?: boolean;
  readonly keyType?: KeyType;
}

/** The log of one call. `outcome` closes it: the host ignores what comes after the answer. */
export interface Log {
  readonly note: (subject: CallSubject) => void;
  /** Counts the requests of a store call, and logs one line if it failed or took several. */
  readonly storeCall: (call: StoreCall) => void;
  readonly apiKeyChange: (change: ApiKeyChange) => void;
  readonly defect: (error: unknown) => void;
  /** Logs how the call ended, as its last line. `failure` is undefined for a 200. */
  readonly outcome: (status: number, failure: Failure | undefined) => void;
}

/** The caller's trace (W3C Trace Context, section 3.2), with which it finds its call in its own log. */
export const traceIdOf = (traceparent: string | undefined): string | undefined => {
  const [, version, traceId] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/.exec(traceparent ?? "") ?? [];
  return version === "ff" || traceId === "0".repeat(32) ? undefined : traceId;
};

const ifTrue = (value: boolean | undefined): true | undefined => (value === true ? true : undefined);

/** Whether this process has answered a call: its first one waits longer. */
let hasAnswered = false;

export const makeLog = (context: InvocationContext, traceId: string | undefined): Log => {
  const start = performance.now();
  let subject: CallSubject = {};
  let storeRoundTrips = 0;
  let requestUnits = 0;
  let isClosed = false;
  const write = (level: "info" | "warn" | "error", event: LogEvent, entry: object): void => {
    if (!isClosed) {
      const { functionName, invocationId } = context;
      const common = { event, function: functionName, invocation_id: invocationId, trace_id: traceId };
      context[level](JSON.stringify({ ...common, ...entry }));
    }
  };
  return {
    note: (more) => {
      subject = { ...subject, ...more };
    },
    storeCall: ({ operation, attempts, durationMs, requestUnits: charged, failure }) => {
      storeRoundTrips += attempts;
      requestUnits += charged;
      if (failure !== undefined || attempts > 1) {
        // The log keeps the older word: queries and past lines have it.
        write("warn", "store-call", {
          operation: operation === "checkGuarantees" ? "describeAccount" : operation,
          attempts,
          failure,
          duration_ms: Math.round(durationMs),
        });
      }
    },
    apiKeyChange: ({ merchantId, keyType, change, hint, formerHint, changedAt }) => {
      write("info", "api-key", {
        change,
        merchant_id: merchantId,
        key_type: keyType,
        hint,
        former_hint: formerHint,
        changed_at: changedAt.toISOString(),
      });
    },
    defect: (error) => {
      write("error", "defect", describeDefect(error));
    },
    outcome: (status, failure) => {
      // An outage that a test code simulates needs no warning.
      write(status < 500 || subject.keyType === "test" ? "info" : "warn", "request", {
        status,
        problem: failure?.tag,
        cause: failure?.tag === "service-unavailable" ? failure.cause : undefined,
        duration_ms: Math.round(performance.now() - start),
        store_round_trips: storeRoundTrips,
        // The store charges in hundredths.
        request_units: Math.round(requestUnits * 100) / 100,
        merchant_id: subject.merchantId,
        claimed_merchant_id: subject.claimedMerchantId,
        discount_id: subject.discountId,
        invalidate_otp: ifTrue(subject.isUse),
        repetition: ifTrue(subject.isRepetition),
        key_type: subject.keyType,
        test: ifTrue(subject.keyType === "test"),
        first_call: ifTrue(!hasAnswered),
        version: hasAnswered ? undefined : version,
      });
      hasAnswered = true;
      isClosed = true;
    },
  };
};

/** Keeps a message only if it is fixed words: others may quote data. Keeps the frames of the stack, which begins with the message. */
const describeDefect = (error: unknown): object =>
  error instanceof Error
    ? {
        defect: error instanceof Defect ? error.message : error.name,
        stack: framesAfter(error.message, error.stack ?? ""),
      }
    : { defect: typeof error };

const framesAfter = (message: string, stack: string): readonly string[] =>
  stack.slice(stack.indexOf(message) + message.length).match(/^ {4}at .+$/gm) ?? [];
