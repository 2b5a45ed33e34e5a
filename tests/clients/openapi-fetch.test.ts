import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { startProgram } from "../../tools/support/processes";
import { discountId, fiscalCode, merchantId } from "../../tools/support/api";
import { startService, type Service } from "../../tools/support/service";
import { compile, compilingTimeoutMs, patience, runTool, stopCompiling } from "./compile";

/** A program that the developers of a shop, of the platform and of the portal could write with a generated client. */
const program = `
import createClient from "openapi-fetch";
import type { paths } from "./schema";

type Refusal = "otp-not-found" | "otp-expired" | "otp-already-used";

const run = async (): Promise<void> => {
  const client = createClient<paths>({ baseUrl: process.argv[2] ?? "" });

  const regenerate = async (key_type: "primary" | "test", press: string): Promise<string> => {
    const { data, error } = await client.POST("/cgn/merchants/{merchant_id}/api-keys/{key_type}", {
      params: {
        path: { merchant_id: "${merchantId}", key_type },
        header: { "Idempotency-Key": press },
      },
    });
    if (data === undefined) {
      throw new Error(error?.title);
    }
    return data.api_key;
  };
  const apiKey = await regenerate("primary", crypto.randomUUID());
  const press = crypto.randomUUID();
  const testApiKey = await regenerate("test", press);
  const isSameKey: boolean = testApiKey === (await regenerate("test", press));
  const keys = await client.GET("/cgn/merchants/{merchant_id}/api-keys", {
    params: { path: { merchant_id: "${merchantId}" } },
  });
  const hints = keys.data?.api_keys.map(({ key_type, hint }): string => key_type + " " + hint);
  const isHinted = hints?.join() === "primary " + apiKey.slice(-4) + ",test " + testApiKey.slice(-4);
  const otp = await client.POST("/cgn/otp", {
    body: { fiscal_code: "${fiscalCode}", merchant_id: "${merchantId}", discount_id: "${discountId}" },
  });
  if (otp.data === undefined) {
    throw new Error(otp.error?.title);
  }
  const use = (key: string, code: string, cart: string) =>
    client.POST("/merchant/cgn/otp/validate", {
      params: { header: { "Idempotency-Key": cart } },
      headers: { "Ocp-Apim-Subscription-Key": key },
      body: { otp_code: code, invalidate_otp: true },
    });
  const used = await use(apiKey, otp.data.code, "cart-1");
  const again = await use(apiKey, otp.data.code, "cart-2");
  const tried = await use(testApiKey, "TESTRACE000", "cart-3");
  const revoked = await client.DELETE("/cgn/merchants/{merchant_id}/api-keys/{key_type}", {
    params: { path: { merchant_id: "${merchantId}", key_type: "test" } },
  });
  const lifetime: number = otp.data.ttl;
  const error = again.error;
  // The compiler knows the types of each status, and would refuse any other.
  const type: \`https://api.cgn.pagopa.it/problems/\${Refusal}\` | undefined = error?.status === 404 ? error.type : undefined;
  const info = await client.GET("/info");
  console.log(
    JSON.stringify({
      keys: [isSameKey, isHinted, revoked.response.status],
      lifetime,
      used: used.data?.discount_id,
      again: [again.response.status, type],
      tried: tried.error?.type,
      name: info.data?.name,
    }),
  );
};

void run();
`;

describe("a client generated from openapi.yaml", () => {
  const folder = path.resolve("build/client");
  let service: Service;
  beforeAll(async () => {
    service = await startService(patience);
    await mkdir(folder, { recursive: true });
  });
  afterAll(async () => {
    await stopCompiling();
    await rm(folder, { recursive: true });
    await service.stop();
  });

  it(
    "compiles under strict, uses an OTP, and manages API keys",
    async () => {
      await runTool(
        folder,
        "openapi-typescript/bin/cli.js",
        path.resolve("openapi.yaml"),
        "-o",
        "schema.d.ts",
      );
      const bundle = await compile(folder, program);

      const client = startProgram([bundle, `${service.baseUrl}/api/v1`], {});
      expect([await client.ended, client.errors()]).toEqual([0, ""]);
      const alreadyUsed: unknown = expect.stringMatching(/\/otp-already-used$/);
      expect(JSON.parse(client.output())).toEqual({
        keys: [true, true, 204],
        lifetime: 600,
        used: discountId,
        again: [404, alreadyUsed],
        tried: alreadyUsed,
        name: "cgn-otp",
      });
    },
    compilingTimeoutMs,
  );
});
