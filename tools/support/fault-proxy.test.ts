import { once } from "node:events";
import { connect, createServer } from "node:net";
import { CosmosClient } from "@azure/cosmos";
import type { ConnectionPolicy, Container, RequestOptions } from "@azure/cosmos";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { close, listen } from "../../local/server";
import { resetConnection, startFaultProxy } from "./fault-proxy";
import type { Fault, FaultProxy, StoreRequest } from "./fault-proxy";

const hour = 3_600_000;
const pk = "p";
const database = "db";
const containerId = "items";

/** The code of the error with which the client rejects. A batch wraps the error. */
const codeOf = (error: unknown): unknown => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return typeof cause === "object" && cause !== null && "code" in cause ? cause.code : cause;
};

/** The result of a call, or the code of its error. */
const outcomeOf = (call: Promise<unknown>): Promise<unknown> => call.catch(codeOf);

type Write = (container: Container, options?: RequestOptions) => Promise<number>;

// Each sets `n` of the item "x" to 1. Replace needs the item, with 0; the others need it to be missing.
const create: Write = async (container, options) =>
  (await container.items.create({ id: "x", pk, n: 1 }, options)).statusCode;
const replace: Write = async (container, options) =>
  (await container.item("x", pk).replace({ id: "x", pk, n: 1 }, options)).statusCode;
const batch: Write = async (container, options) =>
  (
    await container.items.batch(
      [{ operationType: "Create", resourceBody: { id: "x", pk, n: 1 } }],
      pk,
      options,
    )
  ).code ?? 0;

const writes = { create, replace, batch };
type WriteName = keyof typeof writes;
const writeNames = ["create", "replace", "batch"] as const satisfies readonly WriteName[];

const ok: Readonly<Record<WriteName, number>> = { create: 201, replace: 200, batch: 200 };

const makeGate = (): { opened: Promise<void>; open: () => void } => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
};

interface Case {
  readonly fault: Fault;
  /** The outcome of a write for the client; "ok" means its usual status. */
  readonly told: string | number;
  readonly applied: boolean;
}

const cases: readonly Case[] = [
  { fault: { kind: "refuse" }, told: "ECONNRESET", applied: false },
  { fault: { kind: "reset-before" }, told: "ECONNRESET", applied: false },
  { fault: { kind: "reset-after" }, told: "ECONNRESET", applied: true },
  { fault: { kind: "cut-off" }, told: "PARSE_ERROR", applied: true },
  ...([408, 410, 429, 449, 500, 503] as const).map((status): Case => ({
    fault: { kind: "status", status },
    told: status,
    applied: false,
  })),
  { fault: { kind: "status", status: 404, substatus: 1002 }, told: 404, applied: false },
  ...([408, 500, 503] as const).map((status): Case => ({
    fault: { kind: "status-after", status },
    told: status,
    applied: true,
  })),
  { fault: { kind: "delay", ms: 20 }, told: "ok", applied: true },
  { fault: { kind: "hang" }, told: "TimeoutError", applied: false },
  { fault: { kind: "hang-after" }, told: "TimeoutError", applied: true },
  { fault: { kind: "late", ms: 20 }, told: "TimeoutError", applied: true },
  { fault: { kind: "rival", run: () => Promise.resolve() }, told: "ok", applied: true },
];

const nameOf = (fault: Fault): string => ("status" in fault ? `${fault.kind} ${fault.status}` : fault.kind);

const table = cases.flatMap((each) => writeNames.map((write) => [nameOf(each.fault), write, each] as const));

