/** The arithmetic of `docs/capacity.md`: from figures and assumptions to request units, instances, money and limits. Pure. */
import type { Charge } from "./round-trips";
import type { Assumptions } from "./capacity-assumptions";

/** The calls of a purchase. */
export const purchaseOperations = ["generate", "ask", "use"] as const;
export type PurchaseOperation = (typeof purchaseOperations)[number];

/** Requests that are sent at the same time, wave after wave, each with its charges. */
export type Waves = readonly (readonly (readonly Charge[])[])[];

/** What `npm run capacity` measures. */
export interface Figures {
  readonly operations: Readonly<
    Record<PurchaseOperation, { readonly waves: Waves; readonly processorMs: number }>
  >;
  /** Bytes of each kind of item as the store holds it. */
  readonly itemBytes: Readonly<Record<ItemKind, number>>;
}

export const itemKinds = ["slot", "OTP", "used OTP", "merchant's keys"] as const;
export type ItemKind = (typeof itemKinds)[number];

export const purchasesPerMonth = [1e6, 10e6, 100e6] as const;

/** One request's part of a call, of an item of up to 1 KB. */
export const unitsOfCharge = (charge: Charge, values: Assumptions): number => {
  switch (charge) {
    case "point read":
      return values.readUnits;
    case "create":
      return values.createUnits;
    case "replace":
      return values.replaceUnits;
    case "other":
      return 0;
  }
};

/** Request units of a call. */
export const unitsOf = (waves: Waves, values: Assumptions): number =>
  waves.flat(2).reduce((sum, charge) => sum + unitsOfCharge(charge, values), 0);

/** What one purchase asks for, with the codes that are never used and the repeated questions. */
export interface PurchaseCost {
  readonly calls: number;
  /** In each container. */
  readonly otpUnits: number;
  readonly apiKeyUnits: number;
  /** What the store spends on deleting what it stored, when there is time. */
  readonly deletionUnits: number;
  readonly processorMs: number;
  readonly callMs: number;
}

export const costOfPurchase = ({ operations }: Figures, values: Assumptions): PurchaseCost => {
  const times: Readonly<Record<PurchaseOperation, number>> = {
    generate: values.codesPerPurchase,
    ask: values.asksPerPurchase,
    use: 1,
  };
  const sum = (of: (operation: PurchaseOperation) => number): number =>
    purchaseOperations.reduce((total, operation) => total + times[operation] * of(operation), 0);
  const all = sum((operation) => unitsOf(operations[operation].waves, values));
  // Each validation reads the merchant's keys.
  const keyRead = unitsOfCharge("point read", values);
  const apiKeyUnits = (times.ask + times.use) * keyRead;
  return {
    calls: sum(() => 1),
    otpUnits: all - apiKeyUnits,
    apiKeyUnits,
    deletionUnits: values.codesPerPurchase * 2 * values.deleteUnits,
    processorMs: sum((operation) => operations[operation].processorMs) * values.platformFactor,
    callMs: sum((operation) => values.platformMs + operations[operation].waves.length * values.waveMs),
  };
};

/** Purchases in the busiest second. */
export interface Peaks {
  readonly ordinary: number;
  readonly firstDay: number;
}

export const peaksOf = (purchases: number, values: Assumptions): Peaks => {
  const daysPerMonth = values.hoursPerMonth / 24;
  const busiestSecond = (day: number, hourShare: number): number => ((day * hourShare) / 3600) * values.burst;
  return {
    ordinary: busiestSecond(purchases / daysPerMonth, values.busiestHourShare),
    firstDay: busiestSecond(purchases * values.firstDayShare, values.firstHourShare),
  };
};

/** Instances for so many purchases a second: what the processors need, and what the calls at once need. */
export const instancesFor = (
  purchasesPerSecond: number,
  cost: PurchaseCost,
  values: Assumptions,
): { readonly byProcessor: number; readonly byCalls: number } => ({
  byProcessor: Math.ceil(
    (purchasesPerSecond * cost.processorMs) / 1000 / (values.processorsPerInstance * values.processorUse),
  ),
  byCalls: Math.ceil((purchasesPerSecond * cost.callMs) / 1000 / values.callsPerInstance),
});

/** What to set as the most throughput of a container, in RU/s: whole thousands. */
export const throughputFor = (unitsPerSecond: number, values: Assumptions): number =>
  Math.max(1000, Math.ceil(unitsPerSecond / values.throughputUse / 1000) * 1000);

export interface Plan {
  readonly purchases: number;
  readonly peaks: Peaks;
  /** RU/s, averaged over the month, with the store's deletions. */
  readonly averageUnits: number;
  /** In the busiest second, of both containers. */
  readonly peakUnits: number;
  readonly firstDayUnits: number;
  /** What to set, for an ordinary month, and for the first day. */
  readonly throughput: { readonly otps: number; readonly apiKeys: number };
  readonly firstDayThroughput: { readonly otps: number; readonly apiKeys: number };
  readonly instances: number;
  readonly firstDayInstances: number;
  readonly storedGb: number;
  readonly executions: number;
}

