import { ApiKeysBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { merchantId } from "../tools/support/api";
import { decode } from "../tools/support/either";
import { readItems, startBehindFaults, startService } from "../tools/support/service";
import type { Service } from "../tools/support/service";

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

  it("is answered the same when there is no such key, or none at all", async () => {
    expect((await service.revoke()).status).toBe(204);
    expect((await service.revoke()).status).toBe(204);
    const secondary = await service.newApiKey(merchantId, "secondary");
    expect((await service.revoke()).status).toBe(204);
    expect(await works(secondary)).toBe(true);
  });

  it("leaves another merchant's keys alone", async () => {
    const other = await service.newApiKey("shop-2");
    await service.revoke();
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
    ["merchant_id", "a".repeat(65), "primary"],
    ["merchant_id", "%ff", "primary"],
    ["key_type", merchantId, "tertiary"],
    ["key_type", merchantId, "Primary"],
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
    const { proxy, instance, stop } = await startBehindFaults(service, 300);
    let isLate = false;
    proxy.script(({ operation }) => {
      if (isLate) {
        return { kind: "reset-before" };
      }
      isLate = operation === "create" || operation === "replace";
      return isLate ? { kind: "late", ms: 600 } : undefined;
    });
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect((await service.revoke()).status).toBe(204);
    proxy.script(() => undefined);
    await proxy.settled();
    expect([isLate, await listed()]).toEqual([true, []]);
    await stop();
  });

  it.each(["reset-after", "reset-before"] as const)(
    "is answered 204 though the answer to its write is lost (%s)",
    async (kind) => {
      const { proxy, instance, stop } = await startBehindFaults(service, 2000);
      const [primary, secondary] = [
        await service.newApiKey(),
        await service.newApiKey(merchantId, "secondary"),
      ];
      let isBroken = false;
      proxy.script(({ operation }) => {
        if (operation !== "replace" || isBroken) {
          return undefined;
        }
        isBroken = true;
        return { kind };
      });
      expect((await instance.revoke()).status).toBe(204);
      expect([isBroken, await works(primary), await works(secondary)]).toEqual([true, false, true]);
      await stop();
    },
  );

  it("asks the store twice, and tells the log which merchant it is for", async () => {
    await service.newApiKey();
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    await instance.revoke();
    await instance.revoke();
    await instance.revoke("shop-2");
    // What the SDK reads once of a container, before it first creates an item there, does not count.
    const operations = proxy.requests.map(({ operation }) => operation).filter((each) => each !== "other");
    expect(operations).toEqual([
      ...["read", "replace"],
      // There is nothing to take out, and it writes all the same.
      ...["read", "replace"],
      ...["read", "create"],
    ]);
    const log = instance.log.map(({ text }) => text).join();
    expect(log).toContain(`"merchant_id":"${merchantId}"`);
    expect(log).toContain('"function":"RevokeApiKey"');
    await stop();
  });

  it("says when to try again while the store is away or throttles, and goes on writing to neither", async () => {
    const apiKey = await service.newApiKey();
    const { proxy, instance, stop } = await startBehindFaults(service, 300);
    proxy.script(({ operation }) =>
      operation === "replace" ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
    );
    expectProblem(await instance.revoke(), 503, "service-unavailable");
    // Once, and three times more, like each call that is throttled.
    expect(proxy.requests.filter(({ operation }) => operation === "replace")).toHaveLength(4);
    proxy.script(() => ({ kind: "reset-before" }));
    const reply = await instance.revoke();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    await stop();
    expect(await works(apiKey)).toBe(true);
  });
});
