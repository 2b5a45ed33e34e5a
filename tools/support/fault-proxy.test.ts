import { CosmosClient, type ConnectionPolicy, type Container } from "@azure/cosmos";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { close } from "../../local/server";
import { startFaultProxy, type Fault, type FaultProxy } from "./fault-proxy";
import { inOrder } from "./fault-scripts";

const hour = 3_600_000;
const pk = "p";
const docs = "/dbs/db/colls/items/docs";

/** The code of the error with which the client rejects. A batch wraps the error. */
const codeOf = (error: unknown): unknown => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return typeof cause === "object" && cause !== null && "code" in cause ? cause.code : cause;
};
/** The result of a call, or the code of its error. */
const outcomeOf = (call: Promise<unknown>): Promise<unknown> => call.catch(codeOf);

const names = ["read", "create", "replace", "batch"] as const;
type Call = (container: Container) => Promise<number>;

const replace = (container: Container, condition?: string): Promise<number> =>
  container
    .item("replace", pk)
    .replace(
      { id: "replace", pk, n: 1 },
      condition === undefined ? {} : { accessCondition: { type: "IfMatch", condition } },
    )
    .then(({ statusCode }) => statusCode);

/** Each write sets `n` of the item of its name to 1. `replace` and `read` find their item with 0. */
const calls: Readonly<Record<(typeof names)[number], Call>> = {
  read: async (container) => (await container.item("read", pk).read()).statusCode,
  create: async (container) => (await container.items.create({ id: "create", pk, n: 1 })).statusCode,
  replace: (container) => replace(container),
  batch: async (container) => {
    const create = { operationType: "Create", resourceBody: { id: "batch", pk, n: 1 } } as const;
    return (await container.items.batch([create], pk)).code ?? 0;
  },
};
const usual = { read: 200, create: 201, replace: 200, batch: 200 };

const noFault = { kind: "rival", run: () => Promise.resolve() } as const;

/** What the client sees of a write (undefined: its usual status), and whether the write was applied. */
const cases: readonly (readonly [Fault, seen: string | number | undefined, applied: boolean])[] = [
  [{ kind: "refuse" }, "ECONNRESET", false],
  [{ kind: "reset-before" }, "ECONNRESET", false],
  [{ kind: "reset-after" }, "ECONNRESET", true],
  [{ kind: "cut-off" }, "PARSE_ERROR", true],
  [{ kind: "status", status: 429 }, 429, false],
  [{ kind: "status", status: 404, substatus: 1002 }, 404, false],
  [{ kind: "answer", status: 502, body: "{}", isForeign: true }, 502, false],
  [{ kind: "forbidden", substatus: 3 }, 403, false],
  [{ kind: "status-after", status: 500 }, 500, true],
  [{ kind: "delay", ms: 20 }, undefined, true],
  [{ kind: "hang" }, "TimeoutError", false],
  [{ kind: "hang-after" }, "TimeoutError", true],
  [{ kind: "late", ms: 20 }, "TimeoutError", true],
  [noFault, undefined, true],
];

