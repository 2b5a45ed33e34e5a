/** The tables of `docs/capacity.md`, computed from the values below. `npm run capacity` writes them there. */
import { measureLines } from "./log-lines";
import { describeWaves, table, type Waves } from "./tables";

/** Somebody who knows better changes a value here. */
export const assumed = {
  codes: 1.5,
  asks: 1.5,
  peak: 6,
  firstDayPeak: 110,
  readUnits: 2,
  createUnits: 5.5,
  replaceUnits: 11,
  deleteUnits: 5.5,
  partitionUnits: 10_000,
  containerUnits: 1_000_000,
  usable: 0.7,
  merchantPartitions: 16,
  processorMs: 0.5,
  instanceMs: 200,
  callMs: 25,
  callsAtOnce: 16,
  ready: 2,
  appInstances: 100,
  regionInstances: 250,
  hourPeak: 2,
  unitsPrice: 0.012,
  executionsPrice: 0.4,
  instancePrice: 0.000_052,
  columnBytes: 400,
  platformBytes: 525,
  storeBytes: 650,
  logPrice: 2.3,
};

export type Values = Readonly<typeof assumed>;

const learn = (title: string, path: string): string =>
  `[${title}](https://learn.microsoft.com/azure/${path})`;
const guess = "a guess";
const charges = learn("Request cost", "cosmos-db/optimize-cost-reads-writes");
const quotas = learn("Service quotas", "cosmos-db/concepts-limits");
const flex = learn("Flex Consumption", "azure-functions/flex-consumption-plan");
const atOnce = learn("HTTP concurrency", "azure-functions/functions-concurrency#http-trigger-concurrency");
const storeBill = learn("Understand your bill", "cosmos-db/understand-your-bill");
const functionsBill = learn("Consumption costs", "azure-functions/functions-consumption-costs");

const monitorPrices = "[Azure Monitor](https://azure.microsoft.com/pricing/details/monitor/)";

/** What each value means, and where it is from. */
const explanations: Readonly<Record<keyof Values, readonly [meaning: string, source: string]>> = {
  codes: ["codes generated for one that is used", guess],
  asks: ["questions about a code for one that is used", guess],
  peak: ["the busiest second of an ordinary month over its average", guess],
  firstDayPeak: ["the same, with a quarter of the month on the first day of a new discount", guess],
  readUnits: ["RU of a point read: 1, and twice that where reads are Strong", charges],
  createUnits: ["RU of an insertion", charges],
  replaceUnits: ["RU of a replacement", charges],
  deleteUnits: ["RU of the store's own deletion of an old item, from what calls leave", guess],
  partitionUnits: ["RU/s of a partition, logical or physical, at most", quotas],
  containerUnits: ["RU/s of a container at most, until Microsoft raises it", quotas],
  usable: ["part of the throughput for the busiest second: merchants differ", guess],
  merchantPartitions: [
    "logical partitions of a merchant's codes",
    "[partitioning](decisions/0004-partitioning.md)",
  ],
  processorMs: [
    "ms of processor of a call, on a machine with nothing else to do",
    "[benchmarks](benchmarks.md)",
  ],
  instanceMs: ["of these ms, how many an instance has in a second, beside the host and TLS", guess],
  callMs: ["ms in which a call is under way", guess],
  callsAtOnce: ["calls at once for which an instance is started, unless set", atOnce],
  ready: ["instances that are always ready", "a choice"],
  appInstances: ["instances of an app at most, unless set (1,000 at most)", flex],
  regionInstances: ["instances of a subscription in a region at most, until Microsoft raises it", flex],
  hourPeak: ["the busiest second of an hour, for which the store charges, over its average", guess],
  unitsPrice: ["$ for 100 RU/s of autoscale throughput for an hour, in each region", storeBill],
  executionsPrice: ["$ for a million executions", functionsBill],
  columnBytes: ["bytes of the other columns of a line in `AppTraces`", guess],
  platformBytes: ["bytes of the same line in `FunctionAppLogs`, with `logsPlatform`", guess],
  storeBytes: ["bytes of a request in the store's log, with `logsStoreRequests`", guess],
  logPrice: ["$ for a gigabyte of logs, kept for 31 days", monitorPrices],
  instancePrice: ["$ for an instance of 2 GB for a second, on demand", functionsBill],
};