export const planFor = (purchases: number, figures: Figures, values: Assumptions): Plan => {
  const cost = costOfPurchase(figures, values);
  const peaks = peaksOf(purchases, values);
  const secondsPerMonth = values.hoursPerMonth * 3600;
  const units = cost.otpUnits + cost.apiKeyUnits;
  const throughputAt = (peak: number): Plan["throughput"] => ({
    otps: throughputFor(peak * cost.otpUnits, values),
    apiKeys: throughputFor(peak * cost.apiKeyUnits, values),
  });
  const instancesAt = (peak: number): number => {
    const { byProcessor, byCalls } = instancesFor(peak, cost, values);
    return Math.max(values.alwaysReadyInstances, byProcessor, byCalls);
  };
  const codes = purchases * values.codesPerPurchase;
  const bytesPerCode =
    figures.itemBytes.slot + Math.max(figures.itemBytes.OTP, figures.itemBytes["used OTP"]);
  return {
    purchases,
    peaks,
    averageUnits: (purchases * (units + cost.deletionUnits)) / secondsPerMonth,
    peakUnits: peaks.ordinary * units,
    firstDayUnits: peaks.firstDay * units,
    throughput: throughputAt(peaks.ordinary),
    firstDayThroughput: throughputAt(peaks.firstDay),
    instances: instancesAt(peaks.ordinary),
    firstDayInstances: instancesAt(peaks.firstDay),
    storedGb: ((codes / secondsPerMonth) * values.storedSeconds * bytesPerCode) / 1e9,
    executions: purchases * cost.calls,
  };
};

/** Dollars for an ordinary month. */
export interface Bill {
  readonly throughput: number;
  readonly storage: number;
  readonly executions: number;
  /** At most: as if every instance were charged on demand all the time. */
  readonly instances: number;
}

export const billFor = (plan: Plan, figures: Figures, values: Assumptions): Bill => {
  const cost = costOfPurchase(figures, values);
  const most = plan.throughput.otps + plan.throughput.apiKeys;
  // Autoscale charges an hour by its busiest second.
  const busyHour = plan.averageUnits * values.burst;
  const charged = Math.min(most, Math.max(most * values.leastThroughput, busyHour));
  const average = plan.purchases / (values.hoursPerMonth * 3600);
  const { byProcessor, byCalls } = instancesFor(average, cost, values);
  const running = Math.max(values.alwaysReadyInstances, byProcessor, byCalls);
  return {
    throughput: (charged / 100) * values.unitsPrice * values.hoursPerMonth * values.regions,
    storage: plan.storedGb * values.storagePrice * values.regions,
    executions: (plan.executions / 1e6) * values.executionsPrice,
    instances: running * values.memoryGb * values.hoursPerMonth * 3600 * values.memoryPrice,
  };
};

/** Where a growing load is stopped, and what moves that. */
export interface Limit {
  readonly what: string;
  /** Purchases a second. */
  readonly at: number;
  readonly turn: string;
}

/** What one instance can do, and at how many calls at once its processor is as busy as it may be. */
export const instanceOf = (
  cost: PurchaseCost,
  values: Assumptions,
): { readonly purchases: number; readonly callsAtOnce: number } => {
  const byProcessor = (1000 * values.processorsPerInstance * values.processorUse) / cost.processorMs;
  const byCalls = (1000 * values.callsPerInstance) / cost.callMs;
  return {
    purchases: Math.min(byProcessor, byCalls),
    callsAtOnce: Math.min(
      values.callsPerInstance,
      Math.max(1, Math.floor((byProcessor * cost.callMs) / 1000)),
    ),
  };
};

