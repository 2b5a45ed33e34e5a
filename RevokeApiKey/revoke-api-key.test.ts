import { ApiKeysBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { merchantId } from "../tools/support/api";
import { decode } from "../tools/support/either";
import type { StoreRequest } from "../tools/support/fault-proxy";
import { applyLate, countOf, inOrder } from "../tools/support/fault-scripts";
import { readItems, startBehindFaults, startService, type Service } from "../tools/support/service";

describe("RevokeApiKey", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  const works = async (apiKey: string): Promise<boolean> =>
    (await service.ask(apiKey, "AAAAAAAAAAA")).status === 404;
  const listed = async (): Promise<string[]> =>
    decode(ApiKeysBody, (await service.list()).json).api_keys.map(({ key_type }) => key_type);

  it.each([
    ["primary", "secondary"],
    ["secondary", "primary"],
  ])("takes the %s key out of force, and leaves the %s one", async (keyType, other) => {
    const [revoked, kept] = [
      await service.newApiKey(merchantId, keyType),
      await service.newApiKey(merchantId, other),
    ];
    const reply = await service.revoke(merchantId, keyType);
    expect([reply.status, reply.text]).toEqual([204, ""]);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.headers.get("content-type")).toBeNull();
    // RFC 9110, section 8.6.
    expect(reply.headers.get("content-length")).toBeNull();
    expectProblem(await service.ask(revoked, "AAAAAAAAAAA"), 401, "unauthorized");
    expect([await works(kept), await listed()]).toEqual([true, [other]]);
  });

  it("is answered the same when there is no such key, and leaves another merchant's alone", async () => {
    const other = await service.newApiKey("shop-2");
    expect((await service.revoke()).status).toBe(204);
    expect((await service.revoke()).status).toBe(204);
    expect(await works(other)).toBe(true);
  });

  it("lets a merchant come back with a new key, and not with the old one", async () => {
    const old = await service.newApiKey();
    await service.revoke();
    const renewed = await service.newApiKey();
    expect([await works(renewed), await works(old)]).toEqual([true, false]);
  });

  it.each([
    ["merchant_id", "a_b", "primary"],
    ["key_type", merchantId, "tertiary"],
    ["key_type", merchantId, "toString"],
  ])("refuses a bad %s (%s, %s), and names it", async (field, merchant, keyType) => {
    const reply = await service.revoke(merchant, keyType);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain(field);
    expect(await readItems(service.apiKeys)).toEqual([]);
  });

  it.each([
    ["the merchant's first", false],
    ["in place of one", true],
  ])("keeps out a key whose write was still on its way, though nobody was told it: %s", async (_, hasKey) => {
    if (hasKey) {
      await service.newApiKey();
    }
    const writes: StoreRequest[] = [];
    const { instance } = await startBehindFaults(service, 800, (request) => {
      writes.push(...(request.operation === "create" || request.operation === "replace" ? [request] : []));
      return writes.length > 0 ? { kind: "reset-before" } : undefined;
    });
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect((await service.revoke()).status).toBe(204);
    const late = writes.map((write) => applyLate(service.config.cosmos.endpoint, write));
    expect(await Promise.all(late)).toEqual([hasKey ? 412 : 409]);
    expect(await listed()).toEqual([]);
  });

  it.each(["reset-after", "reset-before"] as const)(
    "is answered 204 though the answer to its write is lost (%s)",
    async (kind) => {
      const { proxy, instance } = await startBehindFaults(service, 5000, inOrder("replace", { kind }));
      const primary = await service.newApiKey();
      const secondary = await service.newApiKey(merchantId, "secondary");
      expect((await instance.revoke()).status).toBe(204);
      expect([await works(primary), await works(secondary)]).toEqual([false, true]);
      expect(countOf(proxy, "replace")).toBe(kind === "reset-after" ? 1 : 2);
    },
  );

  it("writes even if there is nothing to take out", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    await instance.revoke();
    await instance.revoke();
    // What the SDK reads once of a container, before it first creates an item there, does not count.
    const operations = proxy.requests.map(({ operation }) => operation).filter((each) => each !== "other");
    expect(operations).toEqual(["read", "create", "read", "replace"]);
  });
});
