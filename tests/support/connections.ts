import type { Server } from "node:http";
import type { Socket } from "node:net";

/** The connections that clients opened to a server since the watch began. */
export interface Connections {
  readonly opened: number;
  readonly open: number;
  /** The most that were open at the same time. */
  readonly mostOpen: number;
}

export const watchConnections = (server: Server): Connections => {
  const sockets = new Set<Socket>();
  let opened = 0;
  let mostOpen = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    opened += 1;
    mostOpen = Math.max(mostOpen, sockets.size);
  });
  return {
    get opened() {
      return opened;
    },
    get open() {
      return sockets.size;
    },
    get mostOpen() {
      return mostOpen;
    },
  };
};
