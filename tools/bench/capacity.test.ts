import { readFileSync } from "node:fs";
import {
  billFor,
  connectionsOf,
  costOfPurchase,
  drawPlacement,
  instanceOf,
  instancesFor,
  limitsOf,
  makeRandom,
  peaksOf,
  planFor,
  simulateHotMerchant,
  throughputFor,
  unitsOf,
} from "./capacity";
import type { Figures } from "./capacity";
import { assumed, explanations } from "./capacity-assumptions";
import { readFigures, writeCapacity } from "./capacity-page";
import { readMeasured } from "./tables";

const figures: Figures = {
  operations: {
    generate: { waves: [[["create", "create"]]], processorMs: 1 },
    ask: { waves: [[["point read"], ["point read"]]], processorMs: 1 },
    use: { waves: [[["point read"], ["point read"]], [["replace"]]], processorMs: 2 },
  },
  itemBytes: { slot: 400, OTP: 500, "used OTP": 600, "merchant's keys": 700 },
};

/** A purchase is each call once, and nothing is multiplied. */
const plain = {
  ...assumed,
  codesPerPurchase: 1,
  asksPerPurchase: 1,
  platformFactor: 1,
  processorUse: 1,
  throughputUse: 1,
};

describe("request units", () => {
  it("are those of each request, whatever is sent at the same time", () => {
    expect(Object.values(figures.operations).map(({ waves }) => unitsOf(waves, plain))).toEqual([11, 4, 15]);
  });

  it("of a purchase are divided between the containers: each validation reads the merchant's keys", () => {
    expect(costOfPurchase(figures, plain)).toEqual({
      calls: 3,
      otpUnits: 26,
      apiKeyUnits: 4,
      deletionUnits: 11,
      processorMs: 4,
      callMs: 20 + 20 + 30,
    });
  });

  it("of a purchase grow with the codes that are not used, and with the questions", () => {
    expect(costOfPurchase(figures, { ...plain, codesPerPurchase: 2 }).otpUnits).toBe(26 + 11);
    expect(costOfPurchase(figures, { ...plain, asksPerPurchase: 3 })).toMatchObject({
      otpUnits: 26 + 2 * 2,
      apiKeyUnits: 4 + 2 * 2,
    });
  });
});

describe("the busiest second", () => {
  it("is a part of a day, or of the first day", () => {
    const values = {
      ...plain,
      hoursPerMonth: 720,
      busiestHourShare: 0.1,
      burst: 2,
      firstDayShare: 0.5,
      firstHourShare: 0.2,
    };
    const peaks = peaksOf(1_080_000, values);
    expect(peaks.ordinary).toBeCloseTo(2);
    expect(peaks.firstDay).toBeCloseTo(60);
  });
});

describe("instances", () => {
  const cost = costOfPurchase(figures, plain);

  it("are needed for the processor, and for the calls at once", () => {
    expect(instancesFor(1000, cost, plain)).toEqual({ byProcessor: 4, byCalls: 5 });
    expect(instancesFor(0, cost, plain)).toEqual({ byProcessor: 0, byCalls: 0 });
  });

  it("are as good as the scarcer of the two", () => {
    expect(instanceOf(cost, plain).purchases).toBeCloseTo(16_000 / 70);
    expect(instanceOf(costOfPurchase(figures, { ...plain, platformFactor: 5 }), plain)).toEqual({
      purchases: 50,
      callsAtOnce: 3,
    });
  });

  it("hold no more connections than they may", () => {
    expect(connectionsOf(figures, plain)).toBe(32);
    expect(connectionsOf(figures, { ...plain, callsPerInstance: 90 })).toBe(100);
  });
});

describe("a plan", () => {
  it("sets throughput in whole thousands, and 1,000 at least", () => {
    expect([0, 1, 1000, 1001].map((units) => throughputFor(units, plain))).toEqual([1000, 1000, 1000, 2000]);
    expect(throughputFor(1000, { ...plain, throughputUse: 0.5 })).toBe(2000);
  });

  it("grows with the purchases, and never falls below what is always there", () => {
    const [small, large] = [1, 1e8].map((purchases) => planFor(purchases, figures, assumed));
    expect(small).toMatchObject({
      instances: 2,
      firstDayInstances: 2,
      throughput: { otps: 1000, apiKeys: 1000 },
    });
    expect(large?.throughput.otps).toBeGreaterThan(1000);
    expect(large?.firstDayThroughput.otps).toBeGreaterThan(large?.throughput.otps ?? 0);
  });

  it("stores what is not yet deleted", () => {
    const values = { ...plain, hoursPerMonth: 1, storedSeconds: 36 };
    expect(planFor(1e6, figures, values).storedGb).toBeCloseTo(((1e6 / 100) * 1000) / 1e9);
  });
});

