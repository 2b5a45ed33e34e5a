/** The service under test: the real functions on the local host, over the real client and the embedded store. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { CosmosClient } from "@azure/cosmos";
import type { Container } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { makeFunctions } from "../../functions";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { lateLogPrefix, makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { decodeConfig } from "../../shared/config";
import type { Config } from "../../shared/config";
import type { AccountTiming } from "../../shared/cosmos/client";
import { makeCosmosStore } from "../../shared/cosmos/cosmos-store";
import type { CosmosStore } from "../../shared/cosmos/cosmos-store";
import { problemTypeBase } from "../../shared/http/problem";
import { checkExchange } from "./document";
import { startFaultProxy } from "./fault-proxy";
import type { FaultProxy } from "./fault-proxy";

/** A right value, or the test ends here. */
export const right = <A>(result: E.Either<unknown, A>): A => {
  if (E.isLeft(result)) {
    throw new Error(`expected a right, got ${JSON.stringify(result.left)}`);
  }
  return result.right;
};

export const decode = <A>(codec: t.Decoder<unknown, A>, input: unknown): A => right(codec.decode(input));

/** A clock that stands still until it is told to go on. */
export interface Clock {
  (): Date;
  advance(seconds: number): void;
}

export const makeClock = (start = new Date("2026-03-01T10:00:00.000Z")): Clock => {
  let now = start.getTime();
  const clock = (): Date => new Date(now);
  return Object.assign(clock, {
    advance: (seconds: number): void => {
      now += seconds * 1000;
    },
  });
};

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: unknown;
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Makes a request, and holds it and its answer against the OpenAPI document. */
export const call = async (url: string, init: RequestInit = {}): Promise<Reply> => {
  const response = await fetch(url, init);
  const text = await response.text();
  const reply = { status: response.status, headers: response.headers, text, json: parseJson(text) };
  checkExchange(url, init, reply);
  return reply;
};

/** A line that a function logged. */
export interface LogLine {
  readonly level: string;
  readonly text: string;
}

export const OtpBody = t.type({ code: t.string, expires_at: t.string, ttl: t.number });
export const ValidationBody = t.type({ expires_at: t.string, discount_id: t.string });
export const ApiKeyBody = t.type({
  merchant_id: t.string,
  key_type: t.string,
  api_key: t.string,
  created_at: t.string,
});

export const fiscalCode = "AAAAAA00A00A000A";
export const merchantId = "shop-1";
export const discountId = "discount-1";
/** What GenerateOtp is asked for. */
export const discount = { merchant_id: merchantId, discount_id: discountId };

