import { expectProblem } from "../tests/support/expect-problem";
import { merchantId } from "../tools/support/api";
import { applyLate, countOf, firstOf, inOrder, type Script } from "../tools/support/fault-scripts";
import { startBehindFaults, startService, type Service } from "../tools/support/service";

describe("RevokeApiKey", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it("takes one key out of force, and leaves the others", async () => {
    const [revoked, kept] = [await service.newApiKey(), await service.newApiKey(merchantId, "secondary")];
    const { status, text, headers } = await service.revoke();
    expect([status, text, headers.get("cache-control")]).toEqual([204, "", "no-store"]);
    // RFC 9110, section 8.6.
    expect([headers.get("content-type"), headers.get("content-length")]).toEqual([null, null]);
    expectProblem(await service.ask(revoked, "AAAAAAAAAAA"), 401, "unauthorized");
    expectProblem(await service.ask(kept, "AAAAAAAAAAA"), 404, "otp-not-found");
  });

  it.each([
    ["the merchant's first", false],
    ["in place of one", true],
  ])("keeps out a key whose write was still on its way, though nobody was told it: %s", async (_, hasKey) => {
    if (hasKey) {
      await service.newApiKey();
    }
    const { proxy, instance } = await startBehindFaults(service, 5000);
    const afterwards: Script = () =>
      countOf(proxy, "write") > 0 ? { kind: "status", status: 403 } : undefined;
    proxy.script(firstOf(inOrder("write", { kind: "reset-before" }), afterwards));
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect((await service.revoke()).status).toBe(204);
    const lost = proxy.requests.find(({ operation }) => operation === (hasKey ? "replace" : "create"));
    expect(lost && (await applyLate(service.config.cosmos.endpoint, lost))).toBe(hasKey ? 412 : 409);
    expect((await service.list()).json).toEqual({ merchant_id: merchantId, api_keys: [] });
  });

  it("writes even if there is nothing to take out", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    await instance.revoke();
    await instance.revoke();
    // What the SDK reads once of a container, before it first creates an item there, does not count.
    const operations = proxy.requests.map(({ operation }) => operation).filter((each) => each !== "other");
    expect(operations).toEqual(["read", "create", "read", "replace"]);
  });
});
