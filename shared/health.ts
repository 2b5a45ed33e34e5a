/** Whether the service can keep its promises. Calls that ask at about the same time share one look-up. */
import type { Either } from "fp-ts/Either";
import type { ServiceUnavailable } from "./domain/failure";
import type { StoreCall, StoreForCall } from "./domain/store";
import { beforeDeadline } from "./http/deadline";

export type Health = Either<ServiceUnavailable, void>;

/**
 * Gives the last answer if it is less than 5 s old, else looks, once for all who ask meanwhile. Rejects only on a defect.
 * @param onStoreCall receives the store call, if this call makes the look-up.
 */
export type CheckHealth = (onStoreCall: (call: StoreCall) => void) => Promise<Health>;

interface Dependencies {
  readonly storeForCall: StoreForCall;
  readonly deadlineMs: number;
  readonly clock: () => Date;
}

interface LookUp {
  readonly health: Promise<Health>;
  endedAtMs: number | undefined;
}

const maxAgeMs = 5000;

/**
 * Anybody may ask, and Azure throttles reads of metadata at any throughput (learn.microsoft.com/azure/cosmos-db/nosql/
 * troubleshoot-request-rate-too-large): without sharing, a flood of calls would make the service look unhealthy.
 */
export const makeHealthCheck = ({ storeForCall, deadlineMs, clock }: Dependencies): CheckHealth => {
  let latest: LookUp | undefined;

  const look = (onStoreCall: (call: StoreCall) => void): Promise<Health> => {
    // Callers share the look-up, so it has its own deadline: a caller that disconnects does not end it for the others.
    const deadline = new AbortController();
    const store = storeForCall({ signal: deadline.signal, onCall: onStoreCall });
    return beforeDeadline(store.checkGuarantees(), deadline, deadlineMs);
  };

  /** If the clock was set back, the age is unknown, and the answer does not count as recent. */
  const isRecent = ({ endedAtMs }: LookUp): boolean => {
    const ageMs = endedAtMs === undefined ? 0 : clock().getTime() - endedAtMs;
    return ageMs >= 0 && ageMs < maxAgeMs;
  };

  return (onStoreCall) => {
    if (latest !== undefined && isRecent(latest)) {
      return latest.health;
    }
    const lookUp: LookUp = { health: look(onStoreCall), endedAtMs: undefined };
    const end = (): void => {
      lookUp.endedAtMs = clock().getTime();
    };
    lookUp.health.then(end, end);
    latest = lookUp;
    return lookUp.health;
  };
};
