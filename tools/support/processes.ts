/** Other processes: what `npm start` starts, without npm. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { makeApi, type Api } from "./api";

export interface Program {
  readonly child: ChildProcess;
  /** All that it printed so far. */
  readonly output: () => string;
  readonly errors: () => string;
  /** Resolves when the output matches. Rejects when the process ends without a match. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/**
 * @param settings its whole environment, besides what every process needs.
 * @param lifetimeMs ends the process in any case, because a test that fails may not stop it.
 */
export const startProgram = (
  args: string[],
  settings: Readonly<Record<string, string>>,
  folder = process.cwd(),
  lifetimeMs = 120_000,
): Program => {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"], ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: lifetimeMs,
    killSignal: "SIGKILL",
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = once(child, "close").then(() => child.exitCode);
  return {
    child,
    output: () => output,
    errors: () => errors,
    ended,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match) {
            child.stdout.off("data", look);
            resolve(match);
          }
        };
        child.stdout.on("data", look);
        look();
        void ended.then((code) => {
          reject(new Error(`ended with ${String(code)} before it printed ${String(pattern)}: ${errors}`));
        });
      }),
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
  };
};

export interface HostProcess extends Api {
  readonly program: Program;
}

/** The local host on a free port, with a store that already runs. */
export const startHostProcess = async (settings: Readonly<Record<string, string>>): Promise<HostProcess> => {
  const program = startProgram(["build/start.js"], { PORT: "0", ...settings });
  const [, baseUrl = ""] = await program.waitFor(/^Listening on (\S+)$/m);
  return { program, ...makeApi(baseUrl) };
};
