/** The measured part of `docs/capacity.md`: written from figures, and read again, so that a test can write it anew. */
import * as t from "io-ts";
import * as E from "fp-ts/Either";
import type { Charge } from "./round-trips";
import {
  billFor,
  connectionsOf,
  costOfPurchase,
  hotMerchantDemands,
  hotMerchantPartitions,
  instancesFor,
  limitsOf,
  planFor,
  purchasesPerMonth,
  simulateHotMerchant,
  unitsOf,
} from "./capacity";
import type { Figures, Plan, Waves } from "./capacity";
import { explanations } from "./capacity-assumptions";
import type { Assumptions } from "./capacity-assumptions";
import { describeWaves, table } from "./tables";

/** So that the simulation gives the same each time. */
const seed = 36;

/** Three figures of a number, and all of those of a large one. */
const format = (number: number): string =>
  number >= 100
    ? Math.round(number).toLocaleString("en")
    : String(Number(number.toPrecision(number >= 10 ? 3 : 2)));

const dollars = (number: number): string => (number < 1 ? "< 1" : Math.round(number).toLocaleString("en"));

const percent = (part: number): string =>
  part === 0 ? "none" : part < 0.001 ? "< 0.1 %" : `${(part * 100).toFixed(1)} %`;

const millions = (purchases: number): string => `${purchases / 1e6} million`;

const describeFigures = ({ operations, itemBytes }: Figures, assumed: Assumptions): string =>
  [
    table(
      ["call", "requests to the store", "request units", "processor time, ms"],
      Object.entries(operations).map(([operation, { waves, processorMs }]) => [
        operation,
        describeWaves(waves),
        format(unitsOf(waves, assumed)),
        processorMs.toFixed(2),
      ]),
    ),
    table(
      ["item", "bytes"],
      Object.entries(itemBytes).map(([item, bytes]) => [item, String(bytes)]),
    ),
  ].join("\n\n");

const describeAssumptions = (assumed: Assumptions): string =>
  table(
    ["assumed", "value", "from"],
    Object.entries(explanations).map(([name, { unit, meaning, source }]) => {
      const value = Object.entries(assumed).find(([each]) => each === name)?.[1] ?? NaN;
      return [
        meaning,
        (unit === "$" ? `$${String(value)}` : `${value.toLocaleString("en")} ${unit}`).trim(),
        source,
      ];
    }),
  );

const describePlans = (plans: readonly Plan[], figures: Figures, assumed: Assumptions): string => {
  const row = (name: string, of: (plan: Plan) => string): readonly string[] => [name, ...plans.map(of)];
  const bills = new Map(plans.map((plan) => [plan, billFor(plan, figures, assumed)]));
  const bill =
    (of: (bill: ReturnType<typeof billFor>) => number) =>
    (plan: Plan): string => {
      const made = bills.get(plan);
      return made === undefined ? "" : dollars(of(made));
    };
  return table(
    ["a month", ...plans.map(({ purchases }) => `${millions(purchases)} purchases`)],
    [
      row("**an ordinary month**", () => ""),
      row("purchases in the busiest second", ({ peaks }) => format(peaks.ordinary)),
      row("RU/s, average, with the store's deletions", ({ averageUnits }) => format(averageUnits)),
      row("RU/s in the busiest second", ({ peakUnits }) => format(peakUnits)),
      row("to set: autoscale maximum of `otps`, RU/s", ({ throughput }) => format(throughput.otps)),
      row("to set: autoscale maximum of `api-keys`, RU/s", ({ throughput }) => format(throughput.apiKeys)),
      row("instances in the busiest second", ({ instances }) => format(instances)),
      row("GB stored", ({ storedGb }) => format(storedGb)),
      row(
        "$ for throughput",
        bill(({ throughput }) => throughput),
      ),
      row(
        "$ for storage",
        bill(({ storage }) => storage),
      ),
      row(
        "$ for executions",
        bill(({ executions }) => executions),
      ),
      row(
        "$ for instances, at most",
        bill(({ instances }) => instances),
      ),
      row("**the first day of a new discount**", () => ""),
      row("purchases in the busiest second", ({ peaks }) => format(peaks.firstDay)),
      row("RU/s in the busiest second", ({ firstDayUnits }) => format(firstDayUnits)),
      row("to set: autoscale maximum of `otps`, RU/s", ({ firstDayThroughput }) =>
        format(firstDayThroughput.otps),
      ),
      row("to set: autoscale maximum of `api-keys`, RU/s", ({ firstDayThroughput }) =>
        format(firstDayThroughput.apiKeys),
      ),
      row("instances in the busiest second", ({ firstDayInstances }) => format(firstDayInstances)),
    ],
  );
};

