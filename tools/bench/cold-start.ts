/** Whole processes: start, load, answer, end. The tests' stand-in plays the Functions worker, and this plays the host. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { startProgram } from "../support/processes";
import { interleave, ratioOf, type Spread } from "./statistics";

export interface ColdStart {
  /** From the start of a process until it has loaded the deployed file, over a process that loads nothing. */
  readonly load: Spread;
  /** The same, when V8 finds code that an earlier process compiled. */
  readonly loadWithCompileCache: Spread;
  /** From the start of a process until an ask is answered, over an app that does nothing else than answer. */
  readonly firstAnswer: Spread;
}

const rounds = 15;

/** Each process prints a line, so that a bare one has done something too. */
const end = 'console.log("done"); process.exit();';

// What is only loaded needs no store.
const noStore = { COSMOSDB_ENDPOINT: "https://127.0.0.1:9/" };

/** Built as the service is. */
const emptyApp = `
const { app } = require("@azure/functions");
app.http("ValidateOtp", { methods: ["POST"], authLevel: "anonymous", route: "validate", handler: async (request) => {
  await request.text();
  return { status: 200, jsonBody: {} };
} });
`;

/** An ask, as the host hands it over. */
export interface Ask {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Runs in the worker's process. Sends the host's messages one after another, each once the one before was answered. */
const hostProgram = (worker: string, isFirstAnswer: boolean, { body, ...call }: Ask): string => `
const http = { ...${JSON.stringify(call)}, body: { bytes: Buffer.from(${JSON.stringify(body)}) } };
let target;
const requests = [
  ["workerInitRequest", () => ({ functionAppDirectory: process.cwd() })],
  ["functionsMetadataRequest", () => ({})],
  ["functionLoadRequest", (functions) => {
    target = functions.find(({ name }) => name === "ValidateOtp");
    return { functionId: target.functionId };
  }],
  ["invocationRequest", () => ({
    functionId: target.functionId, invocationId: "1", triggerMetadata: {},
    inputData: [{ name: target.bindings.find(({ type }) => type === "httpTrigger").name, data: { http } }],
  })],
].slice(0, ${isFirstAnswer ? 4 : 1});
const next = (answer) => {
  const request = requests.shift();
  if (request === undefined) {
    if (${isFirstAnswer ? "String(answer.returnValue.http.statusCode) !== '200'" : "false"}) { throw new Error(JSON.stringify(answer)); }
    ${end}
  }
  process.emit("message", { requestId: "1", name: request[0], content: request[1](answer) });
};
process.send = ({ requestId, exception, response }) => {
  if (exception) { console.error(exception); process.exit(1); }
  if (requestId) { next(response); }
};
require(${JSON.stringify(worker)});
next();
`;

/** @param settings those of a store that knows what is asked about. */
export const measureColdStart = async (
  ask: Ask,
  settings: Readonly<Record<string, string>>,
): Promise<ColdStart> => {
  const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-bench-"));
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(folder, name);
    await writeFile(file, text);
    return file;
  };
  const worker = path.resolve("tests", "support", "functions-worker.cjs");
  const bare = await write("bare.cjs", end);
  const load = await write("load.cjs", hostProgram(worker, false, ask));
  const answer = await write("answer.cjs", hostProgram(worker, true, ask));
  const empty = path.join(folder, "empty");
  await mkdir(empty);
  await writeFile(path.join(empty, "package.json"), JSON.stringify({ main: "main.js" }));
  await build({
    stdin: { contents: emptyApp, resolveDir: process.cwd() },
    ...{ bundle: true, platform: "node", target: "node22", format: "cjs", minifyWhitespace: true },
    ...{ mainFields: ["module", "main"], external: ["@azure/functions-core"] },
    outfile: path.join(empty, "main.js"),
  });

  const time =
    (file: string, app = process.cwd(), environment: Readonly<Record<string, string>> = {}) =>
    async (): Promise<number> => {
      const start = performance.now();
      const program = startProgram([file], { ...settings, ...environment }, app);
      const code = await program.ended;
      if (code !== 0) {
        throw new Error(program.errors());
      }
      return performance.now() - start;
    };
  const [nothing, loaded, cached, answered, emptyAnswered] = await interleave(rounds, [
    time(bare),
    time(load, undefined, noStore),
    time(load, undefined, { ...noStore, NODE_COMPILE_CACHE: path.join(folder, "cache") }),
    time(answer),
    time(answer, empty),
  ]);
  await rm(folder, { recursive: true });
  return {
    load: ratioOf(loaded, nothing),
    loadWithCompileCache: ratioOf(cached, nothing),
    firstAnswer: ratioOf(answered, emptyAnswered),
  };
};
