/** What the service says of itself: one JSON object a line, made of names, numbers and fixed words only. */
import type { InvocationContext } from "@azure/functions";
import { Defect } from "./failure";
import type { Failure } from "./failure";
import type { MerchantId } from "./identifiers";
import type { StoreCall } from "./store";

export interface Outcome {
  readonly status: number;
  /** Undefined for a 200. */
  readonly failure: Failure | undefined;
  readonly durationMs: number;
  readonly storeRoundTrips: number;
  /** Undefined where it is not known, or not valid. */
  readonly merchantId: MerchantId | undefined;
}

export interface Log {
  /** One line for each request. */
  outcome(outcome: Outcome): void;
  /** One line for each store call that failed or took several attempts, and none for the others. */
  storeCall(call: StoreCall): void;
  /** Where a bug showed. */
  defect(error: unknown): void;
}

export const makeLog = (context: InvocationContext): Log => {
  const line = (entry: object): string =>
    JSON.stringify({ function: context.functionName, invocation_id: context.invocationId, ...entry });
  return {
    outcome: ({ status, failure, durationMs, storeRoundTrips, merchantId }) => {
      const text = line({
        status,
        problem: failure?.tag,
        cause: failure?.tag === "service-unavailable" ? failure.cause : undefined,
        duration_ms: Math.round(durationMs),
        store_round_trips: storeRoundTrips,
        merchant_id: merchantId,
      });
      if (status < 500) {
        context.info(text);
      } else {
        context.warn(text);
      }
    },
    storeCall: ({ operation, attempts, durationMs, failure }) => {
      if (failure !== undefined || attempts > 1) {
        context.warn(line({ store_call: operation, attempts, failure, duration_ms: Math.round(durationMs) }));
      }
    },
    defect: (error) => {
      context.error(line(describeDefect(error)));
    },
  };
};

/**
 * What broke, without its message unless that is fixed words: a message may quote the data that it stumbled over.
 * A stack begins with the message, so only what comes after it is kept.
 */
const describeDefect = (error: unknown): object =>
  error instanceof Error
    ? {
        defect: error instanceof Defect ? error.message : error.name,
        stack: framesAfter(error.message, error.stack ?? ""),
      }
    : { defect: typeof error };

const framesAfter = (message: string, stack: string): readonly string[] =>
  stack.slice(stack.indexOf(message) + message.length).match(/^ {4}at .+$/gm) ?? [];
