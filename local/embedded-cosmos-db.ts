import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { createHttpServer } from "@vercel/cosmosdb-server";
import { listen } from "./server";

/** A Cosmos DB server in this process, on loopback: empty at start, gone when closed. */
export interface EmbeddedCosmosDb {
  readonly server: Server;
  /** The settings of a service that uses it. */
  readonly settings: Readonly<Record<string, string>>;
}

/** @param port 0 for any that is free. */
export const startEmbeddedCosmosDb = async (port = 0): Promise<EmbeddedCosmosDb> => {
  const server = createHttpServer({ keepAlive: true });
  // Otherwise an idle connection could end just when the client uses it again.
  server.keepAliveTimeout = 0;
  return {
    server,
    settings: {
      COSMOSDB_ENDPOINT: `http://127.0.0.1:${await listen(server, port)}`,
      // It asks for no authentication: any key will do.
      COSMOSDB_KEY: Buffer.from("embedded").toString("base64"),
      COSMOSDB_SINGLE_COPY: "true",
      // What it holds ends with it, so the secret can be another one each time.
      OTP_SECRET: randomBytes(32).toString("base64"),
    },
  };
};