describe("the fault proxy", () => {
  let target: string;
  let proxy: FaultProxy;
  let stopServer: () => Promise<void>;
  let direct: Container;
  let proxied: Container;
  let clients: CosmosClient[];

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
    await direct.database.client.databases.createIfNotExists({ id: database });
    await direct.database.containers.createIfNotExists({ id: containerId, partitionKey: { paths: ["/pk"] } });
    proxied = containerAt(proxy.endpoint);
  });
  afterEach(async () => {
    clients.forEach((client) => {
      client.dispose();
    });
    try {
      await proxy.close();
    } finally {
      await stopServer();
    }
  });

  /** The container through a real client of its own, which does not retry throttled requests. */
  const containerAt = (endpoint: string, policy: ConnectionPolicy = {}): Container => {
    const client = new CosmosClient({
      endpoint,
      key: Buffer.from("any").toString("base64"),
      connectionPolicy: {
        enableEndpointDiscovery: false,
        retryOptions: {
          maxRetryAttemptCount: 0,
          fixedRetryIntervalInMilliseconds: 0,
          maxWaitTimeInSeconds: 0,
        },
        ...policy,
      },
    });
    clients.push(client);
    return client.database(database).container(containerId);
  };
  const impatient = (): Container => containerAt(proxy.endpoint, { requestTimeout: 300 });

  const seed = async (write: WriteName): Promise<void> => {
    if (write === "replace") {
      await direct.items.create({ id: "x", pk, n: 0 });
    }
  };
  const isApplied = async (id = "x"): Promise<boolean> =>
    (await direct.item(id, pk).read<{ n: number }>()).resource?.n === 1;

  /** The fault happens to the first request with this operation. */
  const scriptOnce = (operation: StoreRequest["operation"], fault: Fault): void => {
    let isDue = true;
    proxy.script((incoming) => {
      const isHit = isDue && incoming.operation === operation;
      isDue &&= !isHit;
      return isHit ? fault : undefined;
    });
  };

  const expectToWork = async (container: Container): Promise<void> => {
    expect((await container.item("x", pk).replace({ id: "x", pk, n: 2 })).statusCode).toBe(200);
    expect((await direct.item("x", pk).read()).resource).toMatchObject({ n: 2 });
  };

  describe.each(table)("with %s, for a %s", (_, write, { fault, told, applied }) => {
    const toldWord = told === "ok" ? "what it always is" : told;

    it(`tells the client ${toldWord}, ${applied ? "applies" : "does not apply"} the write, and lets the next one through`, async () => {
      await seed(write);
      scriptOnce(write, fault);
      const container = told === "TimeoutError" ? impatient() : proxied;
      expect(await outcomeOf(writes[write](container))).toBe(told === "ok" ? ok[write] : told);
      await proxy.settled();
      expect(await isApplied()).toBe(applied);
      expect(proxy.requests.filter(({ operation }) => operation === write)).toHaveLength(1);
      await direct.items.upsert({ id: "x", pk, n: 0 });
      await expectToWork(proxied);
    });

    it("does the same to the write when the client disconnects at once", async () => {
      await seed(write);
      const leaving = new AbortController();
      proxy.script(({ operation }) => {
        if (operation !== write || leaving.signal.aborted) {
          return undefined;
        }
        leaving.abort();
        return fault;
      });
      await expect(writes[write](proxied, { abortSignal: leaving.signal })).rejects.toThrow();
      await proxy.settled();
      expect(await isApplied()).toBe(applied);
      await direct.items.upsert({ id: "x", pk, n: 0 });
      await expectToWork(proxied);
    });
  });

  describe("for a read", () => {
    beforeEach(() => direct.items.create({ id: "x", pk, n: 0 }));
    const read = async (container: Container): Promise<number> =>
      (await container.item("x", pk).read()).statusCode;

    it.each(
      cases.filter(({ told }) => told !== "ECONNRESET").map((each) => [nameOf(each.fault), each] as const),
    )("tells the client of %s", async (_, { fault, told }) => {
      scriptOnce("read", fault);
      const container = told === "TimeoutError" ? impatient() : proxied;
      expect(await outcomeOf(read(container))).toBe(told === "ok" ? 200 : told);
      expect(proxy.requests).toHaveLength(1);
      expect(await read(proxied)).toBe(200);
    });

    it.each(["refuse", "reset-before", "reset-after"] as const)(
      "sees the client repeat one that met %s",
      async (kind) => {
        scriptOnce("read", { kind });
        expect(await read(proxied)).toBe(200);
        expect(proxy.requests.map(({ operation }) => operation)).toEqual(["read", "read"]);
      },
    );
  });

  describe("forwards a request without a fault", () => {
    it("with the status and the headers of the answer", async () => {
      const created = await proxied.items.create({ id: "x", pk, n: 1 });
      const behind = await direct.item("x", pk).read();
      expect(created.statusCode).toBe(201);
      expect(created.etag).toBe(behind.etag);
      expect(created.headers).toMatchObject({ etag: behind.etag, "x-ms-request-charge": "1" });
      expect(await outcomeOf(create(proxied))).toBe(409);
      expect((await proxied.item("y", pk).read()).statusCode).toBe(404);
      const condition = { accessCondition: { type: "IfMatch", condition: "another etag" } };
      expect(await outcomeOf(replace(proxied, condition))).toBe(412);
    });

    it("and records the requests in order, from 0", async () => {
      await create(proxied);
      await proxied.item("x", pk).read();
      await replace(proxied);
      await outcomeOf(batch(proxied));
      await proxied.items.upsert({ id: "x", pk });
      await proxied.items.query("SELECT * FROM c", { partitionKey: pk }).fetchNext();
      await proxied.item("x", pk).delete();
      await proxied.database.client.getDatabaseAccount();
      const docs = `/dbs/${database}/colls/${containerId}/docs`;
      const documents = proxy.requests.filter(({ path }) => path.startsWith(docs));
      expect(documents.map(({ method, path, operation }) => [method, path, operation])).toEqual([
        ["POST", docs, "create"],
        ["GET", `${docs}/x`, "read"],
        ["PUT", `${docs}/x`, "replace"],
        ["POST", docs, "batch"],
        ["POST", docs, "other"],
        // The client asks for a query's plan first.
        ["POST", docs, "other"],
        ["POST", docs, "other"],
        ["DELETE", `${docs}/x`, "other"],
      ]);
      expect(documents.map(({ container }) => container)).toEqual(documents.map(() => containerId));
      const hasBody = documents.map(({ body }) => body.includes('"n":1'));
      expect(hasBody.slice(0, 4)).toEqual([true, false, true, true]);
      expect(proxy.requests.map(({ index }) => index)).toEqual(proxy.requests.map((_, index) => index));
      expect(proxy.requests.at(-1)).toMatchObject({ operation: "other", container: undefined });
    });

    it("shows that a client reads the container once, before its first create", async () => {
      await create(proxied);
      await outcomeOf(create(proxied));
      expect(proxy.requests.map(({ method, operation }) => `${method} ${operation}`)).toEqual([
        "GET other",
        "POST create",
        "POST create",
      ]);
    });

    it("one by one, however many there are at a time", async () => {
      await proxied.items.create({ id: "first", pk });
      const isLost = ({ body }: StoreRequest): boolean => /"id":"\d*[05]"/.test(body);
      proxy.script((incoming) => (isLost(incoming) ? { kind: "reset-before" } : undefined));
      const ids = Array.from({ length: 40 }, (_, id) => String(id));
      const outcomes = await Promise.all(
        ids.map((id) => outcomeOf(proxied.items.create({ id, pk, n: 1 }).then(() => "ok"))),
      );
      const expected = ids.map((id) => (Number(id) % 5 === 0 ? "ECONNRESET" : "ok"));
      expect(outcomes).toEqual(expected);
      expect(await Promise.all(ids.map(isApplied))).toEqual(expected.map((outcome) => outcome === "ok"));
    });
  });

  /** What a plain HTTP client receives of an answer, and how the answer ends. */
  const receive = async (id: string): Promise<{ head: string; body: string; end: unknown }> => {
    const socket = connect(Number(new URL(proxy.endpoint).port), "127.0.0.1");
    const chunks: string[] = [];
    let end: unknown = "end";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => chunks.push(chunk));
    socket.on("error", (error) => {
      end = codeOf(error);
    });
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => {
        resolve();
      });
    });
    const key = JSON.stringify([pk]);
    socket.write(
      `GET /dbs/${database}/colls/${containerId}/docs/${id} HTTP/1.1\r\nhost: x\r\nx-ms-documentdb-partitionkey: ${key}\r\n\r\n`,
    );
    await closed;
    const [head = "", body = ""] = chunks.join("").split("\r\n\r\n");
    return { head, body, end };
  };

  it.each(["refuse", "reset-before", "reset-after"] as const)(
    "resets the connection with %s, which is not an orderly end",
    async (kind) => {
      await create(direct);
      proxy.script(() => ({ kind }));
      expect(await receive("x")).toEqual({ head: "", body: "", end: "ECONNRESET" });
    },
  );

  it("sends all headers and half of the body with cut-off", async () => {
    await create(direct);
    proxy.script(() => ({ kind: "cut-off" }));
    const { head, body } = await receive("x");
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(head).toContain("etag");
    expect(length).toBeGreaterThan(10);
    expect(body).toHaveLength(Math.floor(length / 2));
  });

  describe("with refuse", () => {
    const refused = (): Promise<unknown> => outcomeOf(replace(proxied));

    it("refuses new connections until the time is over, then accepts them on the same port", async () => {
      await seed("replace");
      scriptOnce("replace", { kind: "refuse", forMs: 500 });
      expect([await refused(), await refused()]).toEqual(["ECONNRESET", "ECONNREFUSED"]);
      await proxy.settled();
      expect(await isApplied()).toBe(false);
      await expectToWork(proxied);
    });

    it("refuses a client whose connection was busy at the start, after its answer", async () => {
      await seed("replace");
      const { opened, open } = makeGate();
      const faults: readonly Fault[] = [
        { kind: "rival", run: () => opened },
        { kind: "refuse", forMs: hour },
      ];
      const busyArrived = new Promise<void>((resolve) => {
        proxy.script(({ index }) => {
          resolve();
          return faults[index];
        });
      });
      const busy = proxied.item("x", pk).read();
      await busyArrived;
      expect(await outcomeOf(replace(containerAt(proxy.endpoint)))).toBe("ECONNRESET");
      open();
      expect((await busy).statusCode).toBe(200);
      expect(await refused()).toBe("ECONNREFUSED");
    });

    it("accepts connections again after a reset", async () => {
      await seed("replace");
      scriptOnce("replace", { kind: "refuse", forMs: hour });
      expect([await refused(), await refused()]).toEqual(["ECONNRESET", "ECONNREFUSED"]);
      await proxy.reset();
      await expectToWork(proxied);
    });
  });

  it("says with 429 when to retry, and the client retries by itself", async () => {
    await seed("replace");
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 7 }));
    await expect(replace(proxied)).rejects.toMatchObject({ code: 429, retryAfterInMs: 7 });
    await proxy.reset();
    scriptOnce("replace", { kind: "status", status: 429, retryAfterMs: 7 });
    const retryOptions = {
      maxRetryAttemptCount: 9,
      fixedRetryIntervalInMilliseconds: 0,
      maxWaitTimeInSeconds: 30,
    };
    expect(await replace(containerAt(proxy.endpoint, { retryOptions }))).toBe(200);
    expect(proxy.requests).toHaveLength(2);
  });

  it("says with 404 that a replica lags behind, and not that the item is missing", async () => {
    await create(direct);
    scriptOnce("read", { kind: "status", status: 404, substatus: 1002 });
    expect(await proxied.item("x", pk).read()).toMatchObject({ statusCode: 404, substatus: 1002 });
    expect((await proxied.item("y", pk).read()).substatus).toBeUndefined();
  });

  it("applies a late write after its delay, when the client has long disconnected", async () => {
    await seed("replace");
    scriptOnce("replace", { kind: "late", ms: 1500 });
    const start = performance.now();
    expect(await outcomeOf(replace(impatient()))).toBe("TimeoutError");
    expect(await isApplied()).toBe(false);
    await proxy.settled();
    // A timer may be up to 1 ms early.
    expect(performance.now() - start).toBeGreaterThanOrEqual(1499);
    expect(await isApplied()).toBe(true);
  });

  it("forwards a delayed write after its delay", async () => {
    await seed("replace");
    scriptOnce("replace", { kind: "delay", ms: 200 });
    const start = performance.now();
    await replace(proxied);
    expect(performance.now() - start).toBeGreaterThanOrEqual(199);
  });

  it("lets a rival write first", async () => {
    await seed("replace");
    const { etag } = await proxied.item("x", pk).read();
    scriptOnce("replace", {
      kind: "rival",
      run: () => direct.item("x", pk).replace({ id: "x", pk, n: 7 }),
    });
    const condition = { accessCondition: { type: "IfMatch", condition: etag } };
    expect(await outcomeOf(replace(proxied, condition))).toBe(412);
    expect((await direct.item("x", pk).read()).resource).toMatchObject({ n: 7 });
  });

  it.each([3, 1008] as const)(
    "says with 403/%d that the client must ask another region",
    async (substatus) => {
      await seed("replace");
      proxy.script(() => ({ kind: "forbidden", substatus }));
      await expect(replace(proxied)).rejects.toMatchObject({ code: 403, substatus });
      expect((await direct.item("x", pk).read()).resource).toMatchObject({ n: 0 });
    },
  );

  it("describes the account as the test asks, anew at each read", async () => {
    let consistency = "Strong";
    const account = await startFaultProxy(target, () => ({
      userConsistencyPolicy: { defaultConsistencyLevel: consistency },
    }));
    const client = new CosmosClient({ endpoint: account.endpoint, key: "a2V5" });
    const read = async (): Promise<unknown> => (await client.getDatabaseAccount()).resource;
    const region = { databaseAccountEndpoint: `${account.endpoint}/` };
    expect(await read()).toMatchObject({ consistencyPolicy: "Strong", readableLocations: [region] });
    consistency = "Session";
    expect(await read()).toMatchObject({ consistencyPolicy: "Session", writableLocations: [region] });
    client.dispose();
    await account.close();
  });

  it("forwards everything and counts from 0 again after a reset", async () => {
    await seed("replace");
    proxy.script(() => ({ kind: "status", status: 503 }));
    expect(await outcomeOf(replace(proxied))).toBe(503);
    await proxy.reset();
    expect(proxy.requests).toEqual([]);
    await expectToWork(proxied);
    expect(proxy.requests.map(({ index }) => index)).toEqual([0]);
  });

  it("does not count a request whose client disconnects in the middle of it", async () => {
    await seed("replace");
    const socket = connect(Number(new URL(proxy.endpoint).port), "127.0.0.1");
    socket.write(
      `POST /dbs/${database}/colls/${containerId}/docs HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{`,
    );
    await once(socket, "connect");
    socket.destroy();
    await expectToWork(proxied);
    await proxy.settled();
    expect(proxy.requests.map(({ operation }) => operation)).toEqual(["replace"]);
  });

  it("releases a connection that it resets while the connection is ending", async () => {
    let told: Promise<unknown> | undefined;
    const server = createServer((socket) => {
      socket.end();
      process.nextTick(resetConnection, socket);
      told = outcomeOf(once(socket, "close"));
    });
    const client = connect(await listen(server, 0), "127.0.0.1");
    await once(client.resume(), "close");
    expect(await told).toEqual([false]);
    server.close();
  });

  it("resets the connection when the server behind is away", async () => {
    await replace(direct).catch(() => undefined);
    await stopServer();
    expect(await outcomeOf(replace(proxied))).toBe("ECONNRESET");
  });

  describe("when closed", () => {
    it("ends all that is open or pending at once, and applies none of it", async () => {
      await seed("replace");
      const { opened, open } = makeGate();
      const faults: readonly Fault[] = [
        { kind: "hang" },
        { kind: "late", ms: hour },
        { kind: "delay", ms: hour },
        { kind: "rival", run: () => opened },
        { kind: "refuse", forMs: hour },
      ];
      const arrived = new Promise<void>((resolve) => {
        proxy.script(({ index }) => {
          if (index === faults.length - 1) {
            resolve();
          }
          return faults[index];
        });
      });
      const outcomes = Promise.all(faults.map(() => outcomeOf(replace(proxied))));
      await arrived;
      await proxy.close();
      expect(await outcomes).toEqual(faults.map(() => "ECONNRESET"));
      open();
      await proxy.settled();
      expect(await outcomeOf(replace(proxied))).toBe("ECONNREFUSED");
      expect(await isApplied()).toBe(false);
    });

    it.each([
      [
        "the script",
        () => {
          throw new Error("unexpected");
        },
      ],
      ["a rival", (): Fault => ({ kind: "rival", run: () => Promise.reject(new Error("unexpected")) })],
    ])("rejects with what %s threw; the request was not applied", async (_, decide) => {
      await seed("replace");
      proxy.script(decide);
      expect(await outcomeOf(replace(proxied))).toBe("ECONNRESET");
      expect(await isApplied()).toBe(false);
      await expect(proxy.close()).rejects.toThrow("unexpected");
    });
  });
});
