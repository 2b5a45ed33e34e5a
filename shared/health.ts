/** Whether the service can keep its promises. */
import type { Either } from "fp-ts/Either";
import type { ServiceUnavailable } from "./domain/failure";
import type { StoreCall, StoreForCall } from "./domain/store";
import { beforeDeadline } from "./http/deadline";

export type Health = Either<ServiceUnavailable, void>;

/**
 * Gives the last answer if it is less than 5 s old, else looks, once for all simultaneous calls. Rejects only on a defect.
 * @param onStoreCall gets the look-up, if this call makes it.
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
 * Azure throttles reads of metadata at any throughput (learn.microsoft.com/azure/cosmos-db/nosql/
 * troubleshoot-request-rate-too-large), so a flood of look-ups would make the service look unhealthy.
 */
export const makeHealthCheck = ({ storeForCall, deadlineMs, clock }: Dependencies): CheckHealth => {
  let latest: LookUp | undefined;

  const look = (onStoreCall: (call: StoreCall) => void): Promise<Health> => {
    // Callers share it, so none of their deadlines may end it.
    const deadline = new AbortController();
    const store = storeForCall({ signal: deadline.signal, onCall: onStoreCall });
    return beforeDeadline(store.checkGuarantees(), deadline, deadlineMs);
  };

  /** Not if the clock was set back: then the age is unknown. */
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
