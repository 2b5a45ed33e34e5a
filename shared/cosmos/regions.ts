/** Which region of the account a request goes to, and why: docs/decisions/0011-regions.md. */
import { ConsistencyLevel, type DatabaseAccount, type Location } from "@azure/cosmos";

export type AccountRegions = Pick<
  DatabaseAccount,
  "consistencyPolicy" | "enableMultipleWritableLocations" | "readableLocations" | "writableLocations"
>;

/** Either sign is enough: an account that can have several write regions may name one while they come and go. */
export const hasSeveralWriteRegions = (account: AccountRegions): boolean =>
  account.enableMultipleWritableLocations || account.writableLocations.length > 1;

/** How long requests avoid a useless region, in ms. Then one request tries it again. */
export const suspicionMs = 10_000;

/** `passing`: a retry in place may mend it, once. `read-only`: it takes no writes. */
export type Usefulness = "useful" | "passing" | "read-only" | "useless";

/** What the account last said of its regions, and how each answered. An endpoint is an origin. */
export interface Regions {
  readonly follow: (account: AccountRegions) => void;
  /** When the only write region of this description failed a write, if it has taken none since. */
  readonly failedWriteAt: (account: AccountRegions) => number | undefined;
  /** Where to read the account: first at its own name, which Azure leads to the write region. */
  readonly forAccount: () => readonly string[];
  readonly forRead: () => string;
  readonly countForRead: () => number;
  /** Undefined when another instance may write to another region. */
  readonly forWrite: () => string | undefined;
  /** @param sentAt when the request was sent; now, if it is missing. */
  readonly note: (endpoint: string, isWrite: boolean, usefulness: Usefulness, sentAt?: number) => void;
}

/** @param now a clock that never goes back, in ms. */
export const makeRegions = (
  accountEndpoint: string,
  now: () => number = () => performance.now(),
): Regions => {
  let isKnown = false;
  /** The last region that the account named as its only write region. */
  let writeRegion = accountEndpoint;
  let isWritable = true;
  let readable: readonly string[] = [accountEndpoint];
  let all: readonly string[] = [];
  const suspectedAt = new Map<string, number>();
  const passing = new Set<string>();
  const failedWriteAt = new Map<string, number>();

  const suspicionLeft = (endpoint: string): number =>
    Math.max(0, (suspectedAt.get(endpoint) ?? -Infinity) + suspicionMs - now());

  const byPromise = (endpoints: readonly string[]): readonly string[] =>
    endpoints.toSorted((one, other) => suspicionLeft(one) - suspicionLeft(other));

  return {
    follow: (account) => {
      const writable = originsOf(account.writableLocations);
      const others = originsOf(account.readableLocations);
      const first = writable[0] ?? writeRegion;
      const isDivided = hasSeveralWriteRegions(account);
      // A new sole write region means that the account failed over, so follow it. With several, keep the former one.
      if (!isDivided || !isKnown) {
        writeRegion = first;
      }
      // With several, a new instance writes to the first, so one that knew another stops writing.
      isWritable = !isDivided || writeRegion === first;
      // Only Strong consistency lets every region return the latest write.
      const isSameEverywhere = account.consistencyPolicy === ConsistencyLevel.Strong && !isDivided;
      readable = [...new Set([writeRegion, ...(isSameEverywhere ? others : [])])];
      all = [...new Set([writeRegion, ...writable, ...others])];
      isKnown = true;
    },
    failedWriteAt: (account) => {
      const [first] = originsOf(account.writableLocations);
      return first === undefined || hasSeveralWriteRegions(account) ? undefined : failedWriteAt.get(first);
    },
    forAccount: () => [...new Set([accountEndpoint, ...byPromise(all)])],
    forRead: () => {
      const [chosen = writeRegion] = byPromise(readable);
      if (suspectedAt.has(chosen)) {
        // This request tries it. The others go on avoiding it until it answers.
        suspectedAt.set(chosen, now());
      }
      return chosen;
    },
    countForRead: () => readable.length,
    forWrite: () => (isWritable ? writeRegion : undefined),
    note: (endpoint, isWrite, usefulness, sentAt = now()) => {
      if (usefulness === "useful") {
        passing.delete(endpoint);
        // Only a read that was sent later clears a region: one of its partitions may fail while others answer.
        if (!isWrite && (suspectedAt.get(endpoint) ?? -Infinity) <= sentAt) {
          suspectedAt.delete(endpoint);
        }
        if (isWrite) {
          failedWriteAt.delete(endpoint);
        }
        return;
      }
      const isFirst = usefulness === "passing" && !passing.has(endpoint);
      if (isFirst) {
        passing.add(endpoint);
        return;
      }
      if (usefulness !== "read-only") {
        suspectedAt.set(endpoint, now());
      }
      if (isWrite) {
        failedWriteAt.set(endpoint, now());
      }
    },
  };
};

const originsOf = (locations: readonly Location[]): readonly string[] =>
  locations.map(({ databaseAccountEndpoint }) => new URL(databaseAccountEndpoint).origin);
