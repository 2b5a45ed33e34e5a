import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { unzipSync } from "fflate";
import * as t from "io-ts";
import { name, version } from "../package.json";
import { listen } from "../local/server";
import { startFaultProxy } from "./fault-proxy";
import type { Fault } from "./fault-proxy";
import { startProgram } from "./processes";
import { ApiKeyBody, decode, discount, fiscalCode, merchantId, OtpBody, startService } from "./support";
import type { Service } from "./support";

const Printed = t.type({
  registered: t.array(
    t.type({ name: t.string, route: t.string, methods: t.array(t.string), authLevel: t.string }),
  ),
  answers: t.array(t.type({ status: t.number, body: t.string })),
});

const archive = "build/cgn-otp.zip";

describe("what is deployed", () => {
  let service: Service;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    // Of the two clocks, only this one can be set.
    service.clock.advance((Date.now() - service.clock().getTime()) / 1000);
    // No node_modules here, nor in any folder above.
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    expect(await startProgram(["package.mjs"], {}).ended).toBe(0);
    for (const [name, content] of Object.entries(unzipSync(await readFile(archive)))) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), content);
    }
    await cp("tests/functions-worker.cjs", path.join(folder, "functions-worker.cjs"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await service.stop();
  });

  const runWorker = async (
    invocations: readonly unknown[],
    settings: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; errors: string; output: string }> => {
    const program = startProgram(["functions-worker.cjs", JSON.stringify(invocations)], settings, folder);
    return { code: await program.ended, errors: program.errors(), output: program.output() };
  };

  it("registers every function with the worker, and answers through it, without node_modules", async () => {
    const { code, errors, output } = await runWorker(
      [
        { name: "Info", method: "GET" },
        {
          name: "RegenerateApiKey",
          method: "POST",
          params: { merchant_id: merchantId, key_type: "primary" },
        },
        {
          name: "GenerateOtp",
          method: "POST",
          params: { fiscalcode: fiscalCode },
          body: JSON.stringify(discount),
        },
        { name: "ValidateOtp", method: "POST", body: "{}" },
      ],
      service.settings,
    );
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    const { registered, answers } = decode(Printed, JSON.parse(output));
    expect(registered.map((each) => [each.name, each.methods.join(), each.route, each.authLevel])).toEqual([
      ["GenerateOtp", "POST", "api/v1/cgn/otp/{fiscalcode}", "function"],
      ["ValidateOtp", "POST", "api/v1/merchant/cgn/otp/validate", "anonymous"],
      ["RegenerateApiKey", "POST", "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}", "function"],
      ["OpenApi", "GET", "api/v1/openapi.yaml", "anonymous"],
      ["Info", "GET", "api/v1/info", "anonymous"],
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400]);
    const [info, apiKey, otp, refusal] = answers.map(({ body }): unknown => JSON.parse(body));
    expect(info).toEqual({ name, version });
    expect(refusal).toMatchObject({ instance: "urn:uuid:00000000-0000-4000-8000-000000000003" });
    // What it wrote, any other instance finds.
    const key = decode(ApiKeyBody, apiKey).api_key;
    expectFound(await service.ask(key, decode(OtpBody, otp).code));
  });

  it("opens its connections and reads what the client reads once before it is asked for it", async () => {
    const paths = new Set<string | undefined>();
    service.storeServer.on("request", ({ url }) => paths.add(url));
    await runWorker(
      [
        {
          name: "GenerateOtp",
          method: "POST",
          params: { fiscalcode: fiscalCode },
          body: JSON.stringify({ ...discount, merchant_id: "another-shop" }),
        },
      ],
      service.settings,
    );
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
    const { errors, output } = await runWorker([{ name: "Info", method: "GET" }], {
      ...service.settings,
      COSMOSDB_ENDPOINT: `https://127.0.0.1:${await listen(server, 0)}`,
      // The certificate is nobody's.
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      NODE_NO_WARNINGS: "1",
    });
    server.close();
    expect(errors).toBe("");
    expect(decode(Printed, JSON.parse(output)).answers).toMatchObject([{ status: 200 }]);
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
    const validate = (invalidate: boolean, idempotencyKey: string): unknown => ({
      name: "ValidateOtp",
      method: "POST",
      headers: { "ocp-apim-subscription-key": apiKey, "idempotency-key": idempotencyKey },
      body: JSON.stringify({ otp_code: code, invalidate_otp: invalidate }),
    });
    const generate = {
      name: "GenerateOtp",
      method: "POST",
      params: { fiscalcode: "AAAAAA00A00A000B" },
      body: JSON.stringify(shop),
    };
    const regenerate = {
      name: "RegenerateApiKey",
      method: "POST",
      params: { merchant_id: merchantId, key_type: "secondary" },
    };
    const { errors, output } = await runWorker(
      [
        validate(false, "1"),
        validate(true, "1"),
        validate(true, "1"),
        validate(true, "2"),
        generate,
        regenerate,
      ],
      {
        ...service.settings,
        COSMOSDB_ENDPOINT: proxy.endpoint,
        COSMOSDB_SINGLE_COPY: "false",
      },
    );
    await proxy.close();
    expect(errors).toBe("");
    expect(decode(Printed, JSON.parse(output)).answers.map(({ status }) => status)).toEqual([
      200, 200, 200, 404, 200, 200,
    ]);
  });

  const expectFound = ({ status }: { readonly status: number }): void => {
    expect(status).toBe(200);
  };

  it("answers 503 with settings that are missing or malformed, and logs which", async () => {
    const { code, errors, output } = await runWorker(
      [
        { name: "Info", method: "GET" },
        { name: "ValidateOtp", method: "POST", body: "{}" },
      ],
      { COSMOSDB_ENDPOINT: "nonsense-endpoint", OTP_SECRET: "nonsense-secret" },
    );
    expect(code).toBe(0);
    expect(errors).toMatch(
      /COSMOSDB_ENDPOINT is malformed.*\n.*COSMOSDB_KEY is missing.*\n.*OTP_SECRET is malformed/,
    );
    expect(errors + output).not.toContain("nonsense");
    expect(decode(Printed, JSON.parse(output)).answers.map(({ status }) => status)).toEqual([503, 503]);
  });

  it("fails by name where it comes to need what is left out of the SDK", async () => {
    const query = `import { CosmosClient } from "@azure/cosmos";
      const client = new CosmosClient({ endpoint: "http://127.0.0.1:9", key: "a2V5" });
      client.database("cgn").container("otps").items.query("SELECT 1");`;
    const bundler = startProgram(
      [
        "--input-type=module",
        "--eval",
        `import { build } from "esbuild";
         import { leaveOut } from "./leave-out.mjs";
         const stdin = { contents: ${JSON.stringify(query)}, resolveDir: "." };
         const mainFields = ["module", "main"];
         await build({ stdin, bundle: true, platform: "node", mainFields, plugins: [leaveOut], outfile: process.argv[1] });`,
        path.join(folder, "query.js"),
      ],
      {},
    );
    expect({ code: await bundler.ended, errors: bundler.errors() }).toMatchObject({ code: 0 });
    const program = startProgram(["query.js"], {}, folder);
    expect(await program.ended).toBe(1);
    expect(program.errors()).toContain("Error: QueryIterator is left out of this build");
  });

  it("is an archive of four files and at most 500 KB, the same for the same sources", async () => {
    const bytes = await readFile(archive);
    expect(Object.keys(unzipSync(bytes))).toEqual([
      "dist/main.js",
      "dist/main.js.map",
      "host.json",
      "package.json",
    ]);
    expect((await stat(archive)).size).toBeLessThanOrEqual(500_000);
    await startProgram(["package.mjs"], { TZ: "Asia/Tokyo" }).ended;
    expect((await readFile(archive)).equals(bytes)).toBe(true);
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
