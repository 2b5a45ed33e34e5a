import type { ContainerDefinition } from "@azure/cosmos";
import { HttpRequest, InvocationContext } from "@azure/functions";
import * as E from "fp-ts/Either";
import { makeFunctions } from "../functions";
import { name, version } from "../package.json";
import { expectProblem } from "../tests/support/expect-problem";
import { send, type Api } from "../tools/support/api";
import { makeClock, type Clock } from "../tools/support/clock";
import { startFaultProxy } from "../tools/support/fault-proxy";
import {
  startBehindFaults,
  startInstance,
  startService,
  type Instance,
  type Service,
} from "../tools/support/service";
import { toDefinition, type ContainerName } from "./cosmos/containers";
import { deadlinePassed, type ServiceUnavailable } from "./domain/failure";
import type { StoreForCall, StoreCall } from "./domain/store";
import { makeHealthCheck, type CheckHealth } from "./health";

describe("a look-up of the store's health", () => {
  type Checked = E.Either<ServiceUnavailable, void>;
  const sound: Checked = E.right(undefined);
  const away: Checked = E.left({ tag: "service-unavailable", retryAfterSeconds: 7, cause: "away" });

  let clock: Clock;
  /** The look-ups that have started, each with the function that ends it. */
  let lookUps: { readonly signal: AbortSignal; readonly end: (checked: Checked | Error) => void }[];
  let check: CheckHealth;
  const storeForCall = ({ signal }: Parameters<StoreForCall>[0]): ReturnType<StoreForCall> => ({
    ...service.store.forCall({ signal, onCall: () => undefined }),
    checkGuarantees: () =>
      new Promise((resolve, reject) => {
        const end = (checked: Checked | Error): void => {
          if (checked instanceof Error) {
            reject(checked);
          } else {
            resolve(checked);
          }
        };
        lookUps.push({ signal, end });
      }),
  });
  const ask = (): Promise<Checked> => check(() => undefined);

  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(() => {
    clock = makeClock();
    lookUps = [];
    check = makeHealthCheck({ storeForCall, deadlineMs: 50, clock });
  });

  it("serves all who ask while it runs and for 5 s after it ends", async () => {
    const first = [ask(), ask()];
    clock.advance(60);
    const later = ask();
    lookUps[0]?.end(sound);
    for (const health of await Promise.all([...first, later])) {
      expect(health).toEqual(E.right(undefined));
    }
    clock.advance(4.999);
    expect(E.isRight(await ask())).toBe(true);
    expect(lookUps).toHaveLength(1);
    clock.advance(0.001);
    const next = ask();
    expect(lookUps).toHaveLength(2);
    lookUps[1]?.end(away);
    expect(await next).toEqual(away);
    clock.advance(4.999);
    expect(await ask()).toEqual(away);
    expect(lookUps).toHaveLength(2);
    clock.advance(0.001);
    const last = ask();
    lookUps[2]?.end(sound);
    expect(E.isRight(await last)).toBe(true);
  });

  it("ends at its own deadline, and the next one does not wait for it", async () => {
    expect(await ask()).toEqual(E.left(deadlinePassed));
    expect(lookUps[0]?.signal.aborted).toBe(true);
    clock.advance(5);
    const next = ask();
    lookUps[1]?.end(sound);
    expect(E.isRight(await next)).toBe(true);
    expect(lookUps[1]?.signal.aborted).toBe(false);
    // Nobody gets the late answer of the first look-up.
    lookUps[0]?.end(away);
    expect(E.isRight(await ask())).toBe(true);
  });

  it("is repeated after the clock was set back", async () => {
    const first = ask();
    lookUps[0]?.end(sound);
    await first;
    clock.advance(-1);
    void ask();
    expect(lookUps).toHaveLength(2);
    lookUps[1]?.end(sound);
  });

  it("shares a defect, too", async () => {
    const both = [ask(), ask()];
    lookUps[0]?.end(new Error("bug"));
    for (const health of both) {
      await expect(health).rejects.toThrow("bug");
    }
    await expect(ask()).rejects.toThrow("bug");
    expect(lookUps).toHaveLength(1);
  });

  it("appears only in the log of the call that made it", async () => {
    const logs: StoreCall[][] = [[], []];
    const real = makeHealthCheck({ storeForCall: service.store.forCall, deadlineMs: 5000, clock });
    await Promise.all(logs.map((log) => real((call) => log.push(call))));
    expect(logs.map((log) => log.map(({ operation }) => operation))).toEqual([["checkGuarantees"], []]);
  });
});

