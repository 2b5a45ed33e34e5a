/** How the service calls the store: what it retries, how long it waits, and what it reports to the caller. */
import { CosmosDiagnostics, type CosmosHeaders } from "@azure/cosmos";
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { makePauses } from "../backoff";
import type { Store, StoreCall, StoreResult, WriteOutcome, WriteResult } from "../domain/store";
import {
  headersOf,
  isTransient,
  toStoreError,
  toUnavailable,
  toWriteOutcome,
  type StoreError,
} from "./error";
import { noAnswer } from "./transport";

interface Diagnosed {
  readonly diagnostics?: CosmosDiagnostics;
  readonly headers?: CosmosHeaders;
}

/** What the store charged for a request. 0 if it does not say, as for one that it did not answer. */
const chargeOf = (headers: CosmosHeaders | undefined): number =>
  Number(headers?.["x-ms-request-charge"] ?? 0) || 0;

const countRequests = ({ diagnostics }: Diagnosed): number =>
  1 + (diagnostics?.clientSideRequestStatistics.retryDiagnostics.failedAttempts.length ?? 0);

const isDiagnosed = (error: unknown): error is Diagnosed =>
  error instanceof Error && "diagnostics" in error && error.diagnostics instanceof CosmosDiagnostics;

export interface Caller {
  readonly signal: AbortSignal;
  readonly onCall: (call: StoreCall) => void;
  /** How long one request may take, and how long the call waits before it retries a throttled request. */
  readonly patienceMs: number;
  readonly countForRead: () => number;
  /** After a write of unknown outcome the call waits out every temporary failure, a 429 included, until its signal ends it. */
  hasUnknownWrite: boolean;
}

interface Operation<R extends Diagnosed, A> {
  readonly name: keyof Store;
  readonly send: () => Promise<R>;
  readonly decode: (answer: Either<StoreError, R>) => Either<StoreError, A>;
  readonly mayRetry: (error: StoreError, tries: number) => boolean;
}

const maxThrottledRetries = 3;

const abandoned: StoreError = { cause: "deadline", status: "deadline", retryAfterMs: 0 };

/**
 * A throttled request was not applied, so it is made again when the store asks for it, unless the store keeps throttling or
 * wants a longer wait than the caller has.
 */
export const callStore = async <R extends Diagnosed, A>(
  { name, send, decode, mayRetry }: Operation<R, A>,
  caller: Caller,
): Promise<Either<StoreError, A>> => {
  const { signal, onCall, patienceMs } = caller;
  const start = performance.now();
  const pauseAfterFailure = makePauses(signal);
  let pauseAfterThrottling = makePauses(signal);
  let attempts = 0;
  let throttled = 0;
  let requestUnits = 0;
  let failure: string | undefined = noAnswer;
  let result: Either<StoreError, A> = E.left(abandoned);
  const report = (): void => {
    onCall({ operation: name, attempts, durationMs: performance.now() - start, requestUnits, failure });
  };
  // The caller answers when its signal aborts, and the platform loses what is logged after the answer: report at once.
  signal.addEventListener("abort", report);

  const goOn = async (error: StoreError): Promise<boolean> => {
    if (error.status !== 429) {
      throttled = 0;
      pauseAfterThrottling = makePauses(signal);
      return mayRetry(error, attempts) && pauseAfterFailure().then(() => true);
    }
    throttled += 1;
    const mayWait = error.retryAfterMs <= patienceMs && throttled <= maxThrottledRetries;
    return (caller.hasUnknownWrite || mayWait) && pauseAfterThrottling(error.retryAfterMs).then(() => true);
  };

  while (!signal.aborted) {
    attempts += 1;
    const answer = await send().then(
      (response) => {
        attempts += countRequests(response) - 1;
        requestUnits += chargeOf(response.headers);
        return E.right(response);
      },
      (error: unknown) => {
        attempts += isDiagnosed(error) ? countRequests(error) - 1 : 0;
        requestUnits += chargeOf(headersOf(error));
        return E.left(toStoreError(error));
      },
    );
    result = decode(answer);
    failure = E.isLeft(result) ? result.left.cause : undefined;
    if (E.isRight(result) || !(await goOn(result.left))) {
      break;
    }
  }
  if (!signal.aborted) {
    signal.removeEventListener("abort", report);
    report();
  }
  return result;
};

/** Retries a read until it gets an answer: what a retry in place would not mend, another region may. */
export const runRead = async <R extends Diagnosed, A>(
  name: keyof Store,
  send: () => Promise<R>,
  decode: (response: R) => Either<StoreError, A>,
  caller: Caller,
): StoreResult<A> => {
  const mayRetry = (error: StoreError, attempts: number): boolean =>
    isTransient(error) || attempts < caller.countForRead();
  return E.mapLeft(toUnavailable)(await callStore({ name, send, decode: E.chain(decode), mayRetry }, caller));
};

/**
 * Writes once. If the outcome is unknown, only a read can show whether to write again.
 * @param decode left if the answer does not say that the write was applied.
 */
export const runWrite = async <R extends Diagnosed>(
  name: keyof Store,
  send: () => Promise<R>,
  decode: (response: R) => Either<StoreError, unknown>,
  caller: Caller,
): WriteResult => {
  const isConflict = (error: StoreError): boolean => {
    const outcome = toWriteOutcome(error);
    return E.isRight(outcome) && outcome.right === "conflict";
  };
  const result = await callStore<R, WriteOutcome>(
    {
      name,
      send,
      decode: (answer) =>
        pipe(
          answer,
          E.chain(decode),
          E.map(() => "written" as const),
          E.orElse((error) => (isConflict(error) ? E.right("conflict") : E.left(error))),
        ),
      mayRetry: () => false,
    },
    caller,
  );
  const outcome = E.isRight(result) ? result : toWriteOutcome(result.left);
  caller.hasUnknownWrite ||= E.isRight(outcome) && outcome.right === "unknown";
  return caller.hasUnknownWrite && E.isLeft(outcome) ? E.right("unknown") : outcome;
};