/** The calls of the contract, on any host that serves it. */
export interface Api {
  readonly baseUrl: string;
  generate(beneficiary?: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  validate(apiKey: string, body: unknown, headers?: Record<string, string>): Promise<Reply>;
  regenerate(merchantId?: string, keyType?: string): Promise<Reply>;
  info(): Promise<Reply>;
  status(): Promise<Reply>;
  /** A code and a key that must be there for the test to go on. */
  newCode(beneficiary?: string, body?: unknown): Promise<string>;
  newApiKey(merchantId?: string, keyType?: string): Promise<string>;
  ask(apiKey: string, code: string): Promise<Reply>;
  use(apiKey: string, code: string, idempotencyKey?: string): Promise<Reply>;
}

export const makeApi = (baseUrl: string): Api => {
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    call(`${baseUrl}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const api: Api = {
    baseUrl,
    generate: (beneficiary = fiscalCode, body = discount, headers = {}) =>
      post(`/api/v1/cgn/otp/${beneficiary}`, body, headers),
    validate: (apiKey, body, headers = {}) =>
      post("/api/v1/merchant/cgn/otp/validate", body, { "Ocp-Apim-Subscription-Key": apiKey, ...headers }),
    regenerate: (merchant = merchantId, keyType = "primary") =>
      post(`/api/v1/cgn/merchants/${merchant}/api-keys/${keyType}`, undefined),
    info: () => call(`${baseUrl}/api/v1/info`),
    status: () => call(`${baseUrl}/api/v1/status`),
    newCode: async (...args) => decode(OtpBody, (await api.generate(...args)).json).code,
    newApiKey: async (...args) => decode(ApiKeyBody, (await api.regenerate(...args)).json).api_key,
    ask: (apiKey, code) => api.validate(apiKey, { otp_code: code, invalidate_otp: false }),
    use: (apiKey, code, idempotencyKey) =>
      api.validate(
        apiKey,
        { otp_code: code, invalidate_otp: true },
        idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey },
      ),
  };
  return api;
};

/** One instance of the service. */
export interface Instance extends Api {
  readonly config: Config;
  readonly store: CosmosStore;
  readonly log: LogLine[];
  stop(): Promise<void>;
}

export const startInstance = async (
  settings: Readonly<Record<string, string>>,
  clock: () => Date,
  timing?: AccountTiming,
): Promise<Instance> => {
  const config = right(decodeConfig(settings));
  const store = makeCosmosStore(config, timing);
  const log: LogLine[] = [];
  const host = makeHost(makeFunctions(config, store.forCall, clock), (level, ...args) => {
    log.push({ level, text: args.map(String).join(" ") });
  });
  return {
    ...makeApi(`http://127.0.0.1:${await listen(host, 0)}`),
    config,
    store,
    log,
    stop: async () => {
      await close(host);
      store.dispose();
      expect(log.filter(({ text }) => text.startsWith(lateLogPrefix))).toEqual([]);
    },
  };
};

/** An instance with a store of its own, which others can share. */
export interface Service extends Instance {
  readonly clock: Clock;
  readonly storeServer: Server;
  /** The store's containers, past the service. */
  readonly otps: Container;
  readonly apiKeys: Container;
  /** The settings with which another instance shares the store. */
  readonly settings: Readonly<Record<string, string>>;
  /** Has something stopped before the service is, whether or not its test comes to that. */
  stopFirst(stop: () => Promise<void>): void;
}

/** @param overrides settings that differ from those of the embedded store. */
export const startService = async (overrides: Readonly<Record<string, string>> = {}): Promise<Service> => {
  const embedded = await startEmbeddedCosmosDb();
  const settings = { ...embedded.settings, ...overrides };
  const clock = makeClock();
  const instance = await startInstance(settings, clock);
  right(await instance.store.createContainers());
  const { endpoint, key, databaseName } = instance.config.cosmos;
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
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

/** Another instance, whose way to the store leads through a fault proxy. */
export interface FaultyInstance {
  readonly proxy: FaultProxy;
  readonly instance: Instance;
  readonly stop: () => Promise<void>;
}

export const startBehindFaults = async (service: Service, deadlineMs: number): Promise<FaultyInstance> => {
  const proxy = await startFaultProxy(service.config.cosmos.endpoint);
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

/** The connections that clients have opened to a server since it is watched. */
export interface Connections {
  readonly opened: number;
  readonly open: number;
  /** How many were open at one time. */
  readonly mostOpen: number;
}

export const watchConnections = (server: Server): Connections => {
  const sockets = new Set<Socket>();
  let opened = 0;
  let mostOpen = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    opened += 1;
    mostOpen = Math.max(mostOpen, sockets.size);
  });
  return {
    get opened() {
      return opened;
    },
    get open() {
      return sockets.size;
    },
    get mostOpen() {
      return mostOpen;
    },
  };
};

const Item = t.intersection([t.type({ id: t.string }), t.partial({ partitionKey: t.string, ttl: t.number })]);

/** Every item of a container, as it is stored. */
export const readItems = async (container: Container): Promise<t.TypeOf<typeof Item>[]> =>
  decode(t.array(Item), (await container.items.readAll().fetchAll()).resources);

const Problem = t.type({
  type: t.string,
  title: t.string,
  status: t.number,
  detail: t.string,
  instance: t.string,
});

/** Checks all that the contract says of every problem; the caller checks the rest. */
export const expectProblem = (reply: Reply, status: number, name: string): void => {
  const problem = decode(Problem, reply.json);
  expect({ status: reply.status, type: problem.type }).toEqual({ status, type: problemTypeBase + name });
  expect(reply.headers.get("content-type")).toBe("application/problem+json");
  expect(problem.status).toBe(status);
  expect(problem.instance).toMatch(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(problem.title).not.toBe("");
  expect(problem.detail).not.toBe("");
  expect(reply.text.length).toBeLessThanOrEqual(2048);
};
