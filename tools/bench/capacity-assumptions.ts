/**
 * What `docs/capacity.md` takes for granted. Somebody who knows better changes a value here and runs `npm run capacity`.
 * Each has its source, or says that it is a guess.
 */

export const assumed = {
  codesPerPurchase: 1.5,
  asksPerPurchase: 1.5,
  busiestHourShare: 0.12,
  burst: 2,
  firstDayShare: 0.25,
  firstHourShare: 0.3,
  readUnits: 2,
  createUnits: 5.5,
  replaceUnits: 11,
  deleteUnits: 5.5,
  partitionUnitsPerSecond: 10_000,
  containerUnitsPerSecond: 1_000_000,
  throughputUse: 0.7,
  storedSeconds: 87_300,
  platformFactor: 3,
  processorUse: 0.6,
  processorsPerInstance: 1,
  callsPerInstance: 16,
  waveMs: 10,
  platformMs: 10,
  instancesUnlessSet: 100,
  instancesPerApp: 1000,
  instancesPerSubscription: 250,
  alwaysReadyInstances: 2,
  connectionsPerInstance: 100,
  portsPerInstance: 128,
  merchantPartitions: 36,
  regions: 1,
  unitsPrice: 0.012,
  leastThroughput: 0.1,
  storagePrice: 0.25,
  executionsPrice: 0.4,
  memoryPrice: 0.000_026,
  memoryGb: 2,
  hoursPerMonth: 730,
};

export type Assumptions = Readonly<typeof assumed>;

/** What a value means, and where it is from. */
export interface Explanation {
  readonly unit: string;
  readonly meaning: string;
  readonly source: string;
}

const guess = "a guess: count it once there is traffic";

const learn = (title: string, path: string): string =>
  `[${title}](https://learn.microsoft.com/azure/${path})`;

const costReadsWrites = learn("Optimize request cost", "cosmos-db/optimize-cost-reads-writes");
const storeLimits = learn("Azure Cosmos DB service quotas", "cosmos-db/concepts-limits");
const flexPlan = learn("Flex Consumption plan", "azure-functions/flex-consumption-plan");
const storeBill = `${learn("Understand your bill", "cosmos-db/understand-your-bill")}, its examples, of 31 March 2022`;
const functionsCosts = `${learn("Consumption-based costs", "azure-functions/functions-consumption-costs")}, its example, without a date`;

