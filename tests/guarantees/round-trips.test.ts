import { requests } from "../../tools/bench/capacity";
import {
  countRoundTrips,
  countRoundTripsWithSecondSecret,
  type RoundTrips,
} from "../../tools/bench/round-trips";
import { readItems, startService } from "../../tools/support/service";

const read = ["point read"] as const;

describe("the requests to the store", () => {
  let counted: readonly RoundTrips[];
  beforeAll(async () => {
    counted = await countRoundTrips();
  });

  it.each([
    ["ask", 200, [[read, read]]],
    ["use", 200, [[read, read], [["replace"]]]],
    ["generate", 200, [[["create", "create"]]]],
    ["regenerate", 200, [[read], [["replace"]]]],
    ["regenerate a first key", 200, [[read], [["create"]]]],
    ["list", 200, [[read]]],
    ["revoke", 204, [[read], [["replace"]]]],
    // The second call learns of the first by the conflict.
    ["generate while one is live", 409, [[["create", "create"]], [read], [read]]],
    ["generate after the use", 200, [[["create", "create"]], [read], [read], [["replace", "create"]]]],
    ["ask after the use", 404, [[read, read], [read], [read]]],
    ["ask of a code that does not exist", 404, [[read, read]]],
    // The key alone is looked up.
    ["ask with a test key", 200, [[read]]],
    ["use with a test key", 200, [[read]]],
  ])(
    "of %s are as few as possible, and wait for each other as little as possible",
    (operation, status, waves) => {
      expect(counted.find((each) => each.operation === operation)).toMatchObject({ status, waves });
    },
  );

  it("are those from which docs/capacity.md computes", () => {
    for (const [operation, waves] of Object.entries(requests)) {
      expect(counted.find((each) => each.operation === operation)).toMatchObject({ waves });
    }
  });

  it("concern items of up to 1 KB, for which docs/capacity.md knows the charges", async () => {
    const service = await startService();
    const longest = "a".repeat(64);
    const apiKey = await service.newApiKey(longest);
    await service.newApiKey(longest, "secondary", "0123456789abcdef");
    await service.newApiKey(longest, "test", "0123456789abcdef");
    const code = await service.newCode(undefined, { merchant_id: longest, discount_id: longest });
    await service.use(apiKey, code, "x".repeat(255));
    const items = [...(await readItems(service.otps)), ...(await readItems(service.apiKeys))];
    await service.stop();
    expect(items).toHaveLength(3);
    expect(Math.max(...items.map((item) => Buffer.byteLength(JSON.stringify(item))))).toBeLessThanOrEqual(
      1024,
    );
  });
});

describe("while the secret is replaced, the requests to the store", () => {
  let counted: readonly RoundTrips[];
  beforeAll(async () => {
    counted = await countRoundTripsWithSecondSecret();
  });

  const issue = [["create", "create"]];
  it.each([
    ["ask", 200, [[read, read]]],
    ["use", 200, [[read, read], [["replace"]]]],
    ["use the next", 200, [[read, read], [["replace"]]]],
    ["ask of a code that does not exist", 404, [[read, read], [read]]],
    ["ask under the second", 200, [[read, read], [read]]],
    ["use under the second", 200, [[read, read], [read], [["replace"]]]],
    ["ask after the use under the second", 404, [[read, read], [read], [read], [read]]],
    ["generate", 200, [[read], issue]],
    ["generate while one is live", 409, [[read], issue, [read], [read]]],
    ["generate after the use", 200, [[read], issue, [read], [read], [read], [["replace", "create"]]]],
    ["generate while one is live under the second", 409, [[read], [read]]],
  ])("of %s are as few as can be", (operation, status, waves) => {
    expect(counted.find((each) => each.operation === operation)).toMatchObject({ status, waves });
  });
});
