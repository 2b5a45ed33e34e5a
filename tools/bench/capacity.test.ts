import { readFileSync } from "node:fs";
import {
  assumed,
  billFor,
  busiestOf,
  costOfPurchase,
  limitsOf,
  logsFor,
  needAt,
  writeCapacity,
  type Values,
} from "./capacity";
import { measureLines } from "./log-lines";
import { readMeasured } from "./tables";

/** One code and one question for each purchase, and whole numbers. */
const plain: Values = {
  ...assumed,
  ...{ codes: 1, asks: 1, readUnits: 2, createUnits: 5, replaceUnits: 10, deleteUnits: 5, usable: 1 },
  ...{ processorMs: 1, instanceMs: 300, callMs: 20, callsAtOnce: 16, ready: 2, hourPeak: 2, peak: 1 },
};

describe("the costs of a purchase", () => {
  it("are those of its calls", () => {
    expect(costOfPurchase(plain)).toEqual({
      ...{ calls: 3, otpUnits: 10 + 2 + 12, keyUnits: 4, deletionUnits: 10, processorMs: 3, callMs: 60 },
    });
  });

  it("grow with the codes that are not used, and with the questions", () => {
    expect(costOfPurchase({ ...plain, codes: 2 }).otpUnits).toBe(24 + 10);
    expect(costOfPurchase({ ...plain, asks: 3 })).toMatchObject({ otpUnits: 24 + 4, keyUnits: 4 + 4 });
  });
});

describe("what a second needs", () => {
  it("is never less than what is always there", () => {
    expect(needAt(0, plain)).toEqual({ units: 0, otps: 1000, apiKeys: 1000, instances: 2 });
  });

  it("is throughput in whole thousands, with what must stay free, and instances for the scarcer of processor and calls", () => {
    expect(needAt(1000, plain)).toEqual({ units: 28_000, otps: 24_000, apiKeys: 4000, instances: 10 });
    expect(needAt(1000, { ...plain, usable: 0.5 }).otps).toBe(48_000);
    expect(needAt(1000, { ...plain, callMs: 200 }).instances).toBe(38);
  });
});

describe("a bill", () => {
  const priced = { ...plain, unitsPrice: 1, executionsPrice: 2, instancePrice: 1 };

  it("charges a tenth of the throughput when nobody calls, the double average when that is more, and at most all", () => {
    const throughputFor = (purchases: number, values: Values): number => billFor(purchases, values)[0] / 730;
    expect(throughputFor(0, priced)).toBeCloseTo(2);
    const perSecond = 730 * 3600;
    expect(throughputFor(10 * perSecond, { ...priced, peak: 10 })).toBeCloseTo((10 * 38 * 2) / 100);
    expect(throughputFor(perSecond, { ...priced, hourPeak: 1000 })).toBeCloseTo(20);
  });

  it("charges each execution, and each instance", () => {
    const [, executions, instances] = billFor(1e6, priced);
    expect(executions).toBeCloseTo(6);
    expect(instances).toBeCloseTo(2 * 730 * 3600);
  });
});

it("the logs of a month grow with the calls and their requests, and are a line for each call by default", () => {
  const values = { ...plain, columnBytes: 1000, platformBytes: 2000, storeBytes: 3000 };
  const [lines, platform, store] = logsFor(1e6, values);
  // Three calls, and seven requests.
  expect(platform).toBeCloseTo(6);
  expect(store).toBeCloseTo(21);
  const { generate, ask, use } = measureLines();
  expect(lines).toBeCloseTo(3 + (generate + ask + use) / 1000);
  expect([generate, ask, use].every((bytes) => bytes > 200 && bytes < 600)).toBe(true);
});

it("the limits come in the order in which a growing load meets them, with what to turn", () => {
  const limits = limitsOf(plain);
  expect(limits.map(({ at }) => at)).toEqual(limits.map(({ at }) => at).toSorted((a, b) => a - b));
  const at = (text: string): number => limits.find(({ what }) => what.includes(text))?.at ?? NaN;
  expect(at("one physical partition")).toBeCloseTo(10_000 / 24);
  expect(at("16 partitions")).toBeCloseTo(160_000 / 24);
  expect(at("one item")).toBeCloseTo(10_000 / 4);
  expect(at("one instance")).toBeCloseTo(100);
  const turnOf = (values: Values): string | undefined =>
    limitsOf(values).find(({ what }) => what === "one instance")?.turn;
  expect(turnOf(plain)).toContain("from 16 to 6");
  expect(turnOf({ ...plain, callMs: 200 })).toContain("nothing");
});

describe("the busiest physical partition", () => {
  it("has all where there is one, and half of two on two in half of the cases", () => {
    expect(busiestOf(16, 1, 0.95)).toBe(16);
    expect([0.5, 0.51].map((part) => busiestOf(2, 2, part))).toEqual([1, 2]);
  });

  it("has what counting every placement says", () => {
    // Four on three places.
    const counts = [0, 0, 0, 0, 0];
    for (let placement = 0; placement < 81; placement += 1) {
      const places = [0, 1, 2, 3].map((digit) => Math.floor(placement / 3 ** digit) % 3);
      const most = Math.max(...[0, 1, 2].map((place) => places.filter((each) => each === place).length));
      counts[most] = (counts[most] ?? 0) + 1;
    }
    let until = 0;
    for (const [most, count] of counts.entries()) {
      if (count > 0) {
        expect(busiestOf(4, 3, (until + 0.5) / 81)).toBe(most);
        until += count;
        expect(busiestOf(4, 3, (until - 0.5) / 81)).toBe(most);
      }
    }
  });
});

describe("docs/capacity.md", () => {
  const page = readFileSync("docs/capacity.md", "utf8");
  // Prettier aligns the tables.
  const normalize = (text: string): string => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---").trim();

  it("says what follows from what is assumed: if not, npm run capacity writes it anew", () => {
    expect(normalize(readMeasured(page))).toBe(normalize(writeCapacity(assumed)));
  });

  it("counts on the processor time that docs/benchmarks.md measured, within what a busy machine adds", () => {
    const benchmarks = readFileSync("docs/benchmarks.md", "utf8");
    const measured = benchmarks.matchAll(/^\| (?:generate|ask|use) +\| ([\d.]+) ms/gm);
    const times = [...measured].map(([, ms]) => Number(ms));
    expect(times).toHaveLength(3);
    const average = times.reduce((sum, ms) => sum + ms, 0) / 3;
    expect(average).toBeGreaterThan(assumed.processorMs / 2);
    expect(average).toBeLessThan(assumed.processorMs * 2);
  });

  it("names parameters that the template has", () => {
    const names = new Set(page.match(/(?<=`)\w+(?:MaxThroughput|Instances)(?=`)/g));
    const template = readFileSync("infra/main.bicep", "utf8");
    expect(names.size).toBeGreaterThan(2);
    expect([...names].filter((name) => !template.includes(`param ${name} `))).toEqual([]);
  });
});
