import { ApiKeysBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { merchantId } from "../tools/support/api";
import { decode } from "../tools/support/either";
import { readItems, startBehindFaults, startService } from "../tools/support/service";
import type { Service } from "../tools/support/service";

describe("ListApiKeys", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it("lists the keys in force in the contract's order, each by its last 4 characters, and no key", async () => {
    const secondary = await service.newApiKey(merchantId, "secondary");
    service.clock.advance(60);
    await service.newApiKey();
    const primary = await service.newApiKey();
    const reply = await service.list();
    expect(reply.status).toBe(200);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.json).toEqual({
      merchant_id: merchantId,
      api_keys: [
        { key_type: "primary", created_at: "2026-03-01T10:01:00.000Z", hint: primary.slice(-4) },
        { key_type: "secondary", created_at: "2026-03-01T10:00:00.000Z", hint: secondary.slice(-4) },
      ],
    });
  });

  it("is empty for a merchant that never had a key, and for one whose keys are revoked", async () => {
    const none = { merchant_id: merchantId, api_keys: [] };
    expect((await service.list()).json).toEqual(none);
    expect(await readItems(service.apiKeys)).toEqual([]);
    await service.newApiKey();
    await service.revoke();
    expect((await service.list()).json).toEqual(none);
  });

  it("lists no other merchant's keys", async () => {
    await service.newApiKey("shop-2");
    expect(decode(ApiKeysBody, (await service.list()).json).api_keys).toEqual([]);
  });

  it("lists with an empty hint a key that was stored before there were hints", async () => {
    await service.apiKeys.items.create({
      id: merchantId,
      primary: { hash: "0".repeat(64), createdAt: "2026-02-01T10:00:00.000Z", replaced: [] },
    });
    expect(decode(ApiKeysBody, (await service.list()).json).api_keys).toEqual([
      { key_type: "primary", created_at: "2026-02-01T10:00:00.000Z", hint: "" },
    ]);
  });

  it.each(["a_b", "a".repeat(65), "%20", "%ff"])(
    "refuses a bad merchant_id (%s), and names it",
    async (bad) => {
      const reply = await service.list(bad);
      expectProblem(reply, 400, "invalid-request");
      expect(reply.text).toContain("merchant_id");
    },
  );

  it("asks the store once, and tells the log which merchant it is for", async () => {
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    await instance.list();
    expect(proxy.requests.map(({ operation }) => operation)).toEqual(["read"]);
    const log = instance.log.map(({ text }) => text).join();
    expect(log).toContain(`"merchant_id":"${merchantId}"`);
    expect(log).toContain('"function":"ListApiKeys"');
    await stop();
  });

  it("says when to try again while the store is away", async () => {
    const { proxy, instance, stop } = await startBehindFaults(service, 200);
    proxy.script(() => ({ kind: "reset-before" }));
    const reply = await instance.list();
    await stop();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  });
});
