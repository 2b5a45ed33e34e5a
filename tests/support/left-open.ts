/**
 * Jest runs this before each test file. A test that fails may not stop what it started, and an open server or process
 * keeps jest alive for ever, without a message. So this closes what a test file leaves open, and fails with its name.
 * https://nodejs.org/docs/latest-v22.x/api/diagnostics_channel.html#built-in-channels
 */
import { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Server, Socket } from "node:net";
import path from "node:path";

/** Each server or process, with the calls that opened it. */
const opened = new Map<Server | ChildProcess, string>();
const connections = new Set<Socket>();

const stackFrame = /^ +at (?:(.+) \()?([^()]+):(\d+):\d+\)?$/;

/** The call stack, within this project: `listen (local/server.ts:7) < … < Object.<anonymous> (tests/a.test.ts:7)`. */
const describeCalls = (): string => {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 50;
  const lines = (new Error().stack ?? "").split("\n");
  Error.stackTraceLimit = limit;
  const calls: string[] = [];
  for (const line of lines) {
    const [, name = "", absolute = "", lineNumber = ""] = stackFrame.exec(line) ?? [];
    const file = path.relative(process.cwd(), absolute);
    if (path.isAbsolute(absolute) && absolute !== __filename && !/^\.\.|node_modules/.test(file)) {
      calls.push(`${name} (${file}:${lineNumber})`);
    }
  }
  return calls.join(" < ");
};

const channels: Readonly<Record<string, (message: unknown) => void>> = {
  "tracing:net.server.listen:asyncStart": (message) => {
    if (typeof message === "object" && message !== null && "server" in message) {
      if (message.server instanceof Server) {
        opened.set(message.server, describeCalls());
      }
    }
  },
  child_process: (message) => {
    if (typeof message === "object" && message !== null && "process" in message) {
      if (message.process instanceof ChildProcess) {
        opened.set(message.process, describeCalls());
      }
    }
  },
  "net.server.socket": (message) => {
    if (typeof message === "object" && message !== null && "socket" in message) {
      const { socket } = message;
      if (socket instanceof Socket) {
        connections.add(socket);
        socket.on("close", () => connections.delete(socket));
      }
    }
  },
};

for (const [name, listener] of Object.entries(channels)) {
  subscribe(name, listener);
}

/** Closes a server or a process. Returns whether it was open. */
const end = (each: Server | ChildProcess): boolean => {
  if (each instanceof Server) {
    const isOpen = each.listening;
    each.close();
    return isOpen;
  }
  // A process that was asked to end may take a moment.
  return each.exitCode === null && each.signalCode === null && !each.killed && each.kill("SIGKILL");
};

const nameOf = (each: Server | ChildProcess): string =>
  each instanceof Server ? "a server" : `a process (${each.spawnargs.slice(1).join(" ").slice(0, 100)})`;

// The `afterAll` hooks inside a file's `describe` blocks run before this one.
afterAll(() => {
  for (const [name, listener] of Object.entries(channels)) {
    unsubscribe(name, listener);
  }
  const left = [...opened].filter(([each]) => end(each));
  connections.forEach((socket) => socket.destroy());
  if (left.length > 0) {
    throw new Error(
      [
        "This file left open what follows. A test that failed may not have come to stop it.",
        ...left.map(([each, calls]) => `- ${nameOf(each)}: ${calls}`),
      ].join("\n"),
    );
  }
});