const describeLimits = (figures: Figures, assumed: Assumptions): string =>
  table(
    ["what is full first", "at purchases a second", "what to turn then"],
    limitsOf(figures, assumed).map(({ what, at, turn }) => [what, format(at), turn]),
  );

const describeHotMerchant = (figures: Figures, assumed: Assumptions): string => {
  const { otpUnits } = costOfPurchase(figures, assumed);
  return table(
    [
      "physical partitions",
      "the busiest has, of 36",
      "purchases a second of the merchant",
      ...hotMerchantDemands.map((demand) => `refused at ${demand.toLocaleString("en")}`),
    ],
    hotMerchantPartitions.map((partitions) => {
      const { physicalPartitions, busiest, purchases, refused } = simulateHotMerchant(
        partitions,
        otpUnits,
        assumed,
        seed,
      );
      return [
        String(physicalPartitions),
        `${busiest.median} (${busiest.unlucky})`,
        `${format(purchases.median)} (${format(purchases.unlucky)})`,
        ...refused.map(percent),
      ];
    }),
  );
};

/** @param machine what the figures were measured on. */
export const writeCapacity = (figures: Figures, assumed: Assumptions, machine: string): string => {
  const cost = costOfPurchase(figures, assumed);
  const plans = purchasesPerMonth.map((purchases) => planFor(purchases, figures, assumed));
  const { byProcessor, byCalls } = instancesFor(1000, cost, assumed);
  const connections = connectionsOf(figures, assumed);
  return [
    `Measured on ${machine}.`,
    "## What a call costs",
    describeFigures(figures, assumed),
    `So a purchase, with the codes that are not used and the repeated questions, is ${format(cost.calls)} calls: ${format(cost.otpUnits)} RU of \`otps\`, ` +
      `${format(cost.apiKeyUnits)} RU of \`api-keys\`, ${format(cost.processorMs)} ms of an instance's processor and ${format(cost.callMs)} ms in which a call is under way. ` +
      `The store spends ${format(cost.deletionUnits)} RU more on it a day later, when nobody else wants them.`,
    "## What it takes",
    describePlans(plans, figures, assumed),
    `1,000 purchases a second need ${format(byProcessor)} instances for their processor, and ${format(byCalls)} for ${format(assumed.callsPerInstance)} calls at once in each. ` +
      "The platform counts the calls at once only, and not how busy the processor is.",
    "## Where the first limit is",
    describeLimits(figures, assumed),
    `An instance's ports are no limit: its ${format(assumed.callsPerInstance)} calls at once need at most ${format(connections)} connections to the store. ` +
      `It opens ${format(assumed.connectionsPerInstance)} at most, and has ${format(assumed.portsPerInstance)} ports.`,
    "## A hot merchant",
    describeHotMerchant(figures, assumed),
    "## What is assumed",
    describeAssumptions(assumed),
  ].join("\n\n");
};

const charges: Readonly<Record<string, Charge>> = {
  "point read": "point read",
  create: "create",
  replace: "replace",
};

const parseWaves = (text: string): Waves =>
  text
    .split(" → ")
    .map((wave) =>
      wave.split(" ‖ ").map((request) => request.split(" + ").map((charge) => charges[charge] ?? "other")),
    );

/** The cells of the first row that begins with this one. */
const rowOf = (page: string, first: string): readonly string[] => {
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const found = rows.find(([cell]) => cell === first);
  if (found === undefined) {
    throw new Error(`docs/capacity.md has no row "${first}"`);
  }
  return found;
};

const NumberFromText = new t.Type<number, string>(
  "NumberFromText",
  t.number.is,
  (input, context) =>
    typeof input === "string" && /^\d+(\.\d+)?$/.test(input)
      ? t.success(Number(input))
      : t.failure(input, context),
  String,
);

const numberIn = (cell: string | undefined): number => {
  const number = NumberFromText.decode(cell);
  if (E.isLeft(number)) {
    throw new Error("docs/capacity.md has a measured figure that is no number");
  }
  return number.right;
};

/** What the page says was measured. */
export const readFigures = (page: string): Figures => {
  const operation = (name: string): Figures["operations"]["ask"] => {
    const [, waves = "", , processorMs] = rowOf(page, name);
    return { waves: parseWaves(waves), processorMs: numberIn(processorMs) };
  };
  const bytes = (name: string): number => numberIn(rowOf(page, name)[1]);
  return {
    operations: { generate: operation("generate"), ask: operation("ask"), use: operation("use") },
    itemBytes: {
      slot: bytes("slot"),
      OTP: bytes("OTP"),
      "used OTP": bytes("used OTP"),
      "merchant's keys": bytes("merchant's keys"),
    },
  };
};