/** In the order in which a growing load meets them. */
export const limitsOf = (figures: Figures, values: Assumptions): readonly Limit[] => {
  const cost = costOfPurchase(figures, values);
  const { partitionUnitsPerSecond, containerUnitsPerSecond, merchantPartitions } = values;
  const { purchases, callsAtOnce } = instanceOf(cost, values);
  const ofInstances = (count: number): number => purchases * count;
  const limits: readonly Limit[] = [
    {
      what: "the least throughput of `otps`, 1,000 RU/s",
      at: 1000 / cost.otpUnits,
      turn: "its autoscale maximum, `otpsMaxThroughput`",
    },
    {
      what: "one merchant whose codes all lie on one physical partition",
      at: partitionUnitsPerSecond / cost.otpUnits,
      turn: "`otpsMaxThroughput`, above 10,000 RU/s, so that the store has more partitions: [a hot merchant](#a-hot-merchant)",
    },
    {
      what: "one merchant, whose keys are one item",
      at: partitionUnitsPerSecond / cost.apiKeyUnits,
      turn: "nothing: one item cannot be spread. Give the merchant a second merchant id",
    },
    {
      what: `one merchant, each of its ${merchantPartitions} logical partitions on a physical one of its own`,
      at: (partitionUnitsPerSecond * merchantPartitions) / cost.otpUnits,
      turn: "more characters of the code in the partition key: a change of [partitioning](decisions/0004-partitioning.md)",
    },
    {
      what:
        callsAtOnce < values.callsPerInstance
          ? "one instance, by its processor"
          : "one instance, by its calls at once",
      at: purchases,
      turn:
        callsAtOnce < values.callsPerInstance
          ? `the calls at once for which an instance is started (perInstanceConcurrency), from ${values.callsPerInstance} to ${callsAtOnce}, so that the next one is started before this one is full`
          : "nothing: the platform starts the next one",
    },
    {
      what: `${values.instancesUnlessSet} instances, the most of an app unless set`,
      at: ofInstances(values.instancesUnlessSet),
      turn: "`maximumInstances`",
    },
    {
      what: `${values.instancesPerSubscription} instances, the most of a subscription in a region`,
      at: ofInstances(values.instancesPerSubscription),
      turn: "a support request for more memory in the region",
    },
    {
      what: `${values.instancesPerApp.toLocaleString("en")} instances, the most of an app`,
      at: ofInstances(values.instancesPerApp),
      turn: "a second app, behind the same address",
    },
    {
      what: "1,000,000 RU/s of `otps`, all merchants alike",
      at: containerUnitsPerSecond / cost.otpUnits,
      turn: "a support request for more",
    },
  ];
  return limits.toSorted((a, b) => a.at - b.at);
};

/** Connections of an instance to the store when it has as many calls as it is meant to have. */
export const connectionsOf = ({ operations }: Figures, values: Assumptions): number =>
  Math.min(
    values.connectionsPerInstance,
    values.callsPerInstance *
      Math.max(...Object.values(operations).flatMap(({ waves }) => waves.map((wave) => wave.length))),
  );

/** Numbers from 0 up to 1, the same for the same seed: mulberry32, a public-domain generator of 32 bits. */
export const makeRandom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** How many of a merchant's logical partitions lie on each physical partition that has any, in one draw. */
export const drawPlacement = (logical: number, physical: number, random: () => number): readonly number[] => {
  const counts = new Map<number, number>();
  for (let each = 0; each < logical; each += 1) {
    const place = Math.floor(random() * physical);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts.values()];
};

export interface HotMerchant {
  readonly physicalPartitions: number;
  /** How many of the merchant's logical partitions lie on the busiest physical one: in half of the draws, and in all but one of 20. */
  readonly busiest: { readonly median: number; readonly unlucky: number };
  /** Purchases a second of this merchant alone, before the store refuses the first. */
  readonly purchases: { readonly median: number; readonly unlucky: number };
  /** Part of the requests refused at each demand, in purchases a second, averaged over the draws. */
  readonly refused: readonly number[];
}

export const hotMerchantDemands = [250, 500, 1000, 2000, 4000] as const;
export const hotMerchantPartitions = [1, 2, 5, 10, 20, 50, 100] as const;
const draws = 2000;

/**
 * One merchant has all the traffic. The store puts each of its logical partitions on a physical one by a hash, so some have
 * more of them than others, and each serves the same throughput.
 */
export const simulateHotMerchant = (
  physicalPartitions: number,
  otpUnits: number,
  values: Assumptions,
  seed: number,
): HotMerchant => {
  const random = makeRandom(seed);
  const { merchantPartitions, partitionUnitsPerSecond } = values;
  const placements = Array.from({ length: draws }, () =>
    drawPlacement(merchantPartitions, physicalPartitions, random),
  );
  const busiest = placements.map((counts) => Math.max(...counts)).sort((a, b) => a - b);
  const median = busiest[Math.floor(draws / 2)] ?? NaN;
  const unlucky = busiest[Math.floor(draws * 0.95)] ?? NaN;
  const purchasesAt = (count: number): number =>
    (partitionUnitsPerSecond * merchantPartitions) / count / otpUnits;
  const refusedAt = (demand: number): number => {
    const unitsOfOne = (demand * otpUnits) / merchantPartitions;
    const refused = placements.map((counts) =>
      counts.reduce((sum, count) => sum + Math.max(0, count * unitsOfOne - partitionUnitsPerSecond), 0),
    );
    return refused.reduce((sum, each) => sum + each, 0) / draws / (demand * otpUnits);
  };
  return {
    physicalPartitions,
    busiest: { median, unlucky },
    purchases: { median: purchasesAt(median), unlucky: purchasesAt(unlucky) },
    refused: hotMerchantDemands.map(refusedAt),
  };
};
