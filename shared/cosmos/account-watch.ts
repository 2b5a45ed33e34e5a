/** Reads the account's description, and says for how long it may be relied on: docs/decisions/0011-regions.md. */
import type { DatabaseAccount, ResourceResponse } from "@azure/cosmos";
import { setTimeout as sleep } from "node:timers/promises";
import { unlessAborted, type Signal } from "../unless-aborted";
import { toStoreError } from "./error";
import type { AccountRegions, Regions } from "./regions";

/** When the account is read, in ms. */
export interface AccountTiming {
  /** A request that finds the description older than this starts a read in the background. */
  readonly maxAgeMs: number;
  /** A region that fails starts a read, too, but not within this time of the last. */
  readonly minAgeMs: number;
  /** A write is sent only under a description that was asked for less than this ago. */
  readonly leaseMs: number;
  /** How long one endpoint may take. */
  readonly patienceMs: number;
}

/** If five of six endpoints do not answer, the service notices a failover after 20 + 5 × 1.5 s. */
export const accountTiming: AccountTiming = {
  maxAgeMs: 20_000,
  minAgeMs: 2_000,
  leaseMs: 30_000,
  patienceMs: 1_500,
};

/** Between reads that fail while requests wait, in ms. */
const shortestPauseMs = 20;
const longestPauseMs = 500;

export type AccountResponse = ResourceResponse<DatabaseAccount>;

export interface AccountWatch {
  /** Resolves when a description is known, for a write one younger than the lease. Rejects when the signal aborts. */
  readonly ready: (isWrite: boolean, signal: Signal | undefined) => Promise<void>;
  readonly doubt: () => void;
  readonly read: () => Promise<AccountResponse>;
  readonly stop: () => void;
}

/** On both clocks of the machine, in ms. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export interface AccountWatchOptions {
  readonly readAt: (endpoint: string, signal: AbortSignal) => Promise<AccountResponse>;
  readonly regions: Regions;
  readonly onFollow?: (account: AccountRegions) => void;
  readonly timing?: AccountTiming;
  readonly now?: () => Moment;
}

export const makeAccountWatch = ({
  readAt,
  regions,
  onFollow = () => undefined,
  timing = accountTiming,
  now = () => ({ monotonic: performance.now(), wall: Date.now() }),
}: AccountWatchOptions): AccountWatch => {
  let heardAt: Moment | undefined;
  let lastStartedAt = -Infinity;
  let lastFailure: unknown;
  let pauseMs = 0;
  let reading: Promise<AccountResponse> | undefined;
  let isStopped = false;

  /** One clock stands still while a machine is suspended, the other can be set: neither makes a description younger. */
  const age = (): number => {
    if (heardAt === undefined) {
      return Infinity;
    }
    const { monotonic, wall } = now();
    return wall < heardAt.wall ? Infinity : Math.max(monotonic - heardAt.monotonic, wall - heardAt.wall);
  };

  const follow = (response: AccountResponse, account: AccountRegions, askedAt: Moment): AccountResponse => {
    regions.follow(account);
    onFollow(account);
    heardAt = askedAt;
    return response;
  };

  /**
   * Asks the endpoints until one names a write region that has not failed the last write. If there is none, the one that
   * failed the longest ago is tried again.
   */
  const readInTurn = async (): Promise<AccountResponse> => {
    let doubted: { readonly failedAt: number; readonly follow: () => AccountResponse } | undefined;
    let failure: unknown;
    for (const endpoint of regions.forAccount()) {
      if (isStopped) {
        break;
      }
      const askedAt = now();
      try {
        const response = await readAt(endpoint, AbortSignal.timeout(timing.patienceMs));
        const account = toAccountRegions(response);
        const failedAt = regions.failedWriteAt(account);
        if (failedAt === undefined) {
          return follow(response, account, askedAt);
        }
        if (doubted === undefined || failedAt < doubted.failedAt) {
          doubted = { failedAt, follow: () => follow(response, account, askedAt) };
        }
      } catch (error) {
        failure = error;
        await sleep(shortestPauseMs, undefined, { ref: false });
      }
    }
    if (doubted !== undefined) {
      return doubted.follow();
    }
    throw failure;
  };

  const start = async (): Promise<AccountResponse> => {
    try {
      await sleep(pauseMs, undefined, { ref: false });
      lastStartedAt = now().monotonic;
      const response = await readInTurn();
      pauseMs = 0;
      return response;
    } catch (error) {
      lastFailure = error;
      pauseMs = Math.min(Math.max(2 * pauseMs, shortestPauseMs), longestPauseMs);
      throw error;
    } finally {
      reading = undefined;
    }
  };

  const read = (): Promise<AccountResponse> => (reading ??= start());

  const refresh = (leastAgeMs: number): void => {
    if (!isStopped && reading === undefined && now().monotonic - lastStartedAt >= leastAgeMs) {
      read().catch(() => undefined);
    }
  };

  return {
    ready: async (isWrite, signal) => {
      const isReady = (): boolean => (isWrite ? age() < timing.leaseMs : heardAt !== undefined);
      while (!isReady()) {
        await unlessAborted(read(), signal).catch(() => undefined);
        if (signal?.aborted === true || isStopped) {
          throw new UnknownAccount(lastFailure);
        }
      }
      refresh(age() >= timing.maxAgeMs ? timing.minAgeMs : Infinity);
    },
    doubt: () => {
      refresh(timing.minAgeMs);
    },
    read,
    stop: () => {
      isStopped = true;
    },
  };
};

/** No endpoint described the account, so nothing was sent. */
export class UnknownAccount extends Error {
  constructor(failure: unknown) {
    super(failure === undefined ? "no answer in time" : String(toStoreError(failure).status));
  }
}

const isHttp = (url: string): boolean => /^https?:$/.test(URL.parse(url)?.protocol ?? "");

/** Throws for what no account says, such as `{}`. */
const toAccountRegions = ({ resource, statusCode }: AccountResponse): AccountRegions => {
  const isLocated = [resource?.writableLocations, resource?.readableLocations].every(
    (locations) =>
      Array.isArray(locations) &&
      locations.every(({ databaseAccountEndpoint }) => isHttp(databaseAccountEndpoint)),
  );
  if (statusCode !== 200 || resource === undefined || !isLocated) {
    throw new Error("no description");
  }
  return resource;
};
