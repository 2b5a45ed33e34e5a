import { readFileSync } from "node:fs";
import { expectProblem } from "./tests/support/expect-problem";
import {
  discount,
  discountId,
  fiscalCode,
  merchantId,
  send,
  type Api,
  type Reply,
} from "./tools/support/api";
import { every } from "./tools/support/fault-scripts";
import { readItems, startBehindFaults, startService, type Service } from "./tools/support/service";

describe("a bad request", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const question = { otp_code: "AAAAAAAAAAA", invalidate_otp: false };
  it.each<[string, (api: Api) => Promise<Reply>]>([
    ["fiscal_code", (api) => api.generate(fiscalCode.toLowerCase())],
    ["fiscal_code", (api) => api.generate("AAAAAA00F00A000A")],
    ["fiscal_code", (api) => api.generate(`${fiscalCode}\n`)],
    ["merchant_id", (api) => api.generate(fiscalCode, { discount_id: discountId })],
    ["merchant_id", (api) => api.generate(fiscalCode, { ...discount, merchant_id: "a".repeat(65) })],
    ["merchant_id", (api) => api.generate(fiscalCode, { ...discount, merchant_id: "a_b" })],
    ["discount_id", (api) => api.generate(fiscalCode, { ...discount, discount_id: null })],
    ["fiscalcode", (api) => api.generateByPath(`${fiscalCode}%0A`)],
    ["fiscalcode", (api) => api.generateByPath("%ZZ")],
    ["fiscal_code", (api) => api.generateByPath(fiscalCode, { ...discount, fiscal_code: fiscalCode })],
    ["fiscal_code", (api) => api.generateByPath(fiscalCode, { ...discount, fiscal_code: null })],
    ["merchant_id", (api) => api.generateByPath(fiscalCode, { discount_id: discountId })],
    ["body: è JSON, ma non un oggetto", (api) => api.generateByPath(fiscalCode, [])],
    ["otp_code", (api) => api.validate("", { ...question, otp_code: null })],
    ["invalidate_otp", (api) => api.validate("", { otp_code: "AAAAAAAAAAA", invalidateOtp: true })],
    ["invalidate_otp", (api) => api.validate("", { ...question, invalidate_otp: "true" })],
    ["Idempotency-Key", (api) => api.use("", "AAAAAAAAAAA", "x".repeat(256))],
    ["merchant_id", (api) => api.regenerate("%ff")],
    ["key_type", (api) => api.regenerate(merchantId, "toString")],
    ["Idempotency-Key", (api) => api.regenerate(merchantId, "primary", "x".repeat(15))],
    ["Idempotency-Key", (api) => api.regenerate(merchantId, "primary", "x".repeat(256))],
    ["merchant_id", (api) => api.list("a_b")],
    ["merchant_id", (api) => api.revoke("a_b")],
    ["key_type", (api) => api.revoke(merchantId, "tertiary")],
  ])("is answered with the name of what is wrong, and changes nothing: %s", async (named, call) => {
    const reply = await call(service);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain(` ${named}."`);
    expect([...(await readItems(service.otps)), ...(await readItems(service.apiKeys))]).toEqual([]);
  });
});

it("OpenApi answers with the contract, byte for byte, as YAML", async () => {
  const service = await startService();
  const reply = await send(`${service.baseUrl}/api/v1/openapi.yaml`);
  await service.stop();
  expect([reply.status, reply.headers.get("content-type")]).toEqual([200, "application/yaml"]);
  expect(reply.text).toBe(readFileSync("openapi.yaml", "utf8"));
});

describe("every function that needs the store", () => {
  let service: Service;
  let apiKey: string;
  let code: string;
  let used: string;
  beforeAll(async () => {
    service = await startService();
    apiKey = await service.newApiKey();
    used = await service.newCode("AAAAAA00A00A000B");
    await service.use(apiKey, used);
    code = await service.newCode();
  });
  afterAll(() => service.stop());

  /** How many requests each makes to the store. The OTP of `fiscalCode` is live. */
  const calls: readonly (readonly [string, number, (api: Api) => Promise<Reply>])[] = [
    ["GenerateOtp", 3, (api) => api.generate(fiscalCode)],
    ["ValidateOtp", 2, (api) => api.ask(apiKey, code)],
    ["ValidateOtp", 4, (api) => api.ask(apiKey, used)],
    ["ValidateOtp", 3, (api) => api.use(apiKey, code)],
    ["ListApiKeys", 1, (api) => api.list()],
    ["RegenerateApiKey", 2, (api) => api.regenerate(merchantId, "secondary")],
    ["RevokeApiKey", 2, (api) => api.revoke(merchantId, "secondary")],
  ];

  it("says when to try again while it is away", async () => {
    const { instance } = await startBehindFaults(service, 200, every("any", { kind: "reset-before" }));
    const replies = await Promise.all([...calls.map(([, , call]) => call(instance)), instance.info()]);
    for (const reply of replies) {
      expectProblem(reply, 503, "service-unavailable");
    }
  });

  it("gives up, says why, and changes nothing, from whichever request on it throttles", async () => {
    const before = [await readItems(service.otps), await readItems(service.apiKeys)];
    const { proxy, instance } = await startBehindFaults(service, 5000);
    for (const [name, count, call] of calls) {
      for (let forwarded = 0; forwarded < count; forwarded++) {
        await proxy.reset();
        // The caller has no time for such a wait.
        const throttled = { kind: "status", status: 429, retryAfterMs: 60_000 } as const;
        proxy.script(({ index }) => (index < forwarded ? undefined : throttled));
        instance.log.length = 0;
        expectProblem(await call(instance), 503, "service-unavailable");
        // ValidateOtp sends its first two at once.
        const most = Math.max(forwarded + 1, name === "ValidateOtp" ? 2 : 1);
        expect(proxy.requests.length).toBeLessThanOrEqual(most);
        const log = instance.log.map(({ text }) => text).join();
        const which = `${name}, request ${forwarded}`;
        expect([which, log]).toEqual([which, expect.stringContaining('"cause":"store: 429"')]);
      }
    }
    expect([await readItems(service.otps), await readItems(service.apiKeys)]).toEqual(before);
  });

  it("asks it as seldom as possible, and logs its name, its merchant and how often", async () => {
    for (const [name, count, call] of calls) {
      await call(service);
      const outcome: unknown = JSON.parse(service.log.at(-1)?.text ?? "");
      const expected = { function: name, merchant_id: merchantId, store_round_trips: count };
      expect(outcome).toMatchObject({ event: "request", ...expected });
    }
  });
});