export const explanations: Readonly<Record<keyof Assumptions, Explanation>> = {
  codesPerPurchase: {
    unit: "",
    meaning: "codes generated for one that is used",
    source: guess,
  },
  asksPerPurchase: {
    unit: "",
    meaning: "times that shops ask about a code for one that is used",
    source: guess,
  },
  busiestHourShare: {
    unit: "",
    meaning: "part of a day's purchases in its busiest hour",
    source: guess,
  },
  burst: {
    unit: "",
    meaning: "the busiest second of an hour, over its average",
    source: guess,
  },
  firstDayShare: {
    unit: "",
    meaning: "part of a month's purchases on the first day of a new discount",
    source: guess,
  },
  firstHourShare: {
    unit: "",
    meaning: "part of that day's purchases in its busiest hour",
    source: guess,
  },
  readUnits: {
    unit: "RU",
    meaning: "a point read of up to 1 KB: 1, and twice that where reads are Strong or of bounded staleness",
    source: costReadsWrites,
  },
  createUnits: {
    unit: "RU",
    meaning: "an insertion of up to 1 KB without indexed properties",
    source: costReadsWrites,
  },
  replaceUnits: {
    unit: "RU",
    meaning: "a replacement of up to 1 KB: twice the insertion",
    source: costReadsWrites,
  },
  deleteUnits: {
    unit: "RU",
    meaning:
      "the store's own deletion of an item whose time is over, from what callers leave: as an insertion",
    source: `a guess; that it uses what is left: ${learn("Time to live", "cosmos-db/time-to-live")}`,
  },
  partitionUnitsPerSecond: {
    unit: "RU/s",
    meaning: "most throughput of a partition, logical or physical",
    source: storeLimits,
  },
  containerUnitsPerSecond: {
    unit: "RU/s",
    meaning: "most throughput of a container, until Microsoft raises it on request",
    source: storeLimits,
  },
  throughputUse: {
    unit: "",
    meaning: "part of the throughput that the busiest second may use: the rest is for merchants that differ",
    source: guess,
  },
  storedSeconds: {
    unit: "s",
    meaning: "how long an item is stored: lifetime, retention and 300 s",
    source: "[settings](settings.md)",
  },
  platformFactor: {
    unit: "",
    meaning:
      "processor time of a call on Azure over that measured here: the Functions host, its messages to the worker and TLS come on top",
    source: "a guess: measure a deployed instance under `npm run load`",
  },
  processorUse: {
    unit: "",
    meaning: "part of an instance's processor that may be used before calls wait for one another",
    source: guess,
  },
  processorsPerInstance: {
    unit: "",
    meaning:
      "processors of an instance of 2,048 MB. Node.js uses one for the calls, whatever the instance has",
    source: flexPlan,
  },
  callsPerInstance: {
    unit: "",
    meaning: "calls at once for which an instance of 2,048 MB is started, unless set",
    source: learn(
      "HTTP trigger concurrency",
      "azure-functions/functions-concurrency#http-trigger-concurrency",
    ),
  },
  waveMs: {
    unit: "ms",
    meaning: "time of a request to the store, or of several at the same time",
    source: guess,
  },
  platformMs: {
    unit: "ms",
    meaning: "time that the platform adds to a call",
    source: guess,
  },
  instancesUnlessSet: {
    unit: "",
    meaning: "most instances of an app, unless set",
    source: flexPlan,
  },
  instancesPerApp: {
    unit: "",
    meaning: "most instances of an app, at the most that can be set",
    source: flexPlan,
  },
  instancesPerSubscription: {
    unit: "",
    meaning:
      "most instances of 2,048 MB of a subscription in a region (512,000 MB), until Microsoft raises it on request",
    source: flexPlan,
  },
  alwaysReadyInstances: {
    unit: "",
    meaning: "instances that are kept ready, so that no call waits for a cold start",
    source: "a choice",
  },
  connectionsPerInstance: {
    unit: "",
    meaning: "connections that an instance opens to the store at most",
    source: "[HTTP client](decisions/0012-http-client.md)",
  },
  portsPerInstance: {
    unit: "",
    meaning: "SNAT ports of an instance for one address. Through a virtual network there is no such limit",
    source: learn(
      "Outbound connection errors",
      "app-service/troubleshoot-intermittent-outbound-connection-errors",
    ),
  },
  merchantPartitions: {
    unit: "",
    meaning: "logical partitions over which a merchant's codes are spread",
    source: "[partitioning](decisions/0004-partitioning.md)",
  },
  regions: {
    unit: "",
    meaning: "regions of the account. Each of them has the throughput and the data, and costs the same",
    source: "a choice",
  },
  unitsPrice: {
    unit: "$",
    meaning: "100 RU/s of autoscale throughput for an hour: 1.5 times the 0.008 of fixed throughput",
    source: `${storeBill}, and ${learn("Autoscale", "cosmos-db/autoscale-faq")}`,
  },
  leastThroughput: {
    unit: "",
    meaning: "part of the most throughput that autoscale charges in a quiet hour",
    source: learn("Autoscale", "cosmos-db/autoscale-faq"),
  },
  storagePrice: {
    unit: "$",
    meaning: "1 GB stored for a month",
    source: storeBill,
  },
  executionsPrice: {
    unit: "$",
    meaning: "a million executions of a function",
    source: functionsCosts,
  },
  memoryPrice: {
    unit: "$",
    meaning: "1 GB of an instance's memory for a second on demand. Instances that are always ready cost less",
    source: functionsCosts,
  },
  memoryGb: {
    unit: "GB",
    meaning: "memory that is charged for an instance of 2,048 MB",
    source: functionsCosts,
  },
  hoursPerMonth: {
    unit: "h",
    meaning: "hours of a month, of 30.4 days",
    source: "the calendar",
  },
};
