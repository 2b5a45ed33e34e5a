import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { makeFunctions } from "../../functions";
import { close, listen } from "../../local/server";
import { name, version } from "../../package.json";
import { expectProblem } from "../support/expect-problem";
import { call, fiscalCode } from "../../tools/support/api";
import { unpackArchive, type UnpackedArchive } from "../support/archive";
import { startFaultProxy, type Fault } from "../../tools/support/fault-proxy";
import { startFunctionsHost, type FunctionsHost } from "../support/functions-host";
import { startService, type Service } from "../../tools/support/service";
import { startTokenEndpoint } from "../support/token-endpoint";

const faults: readonly Fault[] = [
  { kind: "refuse", forMs: 20 },
  { kind: "reset-before" },
  { kind: "reset-after" },
  { kind: "cut-off" },
  { kind: "hang" },
  { kind: "status", status: 408 },
  { kind: "status", status: 429, retryAfterMs: 1 },
  { kind: "status", status: 449 },
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
];

describe("what is deployed", () => {
  let service: Service;
  let unpacked: UnpackedArchive;
  beforeAll(async () => {
    service = await startService();
    // A test can set this clock, but not the clock of the deployed process.
    service.clock.advance((Date.now() - service.clock().getTime()) / 1000);
    unpacked = await unpackArchive();
  });
  afterAll(async () => {
    await unpacked.remove();
    await service.stop();
  });

  /** Runs the archive with these settings until `use` ends. */
  const withHost = async (
    settings: Readonly<Record<string, string>>,
    use: (host: FunctionsHost) => Promise<void>,
    placeholder?: string,
  ): Promise<void> => {
    const host = await startFunctionsHost({ folder: unpacked.folder, settings, placeholder });
    try {
      await use(host);
    } finally {
      await host.stop();
    }
  };

  it("registers every function with the worker, and answers through it, without node_modules", async () => {
    await withHost(service.settings, async (host) => {
      const describeFunctions = (functions: FunctionsHost["functions"]): readonly string[] =>
        functions.map(
          ({ name, methods, route, authLevel }) => `${name} ${methods.join()} ${route} ${authLevel}`,
        );
      const made = makeFunctions(service.config, service.store.forCall);
      expect(describeFunctions(host.functions)).toEqual(describeFunctions(made));
      const { stdout: commit } = spawnSync("git", ["rev-parse", "--short=7", "HEAD"], { encoding: "utf8" });
      const built = `${version}${commit === "" ? "" : `+${commit.trim()}`}`;
      const { json } = await host.info();
      expect([
        { name, version: built },
        { name, version: `${built}.modified` },
      ]).toContainEqual(json);
      // Any other instance finds what it wrote.
      const [apiKey, code] = [await host.newApiKey(), await host.newCode()];
      expect((await service.ask(apiKey, code)).status).toBe(200);
      expectProblem(await host.validate(apiKey, {}), 400, "invalid-request");
      expect(host.printed()).toBe("");
    });
  });

  it("works as a managed identity, specialized, and takes another token when one is refused", async () => {
    const tokens = await startTokenEndpoint();
    const proxy = await startFaultProxy(service.config.cosmos.endpoint, {});
    proxy.script(tokens.guard({ kind: "forbidden", substatus: 5300 }));
    await withHost(
      {
        ...service.settings,
        ...tokens.settings,
        AZURE_CLIENT_ID: "6f1c6cbe-33b5-4c68-bd0d-1a4d0f8b9c07",
        COSMOSDB_ENDPOINT: proxy.endpoint,
        COSMOSDB_SINGLE_COPY: "false",
      },
      async (host) => {
        const apiKey = await host.newApiKey("shop-by-identity");
        tokens.revoke();
        expect((await host.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
        expect(tokens.requests).toHaveLength(2);
        // The roles for data create neither databases nor containers.
        expect(
          proxy.requests.filter(({ method, path }) => method === "POST" && !path.includes("/docs")),
        ).toEqual([]);
        const log = host.printed() + JSON.stringify(host.log);
        expect(tokens.secrets.filter((secret) => log.includes(secret))).toEqual([]);
      },
      unpacked.placeholder,
    );
    await proxy.close();
    await tokens.close();
  });

  it("opens its connections, and makes the client's first reads, before a call needs them", async () => {
    const own = await startService();
    const paths = new Set<string | undefined>();
    own.storeServer.on("request", ({ url }) => paths.add(url));
    await withHost(own.settings, async (host) => {
      await host.newCode();
    });
    await own.stop();
    expect([...paths]).toEqual(
      expect.arrayContaining(["/", "/dbs/cgn/colls/otps", "/dbs/cgn/colls/api-keys"]),
    );
  });

  it("speaks HTTPS to the store", async () => {
    const packageFolder = path.join("node_modules", "@vercel", "cosmosdb-server");
    const [cert, key] = await Promise.all(
      ["cert.pem", "key.pem"].map((name) => readFile(path.join(packageFolder, name))),
    );
    const { port } = new URL(service.config.cosmos.endpoint);
    const server = createTlsServer({ cert, key }, (socket) => {
      pipeline(socket, connect(Number(port), "127.0.0.1"), socket, () => undefined);
    });
    await withHost(
      {
        ...service.settings,
        COSMOSDB_ENDPOINT: `https://127.0.0.1:${await listen(server, 0)}`,
        // No authority that Node.js trusts signed the certificate.
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
        NODE_NO_WARNINGS: "1",
      },
      async (host) => {
        expect((await host.info()).status).toBe(200);
      },
    );
    server.close();
  });

  /** Calls each operation while every second read and every second write ends in `fault`. */
  const callUnder = async (fault: Fault): Promise<readonly number[]> => {
    // The SDK discovers regions here, as in production, because that uses more of its code.
    const proxy = await startFaultProxy(service.config.cosmos.endpoint, {
      enablePerPartitionFailoverBehavior: true,
    });
    proxy.script(({ operation, path }) => {
      const alike = proxy.requests.filter((request) => request.operation === operation);
      // Count for each item. Otherwise one of two simultaneous reads could meet the fault every time.
      const ofItem = alike.filter((request) => request.path === path);
      // More requests without an answer would take longer than a call has.
      return (fault.kind === "hang" ? alike.length === 1 : ofItem.length % 2 === 1) ? fault : undefined;
    });
    const shop = { merchant_id: JSON.stringify(fault).replaceAll(/\W+/g, "-"), discount_id: "discount" };
    const [code, apiKey] = [
      await service.newCode(fiscalCode, shop),
      await service.newApiKey(shop.merchant_id),
    ];
    const replies: { readonly status: number }[] = [];
    await withHost(
      { ...service.settings, COSMOSDB_ENDPOINT: proxy.endpoint, COSMOSDB_SINGLE_COPY: "false" },
      async (host) => {
        replies.push(
          await host.ask(apiKey, code),
          await host.use(apiKey, code, "1"),
          await host.use(apiKey, code, "1"),
          await host.use(apiKey, code, "2"),
          await host.generate("AAAAAA00A00A000B", shop),
          await host.regenerate(shop.merchant_id, "secondary"),
        );
      },
    );
    await proxy.close();
    return replies.map(({ status }) => status);
  };

  // The file leaves out parts of the SDK. The handling of errors must not need any of them.
  it("keeps the contract when every second read and every second write fails, in each way", async () => {
    const statuses = await Promise.all(
      faults.map(async (fault) => ({ fault, statuses: await callUnder(fault) })),
    );
    expect(statuses).toEqual(faults.map((fault) => ({ fault, statuses: [200, 200, 200, 404, 200, 200] })));
  });

  it("answers 503 when settings are missing or malformed, and logs which ones", async () => {
    await withHost(
      { COSMOSDB_ENDPOINT: "nonsense-endpoint", OTP_SECRET: "nonsense-secret" },
      async (host) => {
        expect(host.functions).toHaveLength(8);
        const replies = [
          await host.info(),
          await host.ask("not a key", "not a code"),
          await host.generate("not a fiscal code"),
          await host.regenerate("a_b"),
          await host.list("a_b"),
          await host.revoke("a_b"),
        ];
        for (const reply of replies) {
          expectProblem(reply, 503, "service-unavailable");
        }
        expect(host.printed()).toMatch(
          /^Error: .*COSMOSDB_ENDPOINT is malformed.*; OTP_SECRET is malformed.*; COSMOSDB_KEY is missing, and so is IDENTITY_ENDPOINT.*\n$/,
        );
        expect(host.log).toHaveLength(replies.length);
        expect(host.log[0]?.text).toContain(
          '"cause":"settings: COSMOSDB_ENDPOINT, OTP_SECRET, COSMOSDB_KEY, IDENTITY_ENDPOINT"',
        );
        expect(host.printed() + JSON.stringify(host.log)).not.toContain("nonsense");
      },
      unpacked.placeholder,
    );
  });

  it("survives a store that answers nonsense to every request at the start", async () => {
    const survive = async (nonsense: string): Promise<void> => {
      const server = createServer((_, response) => {
        response.setHeader("Content-Type", "application/json").end(nonsense);
      });
      const endpoint = `http://127.0.0.1:${await listen(server, 0)}`;
      const settings = { ...service.settings, COSMOSDB_ENDPOINT: endpoint, REQUEST_DEADLINE_IN_MS: "1000" };
      await withHost(settings, async (host) => {
        expect((await call(`${host.baseUrl}/api/v1/openapi.yaml`)).status).toBe(200);
        expect((await host.generate()).status).toBeGreaterThanOrEqual(500);
        expect(host.printed()).toBe("");
      });
      await close(server);
    };
    await Promise.all(["", "null", "{}", "<html>"].map(survive));
  });
});