/** What the calls of a purchase send to the store. `tests/guarantees/round-trips.test.ts` counts it. */
export const requests = {
  generate: [[["create", "create"]]],
  ask: [[["point read"], ["point read"]]],
  use: [[["point read"], ["point read"]], [["replace"]]],
} satisfies Readonly<Record<string, Waves>>;

export const unitsOf = (waves: Waves, values: Values): number => {
  const { readUnits, createUnits, replaceUnits } = values;
  const units = { "point read": readUnits, create: createUnits, replace: replaceUnits, other: 0 };
  return waves.flat(2).reduce((sum, charge) => sum + units[charge], 0);
};

/** What one purchase asks for, with the codes that are never used and the repeated questions. */
type Purchase = Readonly<
  Record<"calls" | "otpUnits" | "keyUnits" | "deletionUnits" | "processorMs" | "callMs", number>
>;

export const costOfPurchase = (values: Values): Purchase => {
  const { codes, asks, readUnits, deleteUnits, processorMs, callMs } = values;
  const units = (name: keyof typeof requests): number => unitsOf(requests[name], values);
  const all = codes * units("generate") + asks * units("ask") + units("use");
  // Each validation reads the merchant's keys.
  const keyUnits = (asks + 1) * readUnits;
  const calls = codes + asks + 1;
  return {
    ...{ calls, otpUnits: all - keyUnits, keyUnits },
    // A code is two items.
    deletionUnits: codes * 2 * deleteUnits,
    ...{ processorMs: calls * processorMs, callMs: calls * callMs },
  };
};

/** What so many purchases in a second need. */
type Need = Readonly<Record<"units" | "otps" | "apiKeys" | "instances", number>>;

export const needAt = (purchases: number, values: Values): Need => {
  const { otpUnits, keyUnits, processorMs, callMs } = costOfPurchase(values);
  /** The autoscale maximum to set: whole thousands. */
  const maximum = (units: number): number => Math.max(1000, Math.ceil(units / values.usable / 1000) * 1000);
  return {
    units: purchases * (otpUnits + keyUnits),
    otps: maximum(purchases * otpUnits),
    apiKeys: maximum(purchases * keyUnits),
    instances: Math.max(
      values.ready,
      Math.ceil((purchases * processorMs) / values.instanceMs),
      Math.ceil((purchases * callMs) / 1000 / values.callsAtOnce),
    ),
  };
};

const hoursPerMonth = 730;
const secondsPerMonth = hoursPerMonth * 3600;

/** Dollars for an ordinary month in one region: throughput, executions, and instances at most. */
export const billFor = (purchasesPerMonth: number, values: Values): readonly [number, number, number] => {
  const { calls, otpUnits, keyUnits, deletionUnits } = costOfPurchase(values);
  const average = purchasesPerMonth / secondsPerMonth;
  const { otps, apiKeys } = needAt(average * values.peak, values);
  const most = otps + apiKeys;
  const used = average * (otpUnits + keyUnits + deletionUnits) * values.hourPeak;
  const charged = Math.min(most, Math.max(most / 10, used));
  return [
    (charged / 100) * values.unitsPrice * hoursPerMonth,
    ((purchasesPerMonth * calls) / 1e6) * values.executionsPrice,
    needAt(average, values).instances * secondsPerMonth * values.instancePrice,
  ];
};

