/**
 * Jest runs this before each test file (`setupFilesAfterEnv`). A test that fails does not come to stop what it started, and a
 * server or a process that is left open keeps jest alive for ever, without a word. So what a file leaves open is closed at
 * its end, and the file fails and names it. Node.js tells of each server, connection and process that there is:
 * https://nodejs.org/docs/latest-v22.x/api/diagnostics_channel.html#built-in-channels
 */
import { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Server, Socket } from "node:net";
import path from "node:path";

/** Each with the calls that led to it. */
const opened = new Map<Server | ChildProcess, string>();
const connections = new Set<Socket>();

const stackFrame = /^ +at (?:(.+) \()?([^()]+):(\d+):\d+\)?$/;

/** The calls of this project that are under way: `listen (local/server.ts:7) < … < Object.<anonymous> (tests/a.test.ts:7)`. */
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

/** Closes it, unless it was closed; says whether it did. */
const end = (each: Server | ChildProcess): boolean => {
  if (each instanceof Server) {
    const isOpen = each.listening;
    each.close();
    return isOpen;
  }
  // One that was told to end may take a moment.
  return each.exitCode === null && each.signalCode === null && !each.killed && each.kill("SIGKILL");
};

const nameOf = (each: Server | ChildProcess): string =>
  each instanceof Server ? "a server" : `a process (${each.spawnargs.slice(1).join(" ").slice(0, 100)})`;

// The hooks of a file's own blocks come first.
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
