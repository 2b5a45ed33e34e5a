import { expectProblem } from "./tests/support/expect-problem";
import { fiscalCode, merchantId, type Api, type Reply } from "./tools/support/api";
import { countOf, every, throttled } from "./tools/support/fault-scripts";
import { readItems, startBehindFaults, startService, type Service } from "./tools/support/service";

describe("every function that needs the store", () => {
  let service: Service;
  let apiKey: string;
  let code: string;
  beforeEach(async () => {
    service = await startService();
    apiKey = await service.newApiKey();
    code = await service.newCode();
  });
  afterEach(() => service.stop());

  /** The requests of a first call, in their order. The OTP of `fiscalCode` is live. */
  const calls: readonly (readonly [string, (api: Api) => Promise<Reply>, readonly string[]])[] = [
    ["GenerateOtp", (api) => api.generate(fiscalCode), ["batch", "read", "read"]],
    ["ValidateOtp", (api) => api.ask(apiKey, code), ["read", "read"]],
    ["ValidateOtp", (api) => api.use(apiKey, code), ["read", "read", "replace"]],
    ["ListApiKeys", (api) => api.list(), ["read"]],
    ["RegenerateApiKey", (api) => api.regenerate(), ["read", "replace"]],
    ["RevokeApiKey", (api) => api.revoke(), ["read", "replace"]],
  ];

  it("asks it as seldom as possible, and tells the log which function and merchant it is for", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    for (const [name, call, operations] of calls) {
      await proxy.reset();
      instance.log.length = 0;
      await call(instance);
      expect([name, proxy.requests.map(({ operation }) => operation)]).toEqual([name, operations]);
      const outcome: unknown = JSON.parse(instance.log.at(-1)?.text ?? "");
      expect(outcome).toMatchObject({ event: "request", function: name, merchant_id: merchantId });
    }
  });

  it("says when to try again while it is away", async () => {
    const { instance } = await startBehindFaults(service, 200, every("any", { kind: "reset-before" }));
    const replies = await Promise.all([...calls.map(([, call]) => call(instance)), instance.info()]);
    for (const reply of replies) {
      expectProblem(reply, 503, "service-unavailable");
    }
  });

  it.each(["read", "write"] as const)("gives up, and says why, when it throttles each %s", async (target) => {
    const before = [await readItems(service.otps), await readItems(service.apiKeys)];
    const { proxy, instance } = await startBehindFaults(service, 5000);
    for (const [name, call, operations] of calls) {
      const meets = operations.some((each) => (each === "read") === (target === "read"));
      if (!meets) {
        continue;
      }
      await proxy.reset();
      proxy.script(every(target, throttled));
      instance.log.length = 0;
      expectProblem(await call(instance), 503, "service-unavailable");
      const log = instance.log.map(({ text }) => text).join();
      expect([name, log]).toEqual([name, expect.stringContaining('"cause":"store: 429"')]);
      expect(log).toContain('"attempts":4,"failure":"store: 429","duration_ms":');
      // Once, and three times more. Reads may be made two at a time.
      expect(countOf(proxy, target)).toBeGreaterThanOrEqual(4);
      expect(countOf(proxy, target)).toBeLessThanOrEqual(target === "write" ? 4 : 8);
    }
    expect([await readItems(service.otps), await readItems(service.apiKeys)]).toEqual(before);
  });
});
