/**
 * Jest runs this before each test file. A test that fails may not stop what it started, and an open server or process
 * keeps jest alive for ever, without a message. So this closes what a test file leaves open, and fails with its name.
 * https://nodejs.org/docs/latest-v22.x/api/diagnostics_channel.html#built-in-channels
 */
import { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Server, Socket } from "node:net";

const opened = new Set<Server | ChildProcess>();
const connections = new Set<Socket>();

const channels = ["tracing:net.server.listen:asyncStart", "child_process", "net.server.socket"];

const remember = (message: unknown): void => {
  const values: unknown[] = Object.values(message ?? {});
  for (const value of values) {
    if (value instanceof Server || value instanceof ChildProcess) {
      opened.add(value);
    } else if (value instanceof Socket) {
      connections.add(value);
      value.on("close", () => connections.delete(value));
    }
  }
};

channels.forEach((channel) => {
  subscribe(channel, remember);
});

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
  channels.forEach((channel) => {
    unsubscribe(channel, remember);
  });
  const left = [...opened].filter(end).map(nameOf);
  connections.forEach((socket) => socket.destroy());
  if (left.length > 0) {
    throw new Error(
      `This file left open what follows. A test that failed may not have come to stop it.\n- ${left.join("\n- ")}`,
    );
  }
});
