/** `npm run load`: purchases at a given rate against a service, what they took, and whether it kept its promises. */
import path from "node:path";
import { Worker } from "node:worker_threads";
import * as E from "fp-ts/Either";
import { readCommandLine, refuseCommandLine } from "../../local/command-line.mjs";
import { callLoopbackDirectly } from "../../local/direct-calls.mjs";
import { isOnThisMachine } from "../support/origin";
import { decodeOptions, program, type LoadOptions } from "./options";
import { describeProgress, describeResult, exitCodeOf } from "./report";
import { run } from "./run";

/** A service to run against, and how to end it if it is this run's own. */
interface Target {
  readonly origin: string;
  readonly stop: () => Promise<unknown>;
}

/**
 * What `npm start` starts, in a thread of its own: it does not share the event loop of the client, Ctrl-C does not reach it
 * before the client is done, and it cannot outlive it.
 */
const startLocalHost = (): Promise<Target> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(path.join(__dirname, "start.js"), { env: { PORT: "0" }, stdout: true });
    let output = "";
    worker.stdout.on("data", (part: Buffer) => {
      output += part.toString();
      const [, origin] = /^Listening on (\S+)$/m.exec(output) ?? [];
      if (origin !== undefined) {
        resolve({ origin, stop: () => worker.terminate() });
      }
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      reject(new Error("the local host ended before it listened"));
    });
  });

const describeCost = ({ url = "", rate, seconds, merchants }: LoadOptions): string =>
  `${url} is not on this machine. This run would make ${merchants} merchants there, whose keys it revokes at the end, issue
about ${Math.round(rate * seconds).toLocaleString("en")} codes to fiscal codes that nobody has, use them, and cost what these calls cost.
If that is what you want, add --yes.`;

/** What Node.js can send as a header's value (RFC 9110, section 5.5), without spaces. */
const isSendable = (key: string): boolean => /^[\x21-\x7e]+$/.test(key);

const fail = (message: string): void => {
  console.error(message);
  process.exitCode = 2;
};

const main = async (): Promise<void> => {
  const decoded = decodeOptions(readCommandLine(program).values);
  if (E.isLeft(decoded)) {
    refuseCommandLine(program, decoded.left);
  }
  callLoopbackDirectly();
  const options = decoded.right;
  const functionKey = process.env["FUNCTION_KEY"] === "" ? undefined : process.env["FUNCTION_KEY"];
  if (functionKey !== undefined && !isSendable(functionKey)) {
    fail("FUNCTION_KEY is malformed: expected printable ASCII characters without spaces.");
    return;
  }
  if (options.url !== undefined && !isOnThisMachine(options.url) && !options.isAgreed) {
    fail(describeCost(options));
    return;
  }

  const isLive = process.stderr.isTTY;
  const clearLine = (): void => {
    if (isLive) {
      process.stderr.write("\r\x1b[2K");
    }
  };
  const stop = new AbortController();
  const end = (): void => {
    if (stop.signal.aborted) {
      process.exit(130);
    }
    clearLine();
    console.error(
      "Ending: no more purchases begin. Ctrl-C again ends at once, and leaves the keys in force.",
    );
    stop.abort();
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);

  const target =
    options.url === undefined
      ? await startLocalHost().catch(() => undefined)
      : { origin: options.url, stop: () => Promise.resolve() };
  if (target === undefined) {
    fail("The local host did not start. npm start shows why.");
    return;
  }
  try {
    const result = await run({
      origin: target.origin,
      options,
      functionKey,
      stop: stop.signal,
      onPhase: (phase) => {
        clearLine();
        console.error(phase);
      },
      onProgress: (progress) => {
        if (isLive) {
          const text = describeProgress(progress, options.seconds);
          // A line that wraps could not be rewritten.
          process.stderr.write(`\r\x1b[2K${text.slice(0, Math.max(20, (process.stderr.columns || 80) - 1))}`);
        }
      },
    });
    clearLine();
    if ("reason" in result) {
      fail(result.reason);
      return;
    }
    console.log(`\n${describeResult(result)}`);
    process.exitCode = exitCodeOf(result);
  } finally {
    await target.stop();
  }
};

void main();
