import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { unzipSync } from "fflate";
import * as t from "io-ts";
import { close, listen } from "../../local/server";
import { name, version } from "../../package.json";
import { call, discount, expectProblem, fiscalCode, merchantId } from "../support/api";
import { unpackArchive } from "../support/archive";
import type { UnpackedArchive } from "../support/archive";
import { decode } from "../support/either";
import { startFaultProxy } from "../support/fault-proxy";
import type { Fault } from "../support/fault-proxy";
import { startFunctionsHost } from "../support/functions-host";
import type { FunctionsHost } from "../support/functions-host";
import { startProgram } from "../support/processes";
import { startService } from "../support/service";
import type { Service } from "../support/service";

const archive = "build/cgn-otp.zip";

describe("what is deployed", () => {
  let service: Service;
  let unpacked: UnpackedArchive;
  beforeAll(async () => {
    service = await startService();
    // Of the two clocks, only this one can be set.
    service.clock.advance((Date.now() - service.clock().getTime()) / 1000);
    unpacked = await unpackArchive();
  });
  afterAll(async () => {
    await unpacked.remove();
    await service.stop();
  });

  /** Runs it with these settings for as long as `use` takes. */
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
      expect(host.startError).toBeUndefined();
      expect(
        host.functions.map((each) => [each.name, each.methods.join(), each.route, each.authLevel]),
      ).toEqual([
        ["GenerateOtp", "POST", "api/v1/cgn/otp/{fiscalcode}", "function"],
        ["ValidateOtp", "POST", "api/v1/merchant/cgn/otp/validate", "anonymous"],
        ["RegenerateApiKey", "POST", "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}", "function"],
        ["ListApiKeys", "GET", "api/v1/cgn/merchants/{merchant_id}/api-keys", "function"],
        ["RevokeApiKey", "DELETE", "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}", "function"],
        ["OpenApi", "GET", "api/v1/openapi.yaml", "anonymous"],
        ["Info", "GET", "api/v1/info", "anonymous"],
        ["Status", "GET", "api/v1/status", "anonymous"],
      ]);
      expect((await host.info()).json).toEqual({ name, version });
      // What it wrote, any other instance finds.
      const [apiKey, code] = [await host.newApiKey(), await host.newCode()];
      expect((await service.ask(apiKey, code)).status).toBe(200);
      expectProblem(await host.validate(apiKey, {}), 400, "invalid-request");
      expect(host.printed()).toBe("");
    });
  });

  it("takes its settings from the environment that it is specialized with", async () => {
    await withHost(
      service.settings,
      async (host) => {
        expect(host.startError).toBeUndefined();
        expect(
          (await service.ask(await host.newApiKey(), await host.newCode("AAAAAA00A00A000D"))).status,
        ).toBe(200);
      },
      unpacked.placeholder,
    );
  });

  it("opens its connections and reads what the client reads once before it is asked for it", async () => {
    const paths = new Set<string | undefined>();
    service.storeServer.on("request", ({ url }) => paths.add(url));
    await withHost(service.settings, async (host) => {
      await host.newCode(fiscalCode, { ...discount, merchant_id: "another-shop" });
    });
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
        // The certificate is nobody's.
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
        NODE_NO_WARNINGS: "1",
      },
      async (host) => {
        expect((await host.info()).status).toBe(200);
      },
    );
    server.close();
  });

  // Parts of the SDK are left out of the file: none of them may be what an error comes to need.
  it.each<Fault>([
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
  ])("keeps the contract though every other read and every other write ends in %j", async (fault) => {
    // With regions to discover, as in production: there the SDK has more that it could need.
    const proxy = await startFaultProxy(service.config.cosmos.endpoint, {
      enablePerPartitionFailoverBehavior: true,
    });
    proxy.script(({ operation, path }) => {
      const alike = proxy.requests.filter((request) => request.operation === operation);
      // Counted for each item: of two that are read at once, none is to meet the fault again and again.
      const ofItem = alike.filter((request) => request.path === path);
      // More time than a call has would go by with more of those that are never answered.
      return (fault.kind === "hang" ? alike.length === 1 : ofItem.length % 2 === 1) ? fault : undefined;
    });
    const shop = { merchant_id: merchantId, discount_id: JSON.stringify(fault).replaceAll(/\W+/g, "-") };
    const [code, apiKey] = [await service.newCode(fiscalCode, shop), await service.newApiKey()];
    await withHost(
      {
        ...service.settings,
        COSMOSDB_ENDPOINT: proxy.endpoint,
        COSMOSDB_SINGLE_COPY: "false",
      },
      async (host) => {
        const replies = [
          await host.ask(apiKey, code),
          await host.use(apiKey, code, "1"),
          await host.use(apiKey, code, "1"),
          await host.use(apiKey, code, "2"),
          await host.generate("AAAAAA00A00A000B", shop),
          await host.regenerate(merchantId, "secondary"),
        ];
        expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 404, 200, 200]);
      },
    );
    await proxy.close();
  });

  it.each([
    ["started", false],
    ["specialized", true],
  ])(
    "answers 503 with settings that are missing or malformed, and logs which, %s",
    async (_, isSpecialized) => {
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
            /COSMOSDB_ENDPOINT is malformed.*\n.*COSMOSDB_KEY is missing.*\n.*OTP_SECRET is malformed/,
          );
          expect(host.log).toHaveLength(replies.length);
          expect(host.log[0]?.text).toContain(
            '"cause":"settings: COSMOSDB_ENDPOINT, COSMOSDB_KEY, OTP_SECRET"',
          );
          expect(host.printed() + JSON.stringify(host.log)).not.toContain("nonsense");
        },
        isSpecialized ? unpacked.placeholder : undefined,
      );
    },
  );

  it("answers 503 while the store is down, logs what it tried, and recovers by itself", async () => {
    const proxy = await startFaultProxy(service.config.cosmos.endpoint);
    let isDown = true;
    proxy.script(() => (isDown ? { kind: "status", status: 503 } : undefined));
    await withHost(
      { ...service.settings, COSMOSDB_ENDPOINT: proxy.endpoint, REQUEST_DEADLINE_IN_MS: "500" },
      async (host) => {
        expectProblem(await host.regenerate(), 503, "service-unavailable");
        const [storeCall, outcome] = host.log.map(({ text }): unknown => JSON.parse(text));
        expect(storeCall).toMatchObject({ store_call: "findApiKeys", failure: "store: 503" });
        const { attempts } = decode(t.type({ attempts: t.number }), storeCall);
        expect(attempts).toBeGreaterThan(1);
        expect(outcome).toMatchObject({ cause: "deadline", store_round_trips: attempts });
        isDown = false;
        expect((await host.regenerate()).status).toBe(200);
      },
    );
    await proxy.close();
  });

  it.each(["", "null", "{}", "<html>"])(
    "survives a store that answers %j to all that it is asked at the start",
    async (nonsense) => {
      const server = createServer((_, response) => {
        response.setHeader("Content-Type", "application/json").end(nonsense);
      });
      const endpoint = `http://127.0.0.1:${await listen(server, 0)}`;
      await withHost({ ...service.settings, COSMOSDB_ENDPOINT: endpoint }, async (host) => {
        expect((await call(`${host.baseUrl}/api/v1/openapi.yaml`)).status).toBe(200);
        expect((await host.generate()).status).toBeGreaterThanOrEqual(500);
        expect(host.printed()).toBe("");
      });
      await close(server);
    },
  );

  it("fails by name where it comes to need what is left out of the SDK", async () => {
    const query = `import { CosmosClient } from "@azure/cosmos";
      const client = new CosmosClient({ endpoint: "http://127.0.0.1:9", key: "a2V5" });
      client.database("cgn").container("otps").items.query("SELECT 1");`;
    const bundler = startProgram(
      [
        "--input-type=module",
        "--eval",
        `import { build } from "esbuild";
         import { leaveOut } from "./scripts/leave-out.mjs";
         const stdin = { contents: ${JSON.stringify(query)}, resolveDir: "." };
         const mainFields = ["module", "main"];
         await build({ stdin, bundle: true, platform: "node", mainFields, plugins: [leaveOut], outfile: process.argv[1] });`,
        path.join(unpacked.folder, "query.js"),
      ],
      {},
    );
    expect({ code: await bundler.ended, errors: bundler.errors() }).toMatchObject({ code: 0 });
    const program = startProgram(["query.js"], {}, unpacked.folder);
    expect(await program.ended).toBe(1);
    expect(program.errors()).toContain("Error: QueryIterator is left out of this build");
  });

  it("is an archive of four files and at most 500 KB, the same for the same sources", async () => {
    await startProgram(["scripts/package.mjs"], {}).ended;
    const bytes = await readFile(archive);
    expect(Object.keys(unzipSync(bytes))).toEqual([
      "dist/main.js",
      "dist/main.js.map",
      "host.json",
      "package.json",
    ]);
    expect((await stat(archive)).size).toBeLessThanOrEqual(500_000);
    await startProgram(["scripts/package.mjs"], { TZ: "Asia/Tokyo" }).ended;
    expect((await readFile(archive)).equals(bytes)).toBe(true);
  });

  it("exports nothing, which the worker would await", async () => {
    const program = startProgram(
      ["--eval", `console.log(Object.keys(require("./dist/main.js")).length); process.exit();`],
      service.settings,
      unpacked.folder,
    );
    expect(await program.ended).toBe(0);
    expect(program.output()).toBe("0\n");
  });

  it("has a source map beside it", async () => {
    const main = await readFile("dist/main.js", "utf8");
    expect(main).toMatch(/\n\/\/# sourceMappingURL=main\.js\.map\s*$/);
    const { sources } = decode(
      t.type({ sources: t.array(t.string) }),
      JSON.parse(await readFile("dist/main.js.map", "utf8")),
    );
    expect(sources).toContain("../main.ts");
  });

  it("serves its routes without a prefix", async () => {
    expect(JSON.parse(await readFile("host.json", "utf8"))).toMatchObject({
      version: "2.0",
      extensions: { http: { routePrefix: "" } },
    });
  });
});
