/** Which region of the account a request goes to, and why: docs/decisions/0011-regions.md. */
import { ConsistencyLevel } from "@azure/cosmos";
import type { DatabaseAccount, Location } from "@azure/cosmos";

/** The properties of an account that decide where requests go. */
export type AccountRegions = Pick<
  DatabaseAccount,
  "consistencyPolicy" | "enableMultipleWritableLocations" | "readableLocations" | "writableLocations"
>;

/** Either sign is enough: an account that can have several write regions may name one while they come and go. */
export const hasSeveralWriteRegions = (account: AccountRegions): boolean =>
  account.enableMultipleWritableLocations || account.writableLocations.length > 1;

/** How long requests avoid a region that gave no answer, in ms. After that, one request tries it again. */
export const suspicionMs = 10_000;

/** What the account last reported about its regions, and which regions gave no answer. An endpoint is an origin. */
export interface Regions {
  /** Whether the account has been read yet. */
  readonly areKnown: () => boolean;
  readonly follow: (account: AccountRegions) => void;
  /** Where to read the account itself. Each of its regions can answer. */
  readonly forAccount: () => string;
  readonly countForAccount: () => number;
  readonly forRead: () => string;
  /** Undefined when this instance must not write, because another instance may write to another region. */
  readonly forWrite: () => string | undefined;
  /** The region gave no answer, or answered that it cannot serve the request. */
  readonly suspect: (endpoint: string) => void;
  readonly trust: (endpoint: string) => void;
}

/**
 * @param accountEndpoint the account's own name, which resolves to one of its regions.
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

  /** The first endpoint that is not under suspicion. If all are, the one that has been suspected the longest. */
  const choose = (endpoints: readonly string[]): string => {
    const time = now();
    const suspicionLeft = (endpoint: string): number =>
      Math.max(0, (suspectedAt.get(endpoint) ?? -Infinity) + suspicionMs - time);
    const chosen = endpoints.reduce((best, endpoint) =>
      suspicionLeft(endpoint) < suspicionLeft(best) ? endpoint : best,
    );
    if (suspectedAt.has(chosen)) {
      // This request tries it. Until the region answers, the other requests keep avoiding it.
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
      // A new sole write region means that the account failed over, so follow it. With several, keep the one in force.
      if (!isDivided || !areKnown) {
        inForce = first;
      }
      // With several write regions, a new instance writes to the first. An instance that knew another region stops
      // writing, so that the two do not write to different regions.
      isWritable = !isDivided || inForce === first;
      // Only Strong consistency lets every region return the latest write.
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
