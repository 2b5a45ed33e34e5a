import { once } from "node:events";
import type { Server } from "node:http";
import type { Server as SocketServer } from "node:net";

/** Listens on loopback only, unless an address is given. Resolves with the port; port 0 means any free one. Rejects when it is in use. */
export const listen = async (server: SocketServer, port: number, address = "127.0.0.1"): Promise<number> => {
  server.listen(port, address);
  await once(server, "listening");
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : port;
};

/** Ends a server and its connections, idle or not. */
export const close = async (server: Server): Promise<void> => {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
};

/** Reads `PORT`: a whole number from 0 to 65535. */
export const decodePort = (text: string | undefined, byDefault: number): number | undefined => {
  const port = /^\d{1,5}$/.test(text ?? "") ? Number(text) : NaN;
  return text === undefined || text === "" ? byDefault : port <= 65_535 ? port : undefined;
};

/** Why a server could not listen, in one line for the person who started it. */
export const describeListenError = (error: unknown, port: number, address = "127.0.0.1"): string => {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} is already in use. Set PORT to another one, or to 0 for any that is free.`;
    case "EADDRNOTAVAIL":
      return `This machine has no address ${address}. Set LISTEN_ADDRESS to one that it has, or to 0.0.0.0 for all.`;
    default:
      return `Cannot listen on port ${port}: ${String(error)}`;
  }
};

/** Resolves when the terminal or the system asks this process to end. A second request ends the process at once. */
export const untilStopped = async (): Promise<void> => {
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
};

/** Prints why this process cannot go on. The process then finishes by itself, with exit code 1. */
export const fail = (message: string): void => {
  console.error(message);
  process.exitCode = 1;
};
