import { ApiKeysBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { merchantId } from "../tools/support/api";
import { decode } from "../tools/support/either";
import { readItems, startService, type Service } from "../tools/support/service";

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
    await service.newApiKey("shop-2");
    expect((await service.list()).json).toEqual(none);
    expect((await readItems(service.apiKeys)).map(({ id }) => id)).toEqual(["shop-2"]);
    await service.newApiKey();
    await service.revoke();
    expect((await service.list()).json).toEqual(none);
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

  it.each(["a_b", "%ff"])("refuses a bad merchant_id (%s), and names it", async (bad) => {
    const reply = await service.list(bad);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain("merchant_id");
  });
});
