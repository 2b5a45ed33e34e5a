import { close } from "../local/server";
import { decodeApiKey } from "../shared/api-key";
import { ApiKeyBody, decode, expectProblem, merchantId, readItems, startService } from "../tests/support";
import type { Service } from "../tests/support";

describe("RegenerateApiKey", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService({ REQUEST_DEADLINE_IN_MS: "2000" });
  });
  afterEach(() => service.stop());

  it.each(["primary", "secondary"])("creates a merchant's %s key, which works", async (keyType) => {
    const reply = await service.regenerate(merchantId, keyType);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.headers.get("cache-control")).toBe("no-store");
    const { api_key: apiKey, ...rest } = decode(ApiKeyBody, reply.json);
    expect(rest).toEqual({
      merchant_id: merchantId,
      key_type: keyType,
      created_at: "2026-03-01T10:00:00.000Z",
    });
    expect(decodeApiKey(apiKey)?.merchantId).toBe(merchantId);
    expect((await service.ask(apiKey, await service.newCode())).status).toBe(200);
  });

  it("makes another key each time", async () => {
    const keys = [await service.newApiKey(), await service.newApiKey(), await service.newApiKey()];
    expect(new Set(keys).size).toBe(3);
  });

  it("leaves another merchant's keys alone", async () => {
    const other = await service.newApiKey("shop-2");
    await service.newApiKey();
    await service.newApiKey();
    expectProblem(await service.ask(other, "AAAAAAAAAAA"), 404, "otp-not-found");
  });

  it.each([
    ["merchant_id", "a_b", "primary"],
    ["merchant_id", "a".repeat(65), "primary"],
    ["merchant_id", "%20", "primary"],
    ["merchant_id", "%ff", "primary"],
    ["key_type", merchantId, "tertiary"],
    ["key_type", merchantId, "Primary"],
    ["key_type", merchantId, "toString"],
  ])("refuses a bad %s (%s, %s), and names it", async (field, merchant, keyType) => {
    const reply = await service.regenerate(merchant, keyType);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain(field);
    expect(await readItems(service.apiKeys)).toEqual([]);
  });

  it("takes a merchant_id of one and of 64 characters", async () => {
    expect((await service.regenerate("a")).status).toBe(200);
    expect((await service.regenerate("A-9".padEnd(64, "z"))).status).toBe(200);
  });

  it("says when to try again while the store is away", async () => {
    await close(service.storeServer);
    const reply = await service.regenerate();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  });
});
