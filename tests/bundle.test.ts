import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as t from "io-ts";
import { name, version } from "../package.json";
import { startProgram } from "./processes";
import { ApiKeyBody, decode, discount, fiscalCode, merchantId, OtpBody, startService } from "./support";
import type { Service } from "./support";

const Printed = t.type({
  registered: t.array(
    t.type({ name: t.string, route: t.string, methods: t.array(t.string), authLevel: t.string }),
  ),
  answers: t.array(t.type({ status: t.number, body: t.string })),
});

describe("what is deployed", () => {
  let service: Service;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    // No node_modules here, nor in any folder above.
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    for (const deployed of ["dist", "host.json", "package.json"]) {
      await cp(deployed, path.join(folder, deployed), { recursive: true });
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

  const expectFound = ({ status }: { readonly status: number }): void => {
    expect(status).toBe(200);
  };

  it("does not start with settings that are missing or malformed, and names them all", async () => {
    const { code, errors } = await runWorker([], {
      COSMOSDB_ENDPOINT: "nonsense-endpoint",
      OTP_SECRET: "nonsense-secret",
    });
    expect(code).toBe(1);
    expect(errors).toMatch(
      /COSMOSDB_ENDPOINT is malformed.*\n.*COSMOSDB_KEY is missing.*\n.*OTP_SECRET is malformed/,
    );
    expect(errors).not.toContain("nonsense");
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
