/** Which region of the account a request goes to, and why: docs/decisions/0011-regions.md. */
import { ConsistencyLevel } from "@azure/cosmos";
import type { DatabaseAccount, Location } from "@azure/cosmos";

/** What of an account matters here. */
export type AccountRegions = Pick<
  DatabaseAccount,
  "consistencyPolicy" | "enableMultipleWritableLocations" | "readableLocations" | "writableLocations"
>;

/** Either sign is enough: an account that can have several write regions may name one while they come and go. */
export const hasSeveralWriteRegions = (account: AccountRegions): boolean =>
  account.enableMultipleWritableLocations || account.writableLocations.length > 1;

/** How long a region that gave no answer is passed over, before one request tries whether it does again, in ms. */
export const suspicionMs = 10_000;

/** What the account last said of its regions, and which of them gave no answer. An endpoint is an origin. */
export interface Regions {
  /** Whether the account has said anything yet. */
  readonly areKnown: () => boolean;
  readonly follow: (account: AccountRegions) => void;
  /** Where to read the account itself: each of its regions can tell. */
  readonly forAccount: () => string;
  readonly countForAccount: () => number;
  readonly forRead: () => string;
  /** Undefined if nothing may be written, lest another instance write somewhere else. */
  readonly forWrite: () => string | undefined;
  /** It gave no answer, or one that says that it cannot. */
  readonly suspect: (endpoint: string) => void;
  readonly trust: (endpoint: string) => void;
}

/**
 * @param accountEndpoint the account's own name, which leads to one of its regions.
 * @param now a clock that never goes back, in ms.
 */
export const makeRegions = (
  accountEndpoint: string,
  now: () => number = () => performance.now(),
): Regions => {
  let areKnown = false;
  /** The write region in force: the last one that the account named as its only one. */
  let inForce = accountEndpoint;
  let isWritable = true;
  let readable: readonly string[] = [accountEndpoint];
  let forAccount: readonly string[] = [accountEndpoint];
  const suspectedAt = new Map<string, number>();

  /** The first that is not under suspicion; if all are, the one that has been for longest. */
  const choose = (endpoints: readonly string[]): string => {
    const time = now();
    const suspicionLeft = (endpoint: string): number =>
      Math.max(0, (suspectedAt.get(endpoint) ?? -Infinity) + suspicionMs - time);
    const chosen = endpoints.reduce((best, endpoint) =>
      suspicionLeft(endpoint) < suspicionLeft(best) ? endpoint : best,
    );
    if (suspectedAt.has(chosen)) {
      // This request tries it; until it is answered, others go on passing it over.
      suspectedAt.set(chosen, time);
    }
    return chosen;
  };

  return {
    areKnown: () => areKnown,
    follow: (account) => {
      const writable = originsOf(account.writableLocations);
      const others = originsOf(account.readableLocations);
      const first = writable[0] ?? inForce;
      const isDivided = hasSeveralWriteRegions(account);
      // The only write region there is takes the place of the last one: that was a failover. One of several does not.
      if (!isDivided || !areKnown) {
        inForce = first;
      }
      // An instance that starts now takes the first of several; one that knows another keeps out of its way.
      isWritable = !isDivided || inForce === first;
      // Only with Strong consistency does each region know what was written last.
      const isSameEverywhere = account.consistencyPolicy === ConsistencyLevel.Strong && !isDivided;
      readable = [...new Set([inForce, ...(isSameEverywhere ? others : [])])];
      forAccount = [...new Set([accountEndpoint, inForce, ...writable, ...others])];
      areKnown = true;
    },
    forAccount: () => choose(forAccount),
    countForAccount: () => forAccount.length,
    forRead: () => choose(readable),
    forWrite: () => (isWritable ? inForce : undefined),
    suspect: (endpoint) => {
      suspectedAt.set(endpoint, now());
    },
    trust: (endpoint) => {
      suspectedAt.delete(endpoint);
    },
  };
};

const originsOf = (locations: readonly Location[]): readonly string[] =>
  locations.map(({ databaseAccountEndpoint }) => new URL(databaseAccountEndpoint).origin);
