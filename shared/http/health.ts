/** Whether the service can keep its promises: asked of the store once for all who want to know at about the same time. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type { ServiceUnavailable } from "../domain/failure";
import { missingGuarantee } from "../domain/guarantees";
import type { StoreCall } from "../domain/store";
import { beforeDeadline } from "./deadline";
import type { Runtime } from "./function";

/** Left, with the cause, when the service cannot keep its promises. */
export type Health = Either<ServiceUnavailable, void>;

/**
 * Answers what is known, if it is at most 5 s old, and looks otherwise, in `deadlineMs` at most. Whoever comes meanwhile waits
 * for the same answer. Rejects on a defect only.
 *
 * @param onStoreCall is told of the store call, if this one makes it.
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
  /** Undefined while it is under way. */
  endedAtMs: number | undefined;
}

const maxAgeMs = 5000;

/**
 * A look-up reads the account and both containers. Azure throttles such requests apart from those for items, however much
 * throughput there is (learn.microsoft.com/azure/cosmos-db/nosql/troubleshoot-request-rate-too-large, "Rate limiting on
 * metadata requests"). Whoever asks need not say who they are, so without sharing a flood would make the service look ill.
 */
export const makeHealthCheck = ({
  runtime: { storeForCall, deadlineMs },
  isSingleCopy,
  clock,
}: Dependencies): CheckHealth => {
  let latest: LookUp | undefined;

  const look = async (onStoreCall: (call: StoreCall) => void): Promise<Health> => {
    // Its own deadline, and no caller's: one who goes away takes nothing from the others, and one that the store leaves
    // without an answer is over before it can keep anybody waiting for longer.
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

  /** A clock that was set back says nothing of an age. */
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
