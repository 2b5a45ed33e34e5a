/** Whether the service can keep its promises. Calls that ask at about the same time share one look-up of the store. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type { ServiceUnavailable } from "../domain/failure";
import { missingGuarantee } from "../domain/guarantees";
import type { StoreCall } from "../domain/store";
import { beforeDeadline } from "./deadline";
import type { Runtime } from "./function";

/** A left, with the cause, when the service cannot keep its promises. */
export type Health = Either<ServiceUnavailable, void>;

/**
 * Returns the last answer if it is less than 5 s old. Otherwise starts a look-up, which takes `deadlineMs` at most.
 * Calls that come during a look-up wait for the same answer. Rejects only on a defect.
 *
 * @param onStoreCall receives the store call, if this call makes the look-up.
 */
export type CheckHealth = (onStoreCall: (call: StoreCall) => void) => Promise<Health>;

interface Dependencies {
  readonly runtime: Runtime;
  /** The store is one copy of the data: neither its consistency nor its regions matter. */
  readonly isSingleCopy: boolean;
  readonly clock: () => Date;
}

interface LookUp {
  readonly health: Promise<Health>;
  /** Undefined while the look-up runs. */
  endedAtMs: number | undefined;
}

const maxAgeMs = 5000;

/**
 * A look-up reads the account and both containers. Azure throttles such requests separately from requests for items, at
 * any throughput (learn.microsoft.com/azure/cosmos-db/nosql/troubleshoot-request-rate-too-large, "Rate limiting on
 * metadata requests"). Anybody may ask, without a key. If calls did not share a look-up, a flood of them would be
 * throttled, and the service would look unhealthy.
 */
export const makeHealthCheck = ({
  runtime: { storeForCall, deadlineMs },
  isSingleCopy,
  clock,
}: Dependencies): CheckHealth => {
  let latest: LookUp | undefined;

  const look = async (onStoreCall: (call: StoreCall) => void): Promise<Health> => {
    // The look-up has its own deadline, because callers share it. A caller that disconnects does not end it for the
    // others, and a look-up that the store does not answer still ends in time for all of them.
    const deadline = new AbortController();
    const store = storeForCall({ signal: deadline.signal, onCall: onStoreCall });
    const account = await beforeDeadline(store.describeAccount(), deadline, deadlineMs);
    if (E.isLeft(account)) {
      return account;
    }
    const missing = missingGuarantee(account.right, isSingleCopy);
    return missing === undefined
      ? E.right(undefined)
      : E.left({ tag: "service-unavailable", retryAfterSeconds: 60, cause: missing });
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