/** Gigabytes of logs in a month: the service's lines, those of the platform, and the store's requests. */
export const logsFor = (purchasesPerMonth: number, values: Values): readonly [number, number, number] => {
  const { codes, asks, columnBytes, platformBytes, storeBytes } = values;
  const { generate, ask, use } = measureLines();
  const { calls } = costOfPurchase(values);
  const count = (name: keyof typeof requests): number => requests[name].flat(2).length;
  const lines = codes * generate + asks * ask + use + calls * columnBytes;
  const stored = codes * count("generate") + asks * count("ask") + count("use");
  const gigabytes = (bytes: number): number => (bytes * purchasesPerMonth) / 1e9;
  return [gigabytes(lines), gigabytes(calls * platformBytes), gigabytes(stored * storeBytes)];
};

/** In the order in which a growing load meets them; `at` so many purchases a second. */
export const limitsOf = (
  values: Values,
): readonly { readonly what: string; readonly at: number; readonly turn: string }[] => {
  const { otpUnits, keyUnits, processorMs, callMs } = costOfPurchase(values);
  const { partitionUnits, containerUnits, merchantPartitions, callsAtOnce } = values;
  const instance = Math.min(values.instanceMs / processorMs, (1000 * callsAtOnce) / callMs);
  // Calls at once at which its processor is as busy as it may be.
  const full = Math.max(1, Math.floor((instance * callMs) / 1000));
  const rows: readonly (readonly [number, string, string])[] = [
    [1000 / otpUnits, "`otps` at its least maximum, 1,000 RU/s", "`otpsMaxThroughput`"],
    [
      instance,
      "one instance",
      full < callsAtOnce
        ? `\`perInstanceConcurrency\`, from ${callsAtOnce} to ${full}: the platform then starts the next one before this one is full`
        : "nothing: the platform starts the next one",
    ],
    [
      partitionUnits / otpUnits,
      "one merchant, all on one physical partition",
      "`otpsMaxThroughput` above 10,000: [a hot merchant](#a-hot-merchant)",
    ],
    [partitionUnits / keyUnits, "one merchant's keys, which are one item", "a second merchant id"],
    [instance * values.appInstances, `${values.appInstances} instances of the app`, "`maximumInstances`"],
    [
      (partitionUnits * merchantPartitions) / otpUnits,
      `one merchant, each of its ${merchantPartitions} partitions alone`,
      "[partitioning](decisions/0004-partitioning.md)",
    ],
    [
      instance * values.regionInstances,
      `${values.regionInstances} instances in the region`,
      "a support request",
    ],
    [containerUnits / otpUnits, "1,000,000 RU/s of `otps`, all merchants alike", "a support request"],
  ];
  return rows.map(([at, what, turn]) => ({ at, what, turn })).toSorted((a, b) => a.at - b.at);
};

/**
 * How many of a merchant's logical partitions lie on the physical one that has most of them, if a hash places each: the least
 * number that is not exceeded with this probability.
 */
export const busiestOf = (logical: number, physical: number, probability: number): number => {
  for (let most = Math.ceil(logical / physical); ; most += 1) {
    // For each number of partitions, the probability that so many of the places, one after another, have `most` or fewer each.
    let fits: readonly number[] = Array.from({ length: logical + 1 }, (_, count) => (count <= most ? 1 : 0));
    for (let places = 2; places <= physical; places += 1) {
      const before = fits;
      fits = before.map((_, count) => {
        // Binomial: how many of them are at this one of the places.
        let here = (1 - 1 / places) ** count;
        let sum = 0;
        for (let index = 0; index <= Math.min(most, count); index += 1) {
          sum += here * (before[count - index] ?? 0);
          here *= (count - index) / (index + 1) / (places - 1);
        }
        return sum;
      });
    }
    if ((fits[logical] ?? 1) >= probability) {
      return most;
    }
  }
};

/** Three figures of a number, and all of those of a large one. */
const format = (number: number): string =>
  number >= 100 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(3)));

