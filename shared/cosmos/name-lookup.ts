/**
 * `dns.lookup` runs two look-ups at a time, for minutes if the resolver hangs, and none can be ended
 * (https://nodejs.org/docs/latest-v22.x/api/dns.html#implementation-considerations). So each name has one look-up under
 * way here, and no other name waits for it.
 */
import { lookup as lookUpBySystem, Resolver } from "node:dns/promises";
import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface LookupTiming {
  /** How long a connection waits for the first address, in ms. */
  readonly patienceMs: number;
  /** Older addresses still serve, and are looked up anew meanwhile, in ms. */
  readonly maxAgeMs: number;
  /** When DNS is asked past the pool, in ms. */
  readonly secondOpinionMs: number;
}

export const lookupTiming: LookupTiming = { patienceMs: 1_000, maxAgeMs: 10_000, secondOpinionMs: 250 };

type Addresses = readonly LookupAddress[];

/** The first may hang, and cannot be ended. */
export interface Resolvers {
  readonly bySystem: (name: string) => Promise<Addresses>;
  readonly byDns: (name: string) => Promise<Addresses>;
}

const makeResolvers = (): Resolvers => {
  const dns = new Resolver({ timeout: 1_000, tries: 2 });
  const resolve = async (find: Promise<string[]>, family: number): Promise<LookupAddress[]> =>
    (await find).map((address) => ({ address, family }));
  return {
    bySystem: (name) => lookUpBySystem(name, { all: true }),
    byDns: async (name) => {
      const found = await Promise.allSettled([
        resolve(dns.resolve4(name), 4),
        resolve(dns.resolve6(name), 6),
      ]);
      const addresses = found.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
      if (addresses.length === 0) {
        throw noAddress();
      }
      return addresses;
    },
  };
};

interface KnownName {
  /** They stay when a later look-up fails. */
  addresses: Addresses | undefined;
  foundAt: number;
  /** The look-up that has not ended, and the answer that connections wait for. */
  bySystem: Promise<Addresses> | undefined;
  looking: { readonly startedAt: number; readonly answer: Promise<Addresses> } | undefined;
}

const noAddress = (): Error => Object.assign(new Error("no address"), { code: "ENOTFOUND" });

export interface NameLookup {
  readonly lookup: LookupFunction;
  /** Looks a name up before the first connection needs it. */
  readonly prepare: (name: string) => void;
}

export const makeNameLookup = (
  timing: LookupTiming = lookupTiming,
  { bySystem, byDns }: Resolvers = makeResolvers(),
): NameLookup => {
  const names = new Map<string, KnownName>();

  const start = async (name: string, known: KnownName): Promise<Addresses> => {
    const answered = new AbortController();
    try {
      known.bySystem ??= bySystem(name).finally(() => {
        known.bySystem = undefined;
      });
      const { signal } = answered;
      const secondOpinion = sleep(timing.secondOpinionMs, name, { ref: false, signal }).then(byDns);
      const system = known.bySystem;
      const found = await Promise.race([system, secondOpinion.catch(() => system)]);
      known.addresses = found;
      known.foundAt = performance.now();
      return found;
    } catch {
      throw noAddress();
    } finally {
      answered.abort();
      known.looking = undefined;
    }
  };

  const look = (name: string, known: KnownName): NonNullable<KnownName["looking"]> => {
    if (known.looking === undefined) {
      const answer = start(name, known);
      answer.catch(() => undefined);
      known.looking = { startedAt: performance.now(), answer };
    }
    return known.looking;
  };

  const addressesOf = async (name: string): Promise<Addresses> => {
    const known = names.get(name) ?? {
      addresses: undefined,
      foundAt: -Infinity,
      bySystem: undefined,
      looking: undefined,
    };
    names.set(name, known);
    if (known.addresses !== undefined && performance.now() - known.foundAt < timing.maxAgeMs) {
      return known.addresses;
    }
    const { startedAt, answer } = look(name, known);
    if (known.addresses !== undefined) {
      return known.addresses;
    }
    const remainingMs = startedAt + timing.patienceMs - performance.now();
    return Promise.race([
      answer,
      sleep(Math.max(0, remainingMs), undefined, { ref: false }).then(() => {
        throw noAddress();
      }),
    ]);
  };

  return {
    lookup: (name, { all, family = 0 }, callback) => {
      const wanted = typeof family === "number" ? family : Number(family.slice(-1));
      addressesOf(name).then(
        (addresses) => {
          const fitting = addresses.filter((each) => wanted === 0 || each.family === wanted);
          const [first] = fitting;
          if (first === undefined) {
            callback(noAddress(), "");
          } else if (all === true) {
            callback(null, fitting);
          } else {
            callback(null, first.address, first.family);
          }
        },
        (error: unknown) => {
          callback(error instanceof Error ? error : noAddress(), "");
        },
      );
    },
    prepare: (name) => {
      addressesOf(name).catch(() => undefined);
    },
  };
};