describe("a bill", () => {
  const values = {
    ...plain,
    hoursPerMonth: 100,
    unitsPrice: 1,
    leastThroughput: 0.1,
    storagePrice: 1,
    memoryPrice: 0,
  };

  it("charges a tenth of the throughput when nobody calls, and each region", () => {
    const bill = billFor(planFor(0, figures, values), figures, values);
    expect(bill).toEqual({ throughput: 200, storage: 0, executions: 0, instances: 0 });
    const regions = { ...values, regions: 3 };
    expect(billFor(planFor(0, figures, regions), figures, regions).throughput).toBe(600);
  });

  it("charges what is used when that is more, and at most all", () => {
    const plan = planFor(1, figures, values);
    const charged = (averageUnits: number): number =>
      billFor({ ...plan, averageUnits }, figures, values).throughput;
    expect(charged(500)).toBeCloseTo((500 * values.burst * 100) / 100);
    expect(charged(1e9)).toBeCloseTo((2000 * 100) / 100);
  });

  it("charges each execution", () => {
    const priced = { ...values, executionsPrice: 2 };
    expect(billFor(planFor(1e6, figures, priced), figures, priced).executions).toBeCloseTo(6);
  });
});

describe("the limits", () => {
  it("come in the order in which a growing load meets them", () => {
    const limits = limitsOf(figures, plain);
    expect(limits.map(({ at }) => at)).toEqual(limits.map(({ at }) => at).toSorted((a, b) => a - b));
    const at = (text: string): number => limits.find(({ what }) => what.includes(text))?.at ?? NaN;
    expect(at("one physical partition")).toBeCloseTo(10_000 / 26);
    expect(at("36 logical partitions")).toBeCloseTo(360_000 / 26);
    expect(at("keys are one item")).toBeCloseTo(10_000 / 4);
    expect(at("1,000,000 RU/s")).toBeCloseTo(1e6 / 26);
  });

  it("name the calls at once at which the next instance is started before this one is full", () => {
    const turns = (factor: number): string =>
      limitsOf(figures, { ...plain, platformFactor: factor })
        .map(({ turn }) => turn)
        .join("\n");
    expect(turns(5)).toContain("from 16 to 3");
    expect(turns(1)).not.toContain("from 16");
  });
});

describe("a hot merchant", () => {
  it("is the same for the same seed, and another for another", () => {
    const draw = (seed: number): readonly number[] => Array.from({ length: 5 }, makeRandom(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1).every((number) => number >= 0 && number < 1)).toBe(true);
  });

  it("has each of its logical partitions somewhere, and evenly over many draws", () => {
    const random = makeRandom(1);
    expect(drawPlacement(36, 1, random)).toEqual([36]);
    expect(drawPlacement(36, 5, random).reduce((sum, count) => sum + count, 0)).toBe(36);
    // Of 36,000, each of 10 gets 3,600 or nearly so: 5 standard deviations are 285.
    const counts = drawPlacement(36_000, 10, random);
    expect(counts).toHaveLength(10);
    expect(counts.every((count) => Math.abs(count - 3600) < 285)).toBe(true);
  });

  it("on one physical partition gets what one serves, and the rest is refused", () => {
    const hot = simulateHotMerchant(1, 20, plain, 1);
    expect(hot.busiest).toEqual({ median: 36, unlucky: 36 });
    expect(hot.purchases).toEqual({ median: 500, unlucky: 500 });
    expect(hot.refused).toEqual([0, 0, 0.5, 0.75, 0.875]);
  });

  it("gets more on more of them, but less than in proportion, and never more than 36 of them serve", () => {
    const [ten, hundred, endless] = [10, 100, 1e9].map((partitions) =>
      simulateHotMerchant(partitions, 20, plain, 1),
    );
    expect(ten?.purchases.median).toBeGreaterThan(500);
    expect(ten?.purchases.median).toBeLessThan(5000);
    expect(hundred?.purchases.median).toBeGreaterThan(ten?.purchases.median ?? NaN);
    expect(endless?.purchases).toEqual({ median: 18_000, unlucky: 18_000 });
    expect(ten?.purchases.unlucky).toBeLessThanOrEqual(ten?.purchases.median ?? NaN);
  });
});

describe("docs/capacity.md", () => {
  const page = readFileSync("docs/capacity.md", "utf8");
  const measured = readMeasured(page);
  // Prettier aligns the tables.
  const normalize = (text: string): string => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---").trim();

  it("says what follows from its figures and from what is assumed: if not, npm run capacity writes it anew", () => {
    const [, machine = ""] = /^Measured on (.*)\.$/m.exec(measured) ?? [];
    expect(normalize(measured)).toBe(normalize(writeCapacity(readFigures(measured), assumed, machine)));
  });

  it("has only items of up to 1 KB, of which the charges are", () => {
    expect(Math.max(...Object.values(readFigures(measured).itemBytes))).toBeLessThanOrEqual(1024);
  });

  it("names parameters that the template has", () => {
    const names = new Set(page.match(/(?<=`)\w+(?:MaxThroughput|Instances)(?=`)/g));
    const template = readFileSync("infra/main.bicep", "utf8");
    expect(names.size).toBeGreaterThan(2);
    expect([...names].filter((name) => !template.includes(`param ${name} `))).toEqual([]);
  });

  it("explains all that is assumed", () => {
    expect(Object.keys(explanations).sort()).toEqual(Object.keys(assumed).sort());
    expect(Object.values(explanations).filter(({ meaning }) => !page.includes(meaning))).toEqual([]);
  });
});