const describeNeeds = (values: Values): string => {
  const months = [1e6, 10e6, 100e6];
  const row = (name: string, of: (purchases: number) => number) => [
    name,
    ...months.map((purchases) => format(of(purchases))),
  ];
  const rows = (peak: number) => {
    const at = (purchases: number): number => (purchases / secondsPerMonth) * peak;
    const need = (name: string, of: keyof Need) =>
      row(name, (purchases) => needAt(at(purchases), values)[of]);
    return [
      row("purchases in the busiest second", at),
      need("RU/s then", "units"),
      need("autoscale maximum of `otps`", "otps"),
      need("autoscale maximum of `api-keys`", "apiKeys"),
      need("instances", "instances"),
    ];
  };
  const bill = ["throughput", "executions", "instances, at most"].map((of, index) =>
    row(`$ for ${of}`, (purchases) => Math.round(billFor(purchases, values)[index] ?? NaN)),
  );
  const logs = ["GB of logs", "more with `logsPlatform`", "more with `logsStoreRequests`"].map((of, index) =>
    row(of, (purchases) => logsFor(purchases, values)[index] ?? NaN),
  );
  const logBill = row("$ for logs", (purchases) =>
    Math.round(logsFor(purchases, values)[0] * values.logPrice),
  );
  return table(
    ["purchases a month", ...months.map((purchases) => `${purchases / 1e6} million`)],
    [
      ["**an ordinary month**", "", "", ""],
      ...rows(values.peak),
      ...bill,
      ...logs,
      logBill,
      ["**the first day of a new discount**", "", "", ""],
      ...rows(values.firstDayPeak),
    ],
  );
};

const describeHotMerchant = (values: Values): string => {
  const { merchantPartitions, partitionUnits } = values;
  const purchasesAt = (busiest: number): string =>
    format((partitionUnits * merchantPartitions) / busiest / costOfPurchase(values).otpUnits);
  return table(
    ["physical partitions", `the busiest has, of ${merchantPartitions}`, "the merchant's purchases a second"],
    [1, 2, 5, 10, 20, 50, 100].map((physical) => {
      const busiest = [0.5, 0.95].map((part) => busiestOf(merchantPartitions, physical, part));
      const pairs = [busiest.map(String), busiest.map(purchasesAt)];
      return [String(physical), ...pairs.map((pair) => `${pair.join(" (")})`)];
    }),
  );
};

const describeLines = (): string => {
  const { generate, ask, use } = measureLines();
  return `A call leaves one line in the log: ${generate} bytes for generate, ${ask} for ask, ${use} for use, with names of 26 characters and a trace.`;
};

export const writeCapacity = (values: Values): string => {
  const purchase = costOfPurchase(values);
  return [
    table(
      ["call", "requests to the store", "RU"],
      Object.entries(requests).map(([name, waves]) => [
        name,
        describeWaves(waves),
        format(unitsOf(waves, values)),
      ]),
    ),
    `A purchase is ${format(purchase.calls)} calls: ${format(purchase.otpUnits)} RU of \`otps\`, ${format(purchase.keyUnits)} RU of \`api-keys\`, ` +
      `${format(purchase.processorMs)} ms of processor and ${format(purchase.callMs)} ms of a call under way; and a day later ${format(purchase.deletionUnits)} RU for deletions.`,
    describeLines(),
    "## What it takes",
    describeNeeds(values),
    "## Which limit is met first",
    table(
      ["what is full", "at purchases a second", "what to turn then"],
      limitsOf(values).map(({ what, at, turn }) => [what, format(at), turn]),
    ),
    "## A hot merchant",
    describeHotMerchant(values),
    "## What is assumed",
    table(
      ["value", "what it is", "from"],
      Object.entries(assumed).map(([name, value]) => {
        const found = Object.entries(explanations).find(([each]) => each === name);
        return [value.toLocaleString("en", { maximumFractionDigits: 6 }), ...(found?.[1] ?? [])];
      }),
    ),
  ].join("\n\n");
};