describe("Info and Status", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it("tell the name and the version of a service that can keep its promises, and answer HEAD without a body", async () => {
    expect((await service.info()).json).toEqual({ name, version });
    expect((await service.status()).text).toBe('{"status":"up"}');
    for (const path of ["/api/v1/info", "/api/v1/status"]) {
      const head = await send(service.baseUrl + path, { method: "HEAD" });
      expect([head.status, head.text]).toEqual([200, ""]);
      expect(head.headers.get("content-type")).toBe("application/json");
    }
    const functions = makeFunctions(service.config, service.store.forCall);
    const withHead = functions.filter(({ methods }) => methods.includes("HEAD"));
    expect(withHead).toHaveLength(2);
    for (const { handler } of withHead) {
      // Node's server would hold back a body, but not every host does.
      const request = new HttpRequest({ method: "HEAD", url: "http://localhost/" });
      expect(
        await handler(request, new InvocationContext({ logHandler: () => undefined })),
      ).not.toHaveProperty("body");
    }
  });

  it("make one look-up in 5 s, however many ask, and see an outage and its end", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    const flood = async (): Promise<readonly number[]> => {
      const calls = Array.from({ length: 10 }).flatMap(() => [instance.info(), instance.status()]);
      return [...new Set((await Promise.all(calls)).map(({ status }) => status))];
    };
    // The client makes some reads of its own, once, before its first call.
    await instance.newCode();
    const lookUp = ["/", "/dbs/cgn/colls/api-keys", "/dbs/cgn/colls/otps"];
    await proxy.reset();
    expect([...(await flood()), ...(await flood())]).toEqual([200, 200]);
    expect(proxy.requests.map(({ path }) => path).sort()).toEqual(lookUp);

    service.clock.advance(5);
    await proxy.reset();
    // The store asks for a longer wait than a call has time for.
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 60_000 }));
    expect(await flood()).toEqual([503]);
    const refused = proxy.requests.length;
    expect(refused).toBeLessThanOrEqual(lookUp.length);
    proxy.script(() => undefined);
    expect(await flood()).toEqual([503]);
    expect(proxy.requests).toHaveLength(refused);
    service.clock.advance(5);
    expect(await flood()).toEqual([200]);
  });

  const expectUnavailable = async (api: Api & Pick<Service, "log">, cause: string): Promise<void> => {
    for (const reply of [await api.info(), await api.status()]) {
      expectProblem(reply, 503, "service-unavailable");
      expect(reply.text).not.toContain(cause);
    }
    expect(api.log.map(({ text }) => text).join()).toContain(cause);
  };

  it.each([
    ["immediate revocation", { userConsistencyPolicy: { defaultConsistencyLevel: "Session" } }],
    [
      "several regions to read from",
      { userConsistencyPolicy: { defaultConsistencyLevel: "BoundedStaleness" } },
    ],
    ["single use", { enableMultipleWriteLocations: true }],
  ])("are unavailable on an account that cannot keep a promise, and log why: %s", async (cause, account) => {
    const regions = ["Italy North", "West Europe"].map((region) => ({
      name: region,
      databaseAccountEndpoint: service.config.cosmos.endpoint,
    }));
    const start = async (description: object): Promise<Instance> => {
      const sound = {
        userConsistencyPolicy: { defaultConsistencyLevel: "Strong" },
        readableLocations: regions,
      };
      const proxy = await startFaultProxy(service.config.cosmos.endpoint, { ...sound, ...description });
      const settings = {
        ...service.settings,
        COSMOSDB_ENDPOINT: proxy.endpoint,
        COSMOSDB_SINGLE_COPY: "false",
      };
      const instance = await startInstance(settings, service.clock);
      service.stopFirst(() => instance.stop().then(() => proxy.close()));
      return instance;
    };
    expect((await (await start({})).info()).status).toBe(200);
    await expectUnavailable(await start(account), cause);
  });

  it.each<[string, ContainerName, Omit<ContainerDefinition, "id"> | undefined]>([
    ["store: 404", "otps", undefined],
    ["store: 404", "api-keys", undefined],
    [
      "the partition key of the container otps must be /partitionKey",
      "otps",
      { ...toDefinition("otps"), partitionKey: { paths: ["/id"] } },
    ],
    ["the container otps must have a time to live", "otps", { partitionKey: { paths: ["/partitionKey"] } }],
    [
      "the container api-keys must have no default time to live",
      "api-keys",
      { ...toDefinition("api-keys"), defaultTtl: 3600 },
    ],
  ])(
    "are unavailable with a container that cannot keep a promise, and log why: %s",
    async (cause, id, definition) => {
      await (id === "otps" ? service.otps : service.apiKeys).delete();
      if (definition !== undefined) {
        await service.otps.database.containers.create({ ...definition, id });
      }
      await expectUnavailable(service, cause);
    },
  );
});
