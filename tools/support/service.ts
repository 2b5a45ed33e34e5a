/** The service under test: the real functions on the local host, over the real client and the embedded store. */
import type { Server } from "node:http";
import { CosmosClient, type Container } from "@azure/cosmos";
import * as t from "io-ts";
import { makeFunctions } from "../../functions";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { lateLogPrefix, makeHost, type HostLine } from "../../local/host";
import { close, listen } from "../../local/server";
import { decodeConfig, type Config } from "../../shared/config";
import { makeCosmosStore, type CosmosStore, type StoreOptions } from "../../shared/cosmos/cosmos-store";
import { makeApi, type Api } from "./api";
import { makeClock, type Clock } from "./clock";
import { decode, right } from "./either";
import { startFaultProxy, type FaultProxy } from "./fault-proxy";
import type { Script } from "./fault-scripts";

/** A line that a function logged. */
export interface LogLine {
  readonly level: string;
  readonly text: string;
}

/** One instance of the service. */
export interface Instance extends Api {
  readonly config: Config;
  readonly store: CosmosStore;
  readonly log: LogLine[];
  /** What the host itself logs, at every level. */
  readonly hostLog: HostLine[];
  stop(): Promise<void>;
}

export const startInstance = async (
  settings: Readonly<Record<string, string>>,
  clock: () => Date,
  options?: StoreOptions,
): Promise<Instance> => {
  const config = right(decodeConfig(settings));
  const store = makeCosmosStore(config, options);
  const log: LogLine[] = [];
  const hostLog: HostLine[] = [];
  const host = makeHost(
    makeFunctions(config, store.forCall, clock),
    (level, ...args) => {
      log.push({ level, text: args.map(String).join(" ") });
    },
    { onHostLine: (line) => hostLog.push(line) },
  );
  return {
    ...makeApi(`http://127.0.0.1:${await listen(host, 0)}`),
    config,
    store,
    log,
    hostLog,
    stop: async () => {
      await close(host);
      store.dispose();
      const late = log.filter(({ text }) => text.startsWith(lateLogPrefix));
      if (late.length > 0) {
        throw new Error(late.map(({ text }) => text).join("\n"));
      }
    },
  };
};

/** An instance with a store of its own, which others can share. */
export interface Service extends Instance {
  readonly clock: Clock;
  readonly storeServer: Server;
  /** Direct access to the store's containers, not through the service. */
  readonly otps: Container;
  readonly apiKeys: Container;
  /** The settings with which another instance shares the store. */
  readonly settings: Readonly<Record<string, string>>;
  /** Calls `stop` before the service stops, because a test that fails may not call it. */
  stopFirst(stop: () => Promise<void>): void;
}

/** For instances that must answer, however busy the machine is. */
export const patience = { REQUEST_DEADLINE_IN_MS: "60000" } as const;

/** @param overrides settings that differ from those of the embedded store. */
export const startService = async (overrides: Readonly<Record<string, string>> = {}): Promise<Service> => {
  const embedded = await startEmbeddedCosmosDb();
  const settings = { ...embedded.settings, ...overrides };
  const clock = makeClock();
  const instance = await startInstance(settings, clock);
  right(await instance.store.createContainers());
  const { endpoint, databaseName } = instance.config.cosmos;
  const client = new CosmosClient({
    endpoint,
    // The embedded store takes any.
    key: "a2V5",
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const database = client.database(databaseName);
  const dependents: (() => Promise<void>)[] = [];
  return {
    ...instance,
    clock,
    settings,
    storeServer: embedded.server,
    otps: database.container("otps"),
    apiKeys: database.container("api-keys"),
    stopFirst: (stop) => dependents.push(stop),
    stop: async () => {
      await Promise.all(dependents.map((stop) => stop()));
      await instance.stop();
      client.dispose();
      if (embedded.server.listening) {
        await close(embedded.server);
      }
    },
  };
};

/** Another instance, which reaches the store through a fault proxy. */
export interface FaultyInstance {
  readonly proxy: FaultProxy;
  readonly instance: Instance;
  readonly stop: () => Promise<void>;
}

/** Stopping the service stops it, too. */
export const startBehindFaults = async (
  service: Service,
  deadlineMs: number,
  script: Script = () => undefined,
): Promise<FaultyInstance> => {
  const proxy = await startFaultProxy(service.config.cosmos.endpoint);
  proxy.script(script);
  const settings = {
    ...service.settings,
    COSMOSDB_ENDPOINT: proxy.endpoint,
    REQUEST_DEADLINE_IN_MS: String(deadlineMs),
  };
  const instance = await startInstance(settings, service.clock);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= instance.stop().then(() => proxy.close()));
  service.stopFirst(stop);
  return { proxy, instance, stop };
};

const Item = t.intersection([t.type({ id: t.string }), t.partial({ partitionKey: t.string, ttl: t.number })]);

/** Every item of a container, as the store holds it. */
export const readItems = async (container: Container): Promise<t.TypeOf<typeof Item>[]> =>
  decode(t.array(Item), (await container.items.readAll().fetchAll()).resources);
