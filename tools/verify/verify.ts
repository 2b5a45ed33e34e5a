/** `npm run verify`: holds a deployed service, or the local host, to its contract. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import * as E from "fp-ts/Either";
import { readCommandLine, refuseCommandLine } from "../../local/command-line.mjs";
import { callLoopbackDirectly } from "../../local/direct-calls.mjs";
import { decodeOrigin } from "../support/origin";
import { approach, verify, type Target, type Verdict } from "./verification";

const program = {
  command: "npm run verify",
  what: "Holds a service to its contract, from outside, with merchants of its own (verify-…), whose keys it revokes at the end.",
  options: {
    url: {
      type: "string",
      default: "http://127.0.0.1:7071",
      value: "URL",
      help: "the origin of the service",
    },
    "skip-slow": { type: "boolean", default: false, help: "leaves out what waits for the end of an OTP" },
    "deadline-ms": { type: "string", default: "5000", value: "N", help: "how long an answer may take" },
  },
  more: `FUNCTION_KEY in the environment: the function key, if the service asks for one. Without it, the key is asked for.

Ctrl-C ends it within a second, and revokes the keys. It ends with 0 when every promise was held, with 1 when one was
broken or it was stopped, and with 2 when nothing could be tried.`,
} as const;

/** Nothing could be tried, for this reason. */
class Unable extends Error {}

/** Asks on the terminal, and shows nothing of what is typed. */
const askForFunctionKey = async (): Promise<string> => {
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  // The terminal shows nothing more from here on, not even what is typed before the question.
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write("The service asks for a function key. Paste it (it is not shown): ");
  terminal.on("SIGINT", () => process.exit(2));
  const key = await terminal.question("");
  terminal.close();
  process.stderr.write("\n");
  return key.trim();
};

const findTarget = async (url: string, functionKey: string | undefined): Promise<Target> => {
  const found = await approach(url, functionKey);
  switch (found.tag) {
    case "ready":
      return found.target;
    case "failed":
      throw new Unable(found.reason);
    case "function key":
      if (functionKey !== undefined) {
        throw new Unable("The service refuses this function key.");
      }
      if (!process.stdin.isTTY) {
        throw new Unable("The service asks for a function key. Put it into the environment as FUNCTION_KEY.");
      }
      return findTarget(url, await askForFunctionKey());
  }
};

const print = ({ outcome, promise, reason }: Verdict): void => {
  console.log(`${outcome.padEnd(8)}  ${promise}`);
  if (reason !== undefined) {
    console.log(reason.replaceAll(/^/gm, "          "));
  }
};

/** Shows that it waits, in the line where a terminal's cursor is or in a line a minute. */
const showWaiting = (ttlSeconds: number, startMs: number): (() => void) => {
  const { isTTY, columns } = process.stderr;
  const clear = isTTY ? "\r\x1b[2K" : "";
  const show = (): void => {
    const left = Math.max(0, Math.ceil(ttlSeconds - (performance.now() - startMs) / 1000));
    const text = `Waiting ${left} s for the end of an OTP. --skip-slow leaves this out, Ctrl-C stops it.`;
    process.stderr.write(isTTY ? `${clear}${text.slice(0, Math.max(20, columns - 1))}` : `${text}\n`);
  };
  show();
  const shown = setInterval(show, isTTY ? 1000 : 60_000);
  return () => {
    clearInterval(shown);
    process.stderr.write(clear);
  };
};

const run = async (): Promise<number> => {
  const { values } = readCommandLine(program);
  const { url: address, "skip-slow": skipSlow, "deadline-ms": deadline } = values;
  const origin = decodeOrigin(address);
  if (E.isLeft(origin)) {
    return refuseCommandLine(program, origin.left);
  }
  if (!/^[1-9]\d{0,5}$/.test(deadline)) {
    return refuseCommandLine(program, "--deadline-ms is malformed: expected a whole number from 1 to 999999");
  }
  callLoopbackDirectly();
  const url = origin.right;
  const functionKey = process.env["FUNCTION_KEY"];
  const target = await findTarget(url, functionKey === "" ? undefined : functionKey);
  const { ttlSeconds } = target;
  const waits = ". One check waits for that, and is reported last: --skip-slow leaves it out";
  console.log(`${url}: codes live ${ttlSeconds} s${skipSlow ? "" : waits}.\n`);
  const startMs = performance.now();
  let stopShowing = (): void => undefined;
  const stopping = new AbortController();
  process.once("SIGINT", () => {
    stopShowing();
    console.error("Stopping. The keys that were made are revoked first.");
    stopping.abort();
  });
  const counts = { held: 0, BROKEN: 0, "left out": 0 };
  const onWait = (): void => {
    stopShowing = showWaiting(ttlSeconds, startMs);
  };
  for await (const verdict of verify(target, {
    ...{ skipSlow, deadlineMs: Number(deadline), signal: stopping.signal, onWait },
  })) {
    stopShowing();
    counts[verdict.outcome]++;
    print(verdict);
  }
  console.log(`\n${counts.held} held, ${counts.BROKEN} broken, ${counts["left out"]} left out`);
  return counts.BROKEN === 0 && !stopping.signal.aborted ? 0 : 1;
};

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof Unable ? error.message : error);
    process.exitCode = 2;
  },
);
