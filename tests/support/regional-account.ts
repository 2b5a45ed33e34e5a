/** An account with two regions: one store behind two proxies, each of which can fail by itself. */
import {
  startFaultProxy,
  type AccountDescription,
  type Fault,
  type FaultProxy,
  type StoreRequest,
} from "../../tools/support/fault-proxy";
import { startInstance, type Instance, type Service } from "../../tools/support/service";
import type { StoreOptions } from "../../shared/cosmos/cosmos-store";

export type Region = "A" | "B";

/** A region, or the account's own name. */
export type Door = Region | "account";

/** A request that arrived at a door. */
export interface RegionalRequest extends StoreRequest {
  readonly door: Door;
}

/** What the account reports about its regions. The first of a list has priority. */
export interface Regions {
  readonly write: readonly Region[];
  readonly read: readonly Region[];
  readonly consistency?: string;
  readonly withoutAddress?: readonly Region[];
  /** The regions have names, such as `region-a.test`, and no addresses, in their endpoints. */
  readonly hasNames?: boolean;
}

/** The name of a region in an account that `hasNames`. */
export const nameOf = (region: Region): string => `region-${region.toLowerCase()}.test`;

/**
 * What the account's proxies share. An index counts the requests at all of them. At the start, and again after a reset,
 * the account has one write region.
 */
export interface RegionalAccount extends Omit<FaultProxy, "requests" | "script"> {
  readonly requests: readonly RegionalRequest[];
  script(decide: (request: RegionalRequest) => Fault | undefined): void;
  /** From now on the account reports these regions. */
  describe(regions: Regions): void;
  /** Fails over: the other region becomes the write region. These doors go on reporting what they knew. */
  failOver(stale?: readonly Door[]): void;
  /** Whether a request is for this region. The account's own name resolves to the first write region. */
  isFor(request: RegionalRequest, region: Region): boolean;
}

/** Info accepts this account: Strong, one write region, a second read region. */
export const undivided: Regions = { write: ["A"], read: ["A", "B"] };

const isWrite = ({ method }: StoreRequest): boolean => method !== "GET";

/** With these faults no write is applied, so the region has nothing to forbid. */
const changesNothing = new Set<Fault["kind"]>([
  "refuse",
  "reset-before",
  "status",
  "answer",
  "forbidden",
  "hang",
]);

/**
 * The regions act on what the account reports, as on Azure. A region that takes no writes answers 403/3 to a write.
 * With several write regions, all but the first accept only writes whose header allows a tentative write. SDKs that do
 * not send that header showed this (Azure/azure-sdk-for-rust issue 2292, Azure/azure-sdk-for-go issue 24911).
 */
const takesWrite = ({ door, headers }: RegionalRequest, { write }: Regions): boolean =>
  door === "account" ||
  door === write[0] ||
  (write.includes(door) && headers["x-ms-cosmos-allow-tentative-writes"] !== undefined);

/** @param target the store behind: `http://127.0.0.1:port`. */
export const startRegionalAccount = async (target: string): Promise<RegionalAccount> => {
  let regions = undivided;
  let requests: RegionalRequest[] = [];
  let decide: (request: RegionalRequest) => Fault | undefined = () => undefined;

  let stale: Partial<Record<Door, Regions>> = {};
  const describeAt = (door: Door) => (): AccountDescription => {
    const said = stale[door] ?? regions;
    const { write, read, consistency = "Strong", withoutAddress = [], hasNames = false } = said;
    const toLocation = (region: Region): unknown => ({
      name: `Region ${region}`,
      databaseAccountEndpoint: withoutAddress.includes(region)
        ? // RFC 6761: no resolver resolves such a name.
          `http://region-${region.toLowerCase()}.invalid/`
        : `${hasNames ? doors[region].endpoint.replace("127.0.0.1", nameOf(region)) : doors[region].endpoint}/`,
    });
    return {
      writableLocations: write.map(toLocation),
      readableLocations: read.map(toLocation),
      enableMultipleWriteLocations: write.length > 1,
      userConsistencyPolicy: { defaultConsistencyLevel: consistency },
    };
  };
  const [account, a, b] = await Promise.all([
    startFaultProxy(target, describeAt("account")),
    startFaultProxy(target, describeAt("A")),
    startFaultProxy(target, describeAt("B")),
  ]);
  const doors = { account, A: a, B: b };
  const all = [account, a, b];

  const listen = (): void => {
    for (const door of ["account", "A", "B"] as const) {
      doors[door].script((arrived) => {
        const request = { ...arrived, door, index: requests.length };
        requests.push(request);
        const fault = decide(request);
        const isForbidden = isWrite(request) && !takesWrite(request, regions);
        return isForbidden && !changesNothing.has(fault?.kind ?? "delay")
          ? { kind: "forbidden", substatus: 3 }
          : fault;
      });
    }
  };
  listen();

  return {
    endpoint: account.endpoint,
    get requests() {
      return requests;
    },
    script: (next) => {
      decide = next;
    },
    describe: (next) => {
      regions = next;
      stale = {};
    },
    failOver: (behind = []) => {
      stale = Object.fromEntries(behind.map((door) => [door, stale[door] ?? regions]));
      const write = regions.write[0] === "A" ? "B" : "A";
      regions = { write: [write], read: [write, write === "A" ? "B" : "A"] };
    },
    isFor: ({ door }, region) => door === region || (door === "account" && regions.write[0] === region),
    settled: async () => {
      await Promise.all(all.map((door) => door.settled()));
    },
    reset: async () => {
      await Promise.all(all.map((door) => door.reset()));
      decide = () => undefined;
      regions = undivided;
      stale = {};
      requests = [];
      listen();
    },
    close: async () => {
      await Promise.all(all.map((door) => door.close()));
    },
  };
};

export interface RegionalInstance {
  readonly account: RegionalAccount;
  readonly instance: Instance;
  readonly stop: () => Promise<void>;
}

export interface RegionalOptions extends StoreOptions {
  readonly deadlineMs: number;
  readonly account?: RegionalAccount | undefined;
}

export const startRegionalInstance = async (
  service: Service,
  { deadlineMs, account: shared, ...options }: RegionalOptions,
): Promise<RegionalInstance> => {
  const account = shared ?? (await startRegionalAccount(service.config.cosmos.endpoint));
  const settings = {
    ...service.settings,
    COSMOSDB_ENDPOINT: account.endpoint,
    COSMOSDB_SINGLE_COPY: "false",
    REQUEST_DEADLINE_IN_MS: String(deadlineMs),
  };
  const instance = await startInstance(settings, service.clock, options);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= instance.stop().then(() => (shared === undefined ? account.close() : undefined)));
  service.stopFirst(stop);
  return { account, instance, stop };
};
