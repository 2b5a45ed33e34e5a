/** How the service calls the store: what it retries, how long it waits, and what it reports to the caller. */
import { CosmosDiagnostics } from "@azure/cosmos";
import type { CosmosHeaders } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { makeBackoff, makePauses } from "../backoff";
import { deadlinePassed } from "../domain/failure";
import type { Store, StoreCall, StoreResult, WriteResult } from "../domain/store";
import { noAnswer } from "./client";
import { headersOf, isTransient, toStoreError, toUnavailable, toWriteOutcome } from "./error";
import type { StoreError } from "./error";

export interface Diagnosed {
  readonly diagnostics?: CosmosDiagnostics;
  readonly headers?: CosmosHeaders;
}

/** What the store charged for a request. 0 if it does not say, as for one that it did not answer. */
const chargeOf = (headers: CosmosHeaders | undefined): number =>
  Number(headers?.["x-ms-request-charge"] ?? 0) || 0;

/** How many requests an SDK call made, including the SDK's own retries. */
const countAttempts = ({ diagnostics }: Diagnosed): number =>
  1 + (diagnostics?.clientSideRequestStatistics.retryDiagnostics.failedAttempts.length ?? 0);

const isDiagnosed = (error: unknown): error is Diagnosed =>
  error instanceof Error && "diagnostics" in error && error.diagnostics instanceof CosmosDiagnostics;

/** The call of the service that needs the store. */
export interface Caller {
  readonly signal: AbortSignal;
  readonly onCall: (call: StoreCall) => void;
  /** How long one request may take, and how long the call waits before it retries a throttled request. */
  readonly patienceMs: number;
  /**
   * Whether this call has made a write whose outcome is unknown. While there is time to find out, the caller must not
   * get an error. So from then on the call waits out every temporary failure, a 429 included.
   */
  isInDoubt: boolean;
}

/** The result of an SDK call, how many requests it made, and what they were charged. */
interface Requested<R> {
  readonly result: Either<StoreError, R>;
  readonly attempts: number;
  readonly requestUnits: number;
}

/** Makes one SDK call. */
type Attempt = <R extends Diagnosed>(call: () => Promise<R>) => Promise<Requested<R>>;

export const attempt: Attempt = async (call) => {
  try {
    const response = await call();
    const requestUnits = chargeOf(response.headers);
    return { result: E.right(response), attempts: countAttempts(response), requestUnits };
  } catch (error) {
    const attempts = isDiagnosed(error) ? countAttempts(error) : 1;
    return { result: E.left(toStoreError(error)), attempts, requestUnits: chargeOf(headersOf(error)) };
  }
};

const maxThrottledRetries = 3;

/**
 * Retries an SDK call after a 429, when the store asks for it: the store did not apply a throttled request. Gives up
 * when the store keeps throttling or asks for a longer wait than the caller has, unless the call is in doubt.
 */
export const requestHeedingThrottle = async <R extends Diagnosed>(
  call: () => Promise<R>,
  { signal, patienceMs, isInDoubt }: Pick<Caller, "signal" | "patienceMs" | "isInDoubt">,
  request: Attempt,
): Promise<Either<StoreError, R>> => {
  const pause = makePauses(signal);
  for (let retries = 0; ; retries += 1) {
    const { result } = await request(call);
    if (E.isRight(result) || result.left.status !== 429) {
      return result;
    }
    const { retryAfterMs } = result.left;
    if (!isInDoubt && (retryAfterMs > patienceMs || retries === maxThrottledRetries)) {
      return result;
    }
    await pause(retryAfterMs);
  }
};

/** One call of the store, reported to its caller. */
interface ObservedCall {
  readonly request: Attempt;
  /** Reports to the caller how the call ended, unless the signal ended it: `observeCall` has reported that already. */
  readonly end: (failure: string | undefined) => void;
}

/**
 * Counts the requests of a call. When the signal ends the call, reports at once what it has done so far: the caller
 * answers at that moment, and the platform loses what is logged after the answer.
 */
const observeCall = (operation: keyof Store, { signal, onCall }: Caller): ObservedCall => {
  const start = performance.now();
  let attempts = 0;
  let requestUnits = 0;
  let attemptsUnderWay = 0;
  let lastFailure: string = noAnswer;
  const tell = (failure: string | undefined): void => {
    onCall({
      operation,
      attempts: attempts + attemptsUnderWay,
      durationMs: performance.now() - start,
      requestUnits,
      failure,
    });
  };
  const onAbort = (): void => {
    tell(lastFailure);
  };
  signal.addEventListener("abort", onAbort);
  return {
    request: async (call) => {
      attemptsUnderWay = 1;
      const requested = await attempt(call);
      attemptsUnderWay = 0;
      attempts += requested.attempts;
      requestUnits += requested.requestUnits;
      lastFailure = E.isLeft(requested.result) ? requested.result.left.cause : noAnswer;
      return requested;
    },
    end: (failure) => {
      if (!signal.aborted) {
        signal.removeEventListener("abort", onAbort);
        tell(failure);
      }
    },
  };
};

/** Retries a read until it gets an answer or the signal ends the call. A read changes nothing, so a retry is safe. */
export const runRead = async <R extends Diagnosed, A>(
  operation: keyof Store,
  call: () => Promise<R>,
  decode: (response: R) => Either<StoreError, A>,
  caller: Caller,
): StoreResult<A> => {
  const { request, end } = observeCall(operation, caller);
  const nextAttempt = makeBackoff(caller.signal);
  let answer: Either<StoreError, A> | undefined;
  while (await nextAttempt()) {
    const result = await requestHeedingThrottle(call, caller, request);
    answer = E.isRight(result) ? decode(result.right) : result;
    if (E.isRight(answer) || !isTransient(answer.left)) {
      break;
    }
  }
  end(answer !== undefined && E.isLeft(answer) ? answer.left.cause : undefined);
  return answer === undefined ? E.left(deadlinePassed) : E.mapLeft(toUnavailable)(answer);
};

/**
 * Writes once. If the outcome is unknown, only a read can show whether to write again. From then on the call is in
 * doubt, and no 429 ends it. A batch may report a 429 as the status of one operation, without a time to wait.
 */
export const runWrite = async <R extends Diagnosed>(
  operation: keyof Store,
  call: () => Promise<R>,
  statusOf: (response: R) => number | string,
  caller: Caller,
): WriteResult => {
  const { request, end } = observeCall(operation, caller);
  const result = await requestHeedingThrottle(call, caller, request);
  const status = E.isLeft(result) ? result.left.status : statusOf(result.right);
  const outcome = toWriteOutcome(status, E.isLeft(result) ? result.left.retryAfterMs : undefined);
  const isKnown = E.isRight(outcome) && outcome.right !== "unknown";
  end(isKnown ? undefined : `store: ${status}`);
  caller.isInDoubt ||= E.isRight(outcome) && !isKnown;
  return caller.isInDoubt && E.isLeft(outcome) ? E.right("unknown") : outcome;
};
