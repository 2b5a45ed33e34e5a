/** A shop that integrated with the published API, by a client of PagoPA's own generator. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { startProgram } from "../../tools/support/processes";
import { startService, type Service } from "../../tools/support/service";
import { compile, compilingTimeoutMs, patience, runTool, stopCompiling } from "./compile";

const program = `
import * as E from "fp-ts/lib/Either";
import { createClient } from "./generated/client";
import { ValidateOtpPayload } from "./generated/ValidateOtpPayload";

const [, , baseUrl = "", apiKey = "", ...codes] = process.argv;
const run = async (): Promise<void> => {
  const client = createClient({ baseUrl, fetchApi: fetch });
  for (const otp_code of codes) {
    const body = ValidateOtpPayload.decode({ otp_code, invalidate_otp: true });
    if (E.isLeft(body)) {
      throw new Error(otp_code + " is no code");
    }
    const answer = await client.validateOtp({ SubscriptionKey: apiKey, body: body.right });
    if (E.isLeft(answer)) {
      console.log("left");
    } else {
      const { right } = answer;
      console.log(right.status, right.status === 200 ? right.value.expires_at.toISOString() : right.value);
    }
  }
};
void run();
`;

describe("a client generated from the published API", () => {
  const folder = path.resolve("build/published-client");
  let service: Service;
  beforeAll(async () => {
    service = await startService(patience);
  });
  afterAll(async () => {
    await stopCompiling();
    await rm(folder, { recursive: true });
    await service.stop();
  });

  it(
    "works unchanged: it knows a 200, each 404 and a 401, and neither 409 nor 503",
    async () => {
      const generator = "@pagopa/openapi-codegen-ts/dist/commands/gen-api-models/cli.js";
      const document = "tests/clients/published-merchant-api.yaml";
      const options = ["--request-types", "--response-decoders", "--client"];
      await runTool(
        process.cwd(),
        generator,
        ...["--api-spec", document, "--out-dir", path.join(folder, "generated"), ...options],
      );
      const bundle = await compile(folder, program);
      const run = async (apiKey: string, ...codes: string[]): Promise<string> => {
        const shop = startProgram([bundle, service.baseUrl, apiKey, ...codes], {});
        expect([await shop.ended, shop.errors()]).toEqual([0, ""]);
        return shop.output();
      };
      const code = await service.newCode();
      service.clock.advance(42);
      expect(await run(await service.newApiKey(), code, code, "AAAAAAAAAAA")).toBe(
        "200 2026-03-01T10:00:42.000Z\n404 undefined\n404 undefined\n",
      );
      // A status that the published document does not describe is an answer that its clients do not know.
      expect(
        await run(await service.newApiKey(undefined, "test"), "TESTEXPIRED", "TESTNEWER00", "TESTDOWN000"),
      ).toBe("404 undefined\nleft\nleft\n");
      expect(await run("none", "AAAAAAAAAAA")).toBe("401 undefined\n");
    },
    compilingTimeoutMs,
  );
});
