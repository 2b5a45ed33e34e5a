/** `npm run verify`: holds a deployed service, or the local host, to its contract. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { parseArgs } from "node:util";
import * as E from "fp-ts/Either";
import { decodeOrigin } from "../support/origin";
import { approach, verify, type Target, type Verdict } from "./verification";

const usage = `npm run verify -- [--url URL] [--skip-slow] [--deadline-ms N]

Holds a service to its contract, from outside, with merchants of its own (verify-…), whose keys it revokes at the end.

--url URL         the origin of the service; by default http://127.0.0.1:7071, where npm start listens
--skip-slow       leaves out what waits for the end of an OTP
--deadline-ms N   how long an answer may take; by default 5000, as REQUEST_DEADLINE_IN_MS

FUNCTION_KEY      in the environment: the function key, if the service asks for one. Without it, the key is asked for.

Ends with 0 when every promise was held, with 1 when one was broken, and with 2 when nothing could be tried.`;

interface Arguments {
  readonly url: string;
  readonly skipSlow: boolean;
  readonly deadlineMs: number;
}

/** Nothing could be tried, for this reason. */
class Unable extends Error {}

const readArguments = (): Arguments | "help" => {
  const { values } = parseArgs({
    options: {
      url: { type: "string", default: "http://127.0.0.1:7071" },
      "skip-slow": { type: "boolean", default: false },
      "deadline-ms": { type: "string", default: "5000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    return "help";
  }
  const url = decodeOrigin(values.url);
  if (E.isLeft(url)) {
    throw new Unable(url.left);
  }
  if (!/^[1-9]\d{0,5}$/.test(values["deadline-ms"])) {
    throw new Unable("--deadline-ms is malformed: expected a whole number from 1 to 999999");
  }
  return { url: url.right, skipSlow: values["skip-slow"], deadlineMs: Number(values["deadline-ms"]) };
};

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

const run = async (): Promise<number> => {
  const options = readArguments();
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  const { url, skipSlow, deadlineMs } = options;
  const functionKey = process.env["FUNCTION_KEY"];
  const target = await findTarget(url, functionKey === "" ? undefined : functionKey);
  console.log(
    `${url}: codes live ${target.ttlSeconds} s${skipSlow ? "" : ", and one check waits for that"}.\n`,
  );
  const stopping = new AbortController();
  process.once("SIGINT", () => {
    console.error("Stopping. The keys that were made are revoked first.");
    stopping.abort();
  });
  const counts = { held: 0, BROKEN: 0, "left out": 0 };
  for await (const verdict of verify(target, { skipSlow, deadlineMs, signal: stopping.signal })) {
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
    // `parseArgs` says what is wrong with an argument, too.
    console.error(error instanceof Unable || error instanceof TypeError ? error.message : error);
    process.exitCode = 2;
  },
);
