import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import {
  countRoundTrips,
  countRoundTripsWithSecondSecret,
  describeWaves,
  type RoundTrips,
  unitsOf,
} from "../../tools/bench/round-trips";
import { readItems, startBehindFaults, startService } from "../../tools/support/service";

const read = ["point read"] as const;
const create = ["create", "create"] as const;

let counted: readonly RoundTrips[];
let countedWithSecond: readonly RoundTrips[];
beforeAll(async () => {
  [counted, countedWithSecond] = await Promise.all([countRoundTrips(), countRoundTripsWithSecondSecret()]);
});

describe("the requests to the store", () => {
  it.each([
    ["ask", 200, [[read, read]]],
    ["use", 200, [[read, read], [["replace"]]]],
    ["generate", 200, [[create]]],
    ["regenerate", 200, [[read], [["replace"]]]],
    ["regenerate a first key", 200, [[read], [["create"]]]],
    ["list", 200, [[read]]],
    ["revoke", 204, [[read], [["replace"]]]],
    // The second call learns of the first by the conflict.
    ["generate while one is live", 409, [[create], [read], [read]]],
    ["generate after the use", 200, [[create], [read], [read], [["replace", "create"]]]],
    ["ask after the use", 404, [[read, read], [read], [read]]],
    ["ask of a code that does not exist", 404, [[read, read]]],
    // The key alone is looked up.
    ["ask with a test key", 200, [[read]]],
    ["use with a test key", 200, [[read]]],
  ])(
    "of %s are as few as possible, and wait for each other as little as possible",
    (operation, status, waves) => {
      expect(counted.find((each) => each.operation === operation)).toEqual({ operation, status, waves });
    },
  );

  it("are those from which docs/capacity.md computes", () => {
    const cells = readFileSync("docs/capacity.md", "utf8").replaceAll(/ +\| +/g, "|");
    for (const operation of ["generate", "ask", "use"]) {
      const waves = counted.find((each) => each.operation === operation)?.waves ?? [];
      expect(cells).toContain(`| ${operation}|${describeWaves(waves)}|${unitsOf(waves)}`);
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

it("an instance makes at most 100 requests at the same time, and answers the calls that wait", async () => {
  const service = await startService();
  const apiKey = await service.newApiKey();
  let open = 0;
  let mostOpen = 0;
  const { instance } = await startBehindFaults(service, 30_000, () => {
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    const answer = async (): Promise<void> => {
      await pause(500);
      open -= 1;
    };
    return { kind: "rival", run: answer };
  });
  const asked = await Promise.all(Array.from({ length: 120 }, () => instance.ask(apiKey, "AAAAAAAAAAA")));
  await service.stop();
  expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([404]));
  expect(mostOpen).toBeLessThanOrEqual(100);
});

describe("while the secret is replaced, the requests to the store", () => {
  it.each([
    ["ask", 200, [[read, read]]],
    ["use", 200, [[read, read], [["replace"]]]],
    ["ask of a code that does not exist", 404, [[read, read], [read]]],
    ["ask under the second", 200, [[read, read], [read]]],
    ["use under the second", 200, [[read, read], [read], [["replace"]]]],
    ["ask after the use under the second", 404, [[read, read], [read], [read], [read]]],
    ["generate", 200, [[read], [create]]],
    ["generate while one is live", 409, [[read], [create], [read], [read]]],
    ["generate after the use", 200, [[read], [create], [read], [read], [read], [["replace", "create"]]]],
    ["generate while one is live under the second", 409, [[read], [read]]],
  ])("of %s are as few as can be", (operation, status, waves) => {
    expect(countedWithSecond.find((each) => each.operation === operation)).toEqual({
      operation,
      status,
      waves,
    });
  });
});
