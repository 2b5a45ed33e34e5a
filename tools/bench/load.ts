import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as t from "io-ts";
import { decode } from "../support/either";
import { startProgram } from "../support/processes";
import { formatSpread, interleave, ratioOf, spreadOf } from "./statistics";
import type { Spread } from "./statistics";

export interface Load {
  /** Wall time of a process that loads the deployed file, divided by that of a process that loads nothing. */
  readonly time: Spread;
  /** The same, when V8 finds code that an earlier process compiled. */
  readonly timeWithCompileCache: Spread;
  /** Resident memory above that of a process that loads nothing, in MB. */
  readonly memoryMb: Spread;
  /** The same for Node.js's own modules alone. Every client that speaks HTTPS and signs requests needs them. */
  readonly builtinTime: Spread;
}

const rounds = 15;

const builtinModules = ["node:https", "node:crypto", "node:zlib"];

// Loading sends no request to the store.
const settings = {
  COSMOSDB_ENDPOINT: "https://127.0.0.1:9/",
  COSMOSDB_KEY: "a2V5",
  OTP_SECRET: Buffer.alloc(32).toString("base64"),
};

const printMemory = "console.log(JSON.stringify({ rss: process.memoryUsage().rss }));process.exit();";

/** Runs whole processes in turn: start, load, end. A stand-in plays the Functions worker. */
export const measureLoad = async (): Promise<Load> => {
  const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-bench-"));
  const bare = path.join(folder, "bare.cjs");
  const builtins = path.join(folder, "builtins.cjs");
  await writeFile(bare, printMemory);
  await writeFile(
    builtins,
    `for (const name of ${JSON.stringify(builtinModules)}) require(name);${printMemory}`,
  );

  const start =
    (args: string[], environment: Readonly<Record<string, string>> = {}) =>
    async () => {
      const begin = performance.now();
      const program = startProgram(args, { ...settings, ...environment });
      const code = await program.ended;
      const ms = performance.now() - begin;
      if (code !== 0) {
        throw new Error(program.errors());
      }
      return { ms, rss: decode(t.type({ rss: t.number }), JSON.parse(program.output())).rss };
    };
  // This code plays the host in the same process: it asks the worker to load the current folder.
  const load = path.join(folder, "load.cjs");
  const initRequest = {
    requestId: "1",
    name: "workerInitRequest",
    content: { functionAppDirectory: process.cwd() },
  };
  await writeFile(
    load,
    `process.send = ({ requestId, exception }) => {
      if (exception) { throw new Error(exception); }
      if (requestId) { ${printMemory} }
    };
    require(${JSON.stringify(path.resolve("tests", "support", "functions-worker.cjs"))});
    process.emit("message", ${JSON.stringify(initRequest)});`,
  );
  const [nothing = [], loaded = [], cached = [], builtinsAlone = []] = await interleave(rounds, [
    start([bare]),
    start([load]),
    start([load], { NODE_COMPILE_CACHE: path.join(folder, "cache") }),
    start([builtins]),
  ]);
  await rm(folder, { recursive: true });

  const times = nothing.map(({ ms }) => ms);
  const timeRatio = (measured: readonly { readonly ms: number }[]): Spread =>
    ratioOf(
      measured.map(({ ms }) => ms),
      times,
    );
  return {
    time: timeRatio(loaded),
    timeWithCompileCache: timeRatio(cached),
    memoryMb: spreadOf(loaded.map(({ rss }, round) => (rss - (nothing[round]?.rss ?? NaN)) / 1e6)),
    builtinTime: timeRatio(builtinsAlone),
  };
};

export const describeLoad = ({ time, timeWithCompileCache, memoryMb, builtinTime }: Load): string[][] => [
  ["load, over a bare Node start", formatSpread(time), "≤ 2.5"],
  ["— with `NODE_COMPILE_CACHE`, once it is filled", formatSpread(timeWithCompileCache), ""],
  [
    `— of which ${builtinModules.map((name) => `\`${name}\``).join(", ")} alone`,
    formatSpread(builtinTime),
    "",
  ],
  ["memory after load, above bare Node, MB", formatSpread(memoryMb, 1), "≤ 25"],
];
