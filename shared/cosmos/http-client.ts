/** The connections to the store. */
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { createDefaultHttpClient, type HttpClient } from "@azure/core-rest-pipeline";
import { makeNameLookup } from "./name-lookup";

/**
 * An app has 128 SNAT ports to one address and port (https://learn.microsoft.com/azure/app-service/
 * troubleshoot-intermittent-outbound-connection-errors). The other 28 are for connections that have just closed, and for the
 * account's own name, which may resolve to a region's address.
 */
export const maxConnections = 100;

export interface PooledHttpClient extends HttpClient {
  /** Looks up the names of these origins, before the first request needs them. */
  prepare(origins: readonly string[]): void;
  close(): void;
}

/** Each origin has its own limit, so one that hangs cannot take the connections of another. */
export const makePooledHttpClient = ({ lookup, prepare } = makeNameLookup()): PooledHttpClient => {
  const options = { keepAlive: true, maxSockets: maxConnections, lookup };
  const plainAgent = new http.Agent(options);
  // The SDK's own agent (its `request/defaultAgent.ts`) has the same `minVersion`, but no limit on connections.
  const secureAgent = new https.Agent({ ...options, minVersion: "TLSv1.2" });
  const client = createDefaultHttpClient();
  return {
    sendRequest: (request) => {
      // The SDK's option `agent` would not do: with it the SDK refuses plain HTTP (its `request/RequestHandler.ts`).
      request.agent = request.url.startsWith("https:") ? secureAgent : plainAgent;
      return client.sendRequest(request);
    },
    prepare: (origins) => {
      for (const { hostname } of origins.map((origin) => new URL(origin))) {
        if (isIP(hostname.replace(/^\[|\]$/g, "")) === 0) {
          prepare(hostname);
        }
      }
    },
    close: () => {
      plainAgent.destroy();
      secureAgent.destroy();
    },
  };
};
