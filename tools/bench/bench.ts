/**
 * `npm run bench`: compares the service with the lowest cost of the same work, in about two minutes, and writes the
 * results into `docs/benchmarks.md`.
 */
import { spawnSync } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { cpus } from "node:os";
import { unzipSync } from "fflate";
import { dependencies, devDependencies } from "../../package.json";
import { countRoundTrips } from "./round-trips";
import type { RoundTrips } from "./round-trips";
import { unitsOf } from "./capacity";
import { assumed } from "./capacity-assumptions";
import { describeLoad, measureLoad } from "./load";
import { makeOperations, operationNames } from "./operations";
import type { Operations, Timing } from "./operations";
import { profile, profiledParts } from "./profile";
import { formatSpread, interleave, percentile, ratioOf } from "./statistics";
import { startStore } from "./store-process";
import type { StoreProcess } from "./store-process";
import { describeWaves, table, writeMeasured } from "./tables";

const throughput = (timings: readonly Timing[] = []): number[] => timings.map(({ perSecond }) => perSecond);

const latency = (part: number, timings: readonly Timing[] = []): number[] =>
  timings.map(({ latenciesMs }) => percentile(latenciesMs, part));

const overhead = async (operations: Operations): Promise<string> => {
  const rows: string[][] = [];
  for (const operation of operationNames) {
    for (const [concurrency, calls] of [
      [1, 150],
      [50, 500],
      [200, 600],
    ] as const) {
      const [service, bare] = await interleave(5, [
        () => operations.measure(operation, "service", calls, concurrency),
        () => operations.measure(operation, "bare SDK", calls, concurrency),
      ]);
      rows.push([
        operation,
        String(concurrency),
        formatSpread(ratioOf(throughput(service), throughput(bare))),
        operation === "regenerate" ? "" : "≥ 0.90",
        formatSpread(ratioOf(latency(0.5, service), latency(0.5, bare))),
        formatSpread(ratioOf(latency(0.99, service), latency(0.99, bare))),
      ]);
    }
  }
  return table(["operation", "at a time", "throughput", "bar", "p50", "p99"], rows);
};

/** In shares of the time of a bare ask. */
const profiles = async (operations: Operations): Promise<string> => {
  const service = await profile(operations, "ask", "service");
  const bare = await profile(operations, "ask", "bare SDK");
  const total = [...bare.values()].reduce((sum, time) => sum + time, 0);
  const share = (time = 0): string => (time / total).toFixed(2);
  return table(
    ["spent in", "ask through the service", "bare SDK"],
    [
      ...profiledParts.map((part) => [part, share(service.get(part)), share(bare.get(part))]),
      ["all", share([...service.values()].reduce((sum, time) => sum + time, 0)), share(total)],
    ],
  );
};

const describeRoundTrips = ({ operation, status, waves, bytes }: RoundTrips): string[] => [
  `${operation} (${status})`,
  String(waves.flat().length),
  String(waves.length),
  describeWaves(waves),
  unitsOf(waves, assumed).toFixed(1),
  (bytes / 1000).toFixed(1),
];

const growth = async (stores: ReadonlyMap<number, StoreProcess>): Promise<string> => {
  const subjects: {
    readonly items: number;
    readonly store: StoreProcess;
    readonly operations: Operations;
  }[] = [];
  for (const [items, store] of stores) {
    subjects.push({ items, store, operations: await makeOperations(store.settings) });
  }
  const calls = 400;
  const rows: string[][] = [];
  for (const operation of operationNames) {
    const measured = await interleave(
      5,
      subjects.map(
        ({ operations }) =>
          () =>
            operations.measure(operation, "service", calls, 50),
      ),
    );
    for (const [index, { items, store, operations }] of subjects.entries()) {
      // The requests that prepare a use or a regeneration do not count.
      const prepared = operation === "use" ? calls : operation === "regenerate" ? 2 * calls : 0;
      const before = await store.countRequests();
      await operations.measure(operation, "service", calls, 50);
      const requests = (await store.countRequests()) - before - prepared;
      rows.push([
        operation,
        items.toLocaleString("en"),
        formatSpread(ratioOf(throughput(measured[index]), throughput(measured[0]))),
        (requests / calls).toFixed(2),
      ]);
    }
  }
  for (const { operations } of subjects) {
    operations.stop();
  }
  return table(["operation", "items", "throughput, over that with 100 items", "requests per call"], rows);
};

const artifact = async (): Promise<string> => {
  spawnSync(process.execPath, ["tools/package.mjs"]);
  const archive = "build/cgn-otp.zip";
  const files = Object.keys(unzipSync(await readFile(archive)));
  return table(
    ["archive", "measured", "bar"],
    [
      ["size, KB", ((await stat(archive)).size / 1000).toFixed(0), "≤ 500"],
      ["files", `${files.length} (${files.map((name) => `\`${name}\``).join(", ")})`, "≤ 10"],
    ],
  );
};

const run = async (): Promise<void> => {
  const start = performance.now();
  const sections: string[] = [];
  const report = (title: string, text: string): void => {
    const section = `### ${title}\n\n${text}`;
    console.log(`${section}\n`);
    sections.push(section);
  };
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, ${process.platform} ${process.arch}`;
  const versions = [
    `Node.js ${process.version}`,
    ...(["@azure/cosmos", "@azure/functions"] as const).map((name) => `${name} ${dependencies[name]}`),
    `@vercel/cosmosdb-server ${devDependencies["@vercel/cosmosdb-server"]}`,
  ];
  console.log(`${machine}; ${versions.join(", ")}\n`);

  report("Load", table(["", "ratio", "bar"], describeLoad(await measureLoad())));
  const stores = new Map<number, StoreProcess>();
  for (const items of [100, 10_000, 100_000]) {
    stores.set(items, await startStore(items));
  }
  const [store] = stores.values();
  if (store !== undefined) {
    const operations = await makeOperations(store.settings);
    // Node.js compiles a function at its first call, and optimizes it after many calls.
    for (const operation of operationNames) {
      await operations.measure(operation, "service", 1500, 50);
      await operations.measure(operation, "bare SDK", 1500, 50);
    }
    report("Overhead: the service over bare calls of the SDK", await overhead(operations));
    report("Where the time of an ask goes, a bare one being 1", await profiles(operations));
    operations.stop();
  }
  report(
    "Round trips",
    table(
      ["operation", "requests", "waiting for one another", "which", "request units", "KB on the wire"],
      (await countRoundTrips()).map(describeRoundTrips),
    ),
  );
  report("Growth", await growth(stores));
  report("Artifact", await artifact());
  for (const each of stores.values()) {
    await each.stop();
  }

  const text = [
    `Measured on ${machine}; ${versions.join(", ")}. Medians of interleaved rounds; in brackets the quartiles.`,
    ...sections,
  ].join("\n\n");
  const file = "docs/benchmarks.md";
  await writeMeasured(file, text);
  console.log(`Written to ${file} after ${((performance.now() - start) / 1000).toFixed(0)} s.`);
};

void run();
