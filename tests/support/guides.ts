/** What the tests of the guides share: the parts of a page, how its commands and programs run, and a fake service. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { text as readText } from "node:stream/consumers";
import * as t from "io-ts";
import { close, listen } from "../../local/server";
import type { Failure } from "../../shared/domain/failure";
import { problemTypeBase, toProblem } from "../../shared/http/problem";
import { decode } from "../../tools/support/either";

/** The blocks in a language, whose fence may say more of the block, as in `php curl`. */
export const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block = ""]) => block);

/** The rows of the table whose first column has this head, or of the first table. */
export const rowsOf = (text: string, head = ".+?"): readonly (readonly string[])[] => {
  const [, rows = ""] = new RegExp(`^\\| ${head} +\\|.*\n.*\n((?:\\|.*\n)+)`, "m").exec(`${text}\n`) ?? [];
  return [...rows.matchAll(/^\|(.*)\|$/gm)].map(([, cells = ""]) =>
    cells.split("|").map((cell) => cell.trim()),
  );
};

/** The part of a page under a heading, up to the next heading of the same rank. */
export const sectionOf = (text: string, heading: string): string => {
  const [, after = ""] = text.split(`\n## ${heading}\n`);
  return after.replace(/\n## [^]*/, "");
};

/** The statuses in a text that are no success. */
export const statusesIn = (text: string): readonly string[] => text.match(/\b[345]\d\d\b/g) ?? [];

/** What a customer reads of a failure in a shop, in a language. */
export const customerReads = (
  failure: Failure,
  acceptLanguage: string,
): readonly [title: string, detail: string] => {
  const { body } = toProblem(failure, { audience: "customer", acceptLanguage, invocationId: "" });
  const { title, detail } = decode(t.type({ title: t.string, detail: t.string }), JSON.parse(body));
  return [title, detail];
};

export interface Ended {
  readonly code: number | null;
  /** What it printed, errors included. */
  readonly output: string;
}

export const runProgram = async (
  [command = "", ...args]: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  folder = process.cwd(),
): Promise<Ended> => {
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"], ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 110_000,
  });
  const [output, errors] = await Promise.all([
    readText(child.stdout),
    readText(child.stderr),
    once(child, "close"),
  ]);
  return { code: child.exitCode, output: output + errors };
};

export const runShell = async (
  script: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<string> => (await runProgram(["sh", "-c", script], settings)).output;

/** Whether a program is installed. If not, jest says at the end that what needs it was not tried. */
export const isThere = (command: string, ...args: readonly string[]): boolean => {
  const found = spawnSync(command, args).status === 0;
  if (!found) {
    console.warn(`${command} ${args.join(" ")} fails: what needs it is not tried`);
  }
  return found;
};

/** A page in a language. */
export interface Page {
  readonly name: string;
  readonly text: string;
}

export const readPage = (name: string): Page => ({ name, text: readFileSync(`docs/${name}.md`, "utf8") });

export type Answer = (response: ServerResponse) => void;

export const answering =
  (status: number, body: string, headers: OutgoingHttpHeaders = {}): Answer =>
  (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(body);
  };

export const problem = (name: string): string =>
  JSON.stringify({ type: problemTypeBase + name, title: "What happened", detail: "What to do." });

export const unavailable = answering(503, problem("service-unavailable"), { "Retry-After": "2" });
/** As the platform or a gateway answers, which knows nothing of problems. */
export const throttled = answering(429, "Too Busy", { "Retry-After": "2", "Content-Type": "text/plain" });
export const redirected = answering(302, "", { Location: "/elsewhere" });
export const dropped: Answer = ({ socket }) => socket?.destroy();
const silent: Answer = () => undefined;
/** Sends a byte from time to time, each before a timeout, but never the last one. */
const dribbling: Answer = (response) => {
  response.writeHead(200, { "Content-Type": "application/json" });
  const dribble = setInterval(() => response.write(" "), 500);
  response.on("close", () => {
    clearInterval(dribble);
  });
};

/** What a fake service does with a program: it gives the answers in turn, and then repeats the last. */
export interface Story {
  readonly answers: readonly Answer[];
  /** The seconds that the program waits, at least, before each call. */
  readonly waits?: readonly number[];
}

export interface Played extends Ended {
  /** The bodies and the headers of the calls. */
  readonly calls: readonly object[];
  readonly hasWaited: boolean;
  /** From the first call to the end of the program. */
  readonly seconds: number;
}

const tellingHeaders = ["accept-language", "idempotency-key", "ocp-apim-subscription-key", "x-functions-key"];

export const play = async (
  { answers, waits = [] }: Story,
  run: (baseUrl: string) => Promise<Ended>,
): Promise<Played> => {
  const calls: object[] = [];
  const times: number[] = [];
  const server = createServer((request, response) => {
    times.push(performance.now());
    void readText(request).then((text) => {
      const headers = tellingHeaders.map((name) => [name, request.headers[name]] as const);
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      calls.push({ body, ...Object.fromEntries(headers) });
      (answers[calls.length - 1] ?? answers.at(-1))?.(response);
    });
  });
  try {
    const ended = await run(`http://127.0.0.1:${await listen(server, 0)}`);
    const end = performance.now();
    const gaps = times.map((time, index) => time - (times[index - 1] ?? time));
    // A program's clock may be a little faster than this one.
    const hasWaited = waits.every((seconds, index) => (gaps[index] ?? 0) > seconds * 990 - 1);
    return { ...ended, calls, hasWaited, seconds: (end - (times[0] ?? end)) / 1000 };
  } finally {
    await close(server);
  }
};

/**
 * The times of a program's worst case, in seconds, by the constants that each program has. No program calls more than
 * three times: the stories show it.
 */
const limits = /(?<=\b(timeout|longest_?wait)_?seconds ?= ?)\d+/gi;

/** What the guides call the worst case: three calls up to their timeout, and the longest wait between them. */
export const worstCaseOf = (program: string): number => {
  const [timeout, wait, ...others] = [...program.matchAll(limits)].map(([value]) => Number(value));
  return timeout === undefined || wait === undefined || others.length > 0 ? NaN : 3 * timeout + 2 * wait;
};

/** The program with shorter times, so that a test need not wait for its worst case. */
export const hasten = (program: string): string =>
  program.replaceAll(limits, (_, name: string) => (name.toLowerCase() === "timeout" ? "3" : "1"));

/**
 * As slow as a service can be for a hastened program: an answer that says to wait for long, none, and half a one. The
 * program counts from before its call arrives, and so for less than three seconds here.
 */
export const slowest: Story = {
  answers: [answering(503, problem("service-unavailable"), { "Retry-After": "600" }), silent, dribbling],
  waits: [0, 1, 2],
};
