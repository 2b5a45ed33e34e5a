import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { createHttpServer } from "@vercel/cosmosdb-server";
import { listen } from "./server";

/** A Cosmos DB server in this process, on loopback. It starts empty, and closing it deletes all it holds. */
export interface EmbeddedCosmosDb {
  readonly server: Server;
  /** The settings of a service that uses it. */
  readonly settings: Readonly<Record<string, string>>;
}

/** @param port 0 for any free port. */
export const startEmbeddedCosmosDb = async (port = 0): Promise<EmbeddedCosmosDb> => {
  const server = createHttpServer({ keepAlive: true });
  // Otherwise the server could close an idle connection at the moment when the client reuses it.
  server.keepAliveTimeout = 0;
  return {
    server,
    settings: {
      COSMOSDB_ENDPOINT: `http://127.0.0.1:${await listen(server, port)}`,
      // The server does not authenticate, so any key will do.
      COSMOSDB_KEY: Buffer.from("embedded").toString("base64"),
      COSMOSDB_SINGLE_COPY: "true",
      // No code outlives the server, so each start can use a new secret.
      OTP_SECRET: randomBytes(32).toString("base64"),
    },
  };
};
