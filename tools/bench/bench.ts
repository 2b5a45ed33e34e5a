/** `npm run bench`: measures what the service costs, in about two minutes, and writes it into `docs/benchmarks.md`. */
import { cpus } from "node:os";
import { readCommandLine } from "../../local/command-line.mjs";
import { callLoopbackDirectly } from "../../local/direct-calls.mjs";
import { dependencies, devDependencies } from "../../package.json";
import { startProgram } from "../support/processes";
import { measureColdStart } from "./cold-start";
import { makeOperations, subjects, type Operations } from "./operations";
import { floodPerSecond, runFlood } from "./flood";
import { profile, profiledParts, type Profile } from "./profile";
import { countRoundTrips, describeWaves, unitsOf } from "./round-trips";
import { formatSpread, interleave, ratioOf, spreadOf } from "./statistics";
import { table, writeMeasured } from "./tables";

const coldStart = async (
  { apiKey, code }: Operations,
  settings: Readonly<Record<string, string>>,
): Promise<string> => {
  const { load, loadWithCompileCache, firstAnswer } = await measureColdStart(
    {
      ...{ method: "POST", url: "http://localhost/api/v1/merchant/cgn/otp/validate" },
      headers: { "content-type": "application/json", "ocp-apim-subscription-key": apiKey },
      body: JSON.stringify({ otp_code: code, invalidate_otp: false }),
    },
    settings,
  );
  return table(
    ["measured", "ratio", "bar"],
    [
      ["load, over a bare Node.js", formatSpread(load), "≤ 2.5"],
      ["— with `NODE_COMPILE_CACHE`, once it is filled", formatSpread(loadWithCompileCache), ""],
      ["first answer, over an empty app's, on the tests' stand-in", formatSpread(firstAnswer), ""],
    ],
  );
};

const totalOf = (spent: Profile): number => [...spent.values()].reduce((sum, time) => sum + time, 0);

/** In shares of the processor time of the two reads, which are the least that an ask needs. */
const processor = async (operations: Operations): Promise<string> => {
  // In a shorter round chance decides whose garbage is collected.
  const [asks = [], reads = []] = await interleave(11, [
    async () => profile(await operations.prepare("ask", 4000, 50)),
    async () => profile(await operations.prepare("bare reads", 4000, 50)),
  ]);
  const share = (spent: readonly Profile[], part: string): string =>
    spreadOf(
      spent.map((each, round) => (each.get(part) ?? 0) / totalOf(reads[round] ?? each)),
    ).median.toFixed(2);
  const all = ratioOf(asks.map(totalOf), reads.map(totalOf));
  return table(
    ["spent in", "an ask", "its two reads by the SDK alone"],
    [
      ...profiledParts.map((part) => [part, share(asks, part), share(reads, part)]),
      ["all (bar: ≤ 1.6)", formatSpread(all), "1"],
    ],
  );
};

const processorTimes = async (operations: Operations): Promise<string> => {
  const names = ["generate", "ask", "use"] as const;
  const measured = await interleave(
    9,
    names.map((name) => async () => (await operations.prepare(name, 300, 16))()),
  );
  return table(
    ["call", "processor time"],
    names.map((name, index) => [name, `${spreadOf(measured[index] ?? []).median.toFixed(2)} ms`]),
  );
};

/** How much longer a merchant waits, and how much more the store does, while somebody makes up API keys. */
const madeUpKeys = async (operations: Operations): Promise<string> => {
  const [alone = [], flooded = []] = await interleave(5, [
    () => runFlood(operations, 0),
    () => runFlood(operations, floodPerSecond),
  ]);
  const ratio = ratioOf(
    flooded.map(({ p99 }) => p99),
    alone.map(({ p99 }) => p99),
  );
  const reads = spreadOf(flooded.map(({ readsPerSecond }) => readsPerSecond));
  return table(
    [`${floodPerSecond} made-up keys a second`, "measured", "bar"],
    [
      ["p99 of a merchant's asks, over the same without them", formatSpread(ratio), "≤ 3"],
      ["reads of the store for them, a second", formatSpread(reads, 0), "≤ 50"],
    ],
  );
};

const roundTrips = async (): Promise<string> =>
  table(
    ["operation", "requests", "waiting for one another", "which", "request units"],
    (await countRoundTrips()).map(({ operation, status, waves }) => [
      `${operation} (${status})`,
      String(waves.flat().length),
      String(waves.length),
      describeWaves(waves),
      unitsOf(waves).toFixed(1),
    ]),
  );

const file = "docs/benchmarks.md";

const run = async (): Promise<void> => {
  readCommandLine({
    command: "npm run bench",
    what: `Measures what the service costs, in about two minutes, and writes it into ${file}.`,
  });
  callLoopbackDirectly();
  const start = performance.now();
  console.error("Warming up …");
  // In a process of its own, so that it does not share the event loop of the measured code.
  const store = startProgram(["build/start-store.js"], { PORT: "0" }, undefined, 600_000);
  const [, endpoint = ""] = await store.waitFor(/^COSMOSDB_ENDPOINT=(\S+)$/m);
  const settings = {
    COSMOSDB_ENDPOINT: endpoint,
    // The embedded store takes any.
    COSMOSDB_KEY: "a2V5",
    COSMOSDB_SINGLE_COPY: "true",
    OTP_SECRET: Buffer.alloc(32).toString("base64"),
  };
  const operations = await makeOperations(settings);
  // Node.js compiles a function at its first call, and optimizes it after many calls.
  for (const subject of subjects) {
    await (
      await operations.prepare(subject, 1500, 50)
    )();
  }

  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, ${process.platform} ${process.arch}`;
  const versions = [
    `Node.js ${process.version}`,
    ...(["@azure/cosmos", "@azure/functions"] as const).map((name) => `${name} ${dependencies[name]}`),
    `@vercel/cosmosdb-server ${devDependencies["@vercel/cosmosdb-server"]}`,
  ];
  const sections = [
    `Measured on ${machine}; ${versions.join(", ")}. Medians of interleaved rounds; in brackets the quartiles.`,
  ];
  for (const [title, measure] of [
    ["Cold start", () => coldStart(operations, settings)],
    ["Processor time of an ask", () => processor(operations)],
    ["Processor time of the calls of a purchase", () => processorTimes(operations)],
    ["Made-up API keys", () => madeUpKeys(operations)],
    ["Round trips", roundTrips],
  ] as const) {
    console.error(`${title} …`);
    const section = `### ${title}\n\n${await measure()}`;
    console.log(`${section}\n`);
    sections.push(section);
  }
  operations.stop();
  await store.stop();
  await writeMeasured(file, sections.join("\n\n"));
  console.log(`Written to ${file} after ${((performance.now() - start) / 1000).toFixed(0)} s.`);
};

void run();