describe("the fault proxy", () => {
  let target: string;
  let proxy: FaultProxy;
  let stopServer: () => Promise<void>;
  let direct: Container;
  let proxied: Container;
  let clients: CosmosClient[];

  /** The container through a real client of its own, which does not retry throttled requests. */
  const containerAt = (endpoint: string, policy: ConnectionPolicy = {}): Container => {
    const retryOptions = {
      ...{ maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 0 },
    };
    const connectionPolicy = { enableEndpointDiscovery: false, retryOptions, ...policy };
    const client = new CosmosClient({ endpoint, key: "a2V5", connectionPolicy });
    clients.push(client);
    return client.database("db").container("items");
  };
  const impatient = (): Container => containerAt(proxy.endpoint, { requestTimeout: 300 });

  beforeEach(async () => {
    clients = [];
    const { server, settings } = await startEmbeddedCosmosDb();
    target = settings["COSMOSDB_ENDPOINT"] ?? "";
    stopServer = async () => {
      if (server.listening) {
        await close(server);
      }
    };
    proxy = await startFaultProxy(target);
    direct = containerAt(target);
    await direct.database.client.databases.createIfNotExists({ id: "db" });
    await direct.database.containers.createIfNotExists({ id: "items", partitionKey: { paths: ["/pk"] } });
    await direct.items.create({ id: "read", pk, n: 0 });
    await direct.items.create({ id: "replace", pk, n: 0 });
    proxied = containerAt(proxy.endpoint);
  });
  afterEach(async () => {
    clients.forEach((client) => {
      client.dispose();
    });
    await proxy.close().finally(stopServer);
  });

  const valueOf = async (id = "replace"): Promise<number | undefined> =>
    (await direct.item(id, pk).read<{ n: number }>()).resource?.n;
  const expectToWork = async (): Promise<void> => {
    expect((await proxied.item("replace", pk).replace({ id: "replace", pk, n: 2 })).statusCode).toBe(200);
    expect(await valueOf()).toBe(2);
  };
  describe.each(cases)("with %j", (fault, seen, applied) => {
    it.each(names)(`shows the client of a %s ${seen ?? "nothing"}; applied: ${applied}`, async (name) => {
      proxy.script(inOrder(name, fault));
      const outcome = await outcomeOf(calls[name](seen === "TimeoutError" ? impatient() : proxied));
      // The client repeats a read whose connection was reset.
      const isRepeated = name === "read" && seen === "ECONNRESET";
      expect(outcome).toBe(isRepeated ? 200 : (seen ?? usual[name]));
      await proxy.settled();
      const ofThis = proxy.requests.filter(({ operation }) => operation === name);
      expect(ofThis).toHaveLength(isRepeated ? 2 : 1);
      if (name !== "read") {
        expect((await valueOf(name)) === 1).toBe(applied);
      }
      await expectToWork();
    });
  });

  it("forwards the rest as it is, and records it in order, from 0", async () => {
    const { etag } = await proxied.items.create({ id: "x", pk });
    expect(etag).toBe((await direct.item("x", pk).read()).etag);
    expect(await outcomeOf(proxied.items.create({ id: "x", pk }))).toBe(409);
    expect((await proxied.item("y", pk).read()).statusCode).toBe(404);
    expect(await outcomeOf(replace(proxied, "another"))).toBe(412);
    await calls.batch(proxied);
    await proxied.items.upsert({ id: "x", pk });
    await proxied.items.query("SELECT * FROM c", { partitionKey: pk }).fetchNext();
    await proxied.item("x", pk).delete();
    await proxied.database.client.getDatabaseAccount();
    const recorded = proxy.requests.map(({ method, path, operation }) => `${method} ${path} ${operation}`);
    expect(recorded).toEqual([
      // The client reads the container once, before its first create, and asks for a query's plan before the query.
      "GET /dbs/db/colls/items other",
      `POST ${docs} create`,
      `POST ${docs} create`,
      `GET ${docs}/y read`,
      `PUT ${docs}/replace replace`,
      `POST ${docs} batch`,
      `POST ${docs} other`,
      `POST ${docs} other`,
      `POST ${docs} other`,
      `DELETE ${docs}/x other`,
      "GET / other",
    ]);
    expect(proxy.requests.map(({ index }) => index)).toEqual(recorded.map((_, index) => index));
    expect(proxy.requests[4]?.container).toBe("items");
    expect(proxy.requests[4]?.body).toContain('"n":1');
    await proxy.reset();
    expect(proxy.requests).toEqual([]);
  });

  it("refuses new connections until the time is over or the proxy is reset", async () => {
    proxy.script(inOrder("replace", { kind: "refuse", forMs: 500 }));
    const refused = (): Promise<unknown> => outcomeOf(replace(proxied));
    expect([await refused(), await refused()]).toEqual(["ECONNRESET", "ECONNREFUSED"]);
    await proxy.settled();
    expect(await valueOf()).toBe(0);
    await expectToWork();
    proxy.script(inOrder("replace", { kind: "refuse", forMs: hour }));
    expect([await refused(), await refused()]).toEqual(["ECONNRESET", "ECONNREFUSED"]);
    await proxy.reset();
    await expectToWork();
  });

  it("applies a late write after its delay, when the client has long disconnected", async () => {
    proxy.script(inOrder("replace", { kind: "late", ms: 1500 }));
    const start = performance.now();
    expect(await outcomeOf(replace(impatient()))).toBe("TimeoutError");
    expect(await valueOf()).toBe(0);
    await proxy.settled();
    // A timer may be up to 1 ms early.
    expect(performance.now() - start).toBeGreaterThanOrEqual(1499);
    expect(await valueOf()).toBe(1);
  });

  const unexpected = new Error("unexpected");
  it.each<[string, () => Fault]>([
    [
      "the script",
      () => {
        throw unexpected;
      },
    ],
    ["a rival", () => ({ kind: "rival", run: () => Promise.reject(unexpected) })],
  ])("rejects when it is closed with what %s threw; the request was not applied", async (_, decide) => {
    proxy.script(decide);
    expect(await outcomeOf(replace(proxied))).toBe("ECONNRESET");
    expect(await valueOf()).toBe(0);
    await expect(proxy.close()).rejects.toThrow("unexpected");
  });
});
