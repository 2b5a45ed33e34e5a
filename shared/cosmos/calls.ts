/** How the store is called: what is repeated, what is waited for, and what the caller is told of it. */
import { CosmosDiagnostics } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { makeBackoff, makePauses } from "../backoff";
import { deadlinePassed } from "../domain/failure";
import type { Store, StoreCall, StoreResult, WriteResult } from "../domain/store";
import { noAnswer } from "./client";
import { isTransient, toStoreError, toUnavailable, toWriteOutcome } from "./error";
import type { StoreError } from "./error";

export interface Diagnosed {
  readonly diagnostics?: CosmosDiagnostics;
}

/** How many requests an SDK call took, with those that it made again by itself. */
const countAttempts = ({ diagnostics }: Diagnosed): number =>
  1 + (diagnostics?.clientSideRequestStatistics.retryDiagnostics.failedAttempts.length ?? 0);

const isDiagnosed = (error: unknown): error is Diagnosed =>
  error instanceof Error && "diagnostics" in error && error.diagnostics instanceof CosmosDiagnostics;

/** For whom the store is called. */
export interface Caller {
  readonly signal: AbortSignal;
  readonly onCall: (call: StoreCall) => void;
  /** How long one request may take, and how long a throttled one waits to be made again. */
  readonly patienceMs: number;
  /**
   * Whether the outcome of a write of this call's was unknown. Its caller must not be sent away as long as there is time to
   * find out: from then on all that passes is waited for, a 429 included.
   */
  isInDoubt: boolean;
}

/** What an SDK call came to, and with how many requests. */
interface Requested<R> {
  readonly result: Either<StoreError, R>;
  readonly attempts: number;
}

/** Makes one SDK call. */
type Attempt = <R extends Diagnosed>(call: () => Promise<R>) => Promise<Requested<R>>;

export const attempt: Attempt = async (call) => {
  try {
    const response = await call();
    return { result: E.right(response), attempts: countAttempts(response) };
  } catch (error) {
    return { result: E.left(toStoreError(error)), attempts: isDiagnosed(error) ? countAttempts(error) : 1 };
  }
};

const maxThrottledRetries = 3;

/**
 * Makes an SDK call again when a 429 says: what is throttled was not applied. A store that goes on throttling, or says to
 * come back later than the caller can wait, is left in peace, unless the call is in doubt.
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

/** One call of the store, as its caller gets to know of it. */
interface ObservedCall {
  readonly request: Attempt;
  /** Tells the caller how the call ended, unless the signal came first. */
  readonly end: (failure: string | undefined) => void;
}

/**
 * Counts the requests of a call. When the signal ends it, the caller is told at once how far it came: it answers then, and
 * whatever is logged after the answer is lost.
 */
const observeCall = (operation: keyof Store, { signal, onCall }: Caller): ObservedCall => {
  const start = performance.now();
  let attempts = 0;
  let attemptsUnderWay = 0;
  let lastFailure: string = noAnswer;
  const tell = (failure: string | undefined): void => {
    onCall({
      operation,
      attempts: attempts + attemptsUnderWay,
      durationMs: performance.now() - start,
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

/** Reads until there is an answer, or no more time for one: a read changes nothing. */
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
 * Writes once: if the outcome is unknown, only what is read next can tell whether to write again. Once it was unknown, the
 * call is in doubt, and no 429 ends it: a batch tells one for an operation, without a time to wait.
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
