/** The connections to the store. */
import http from "node:http";
import https from "node:https";
import { createDefaultHttpClient } from "@azure/core-rest-pipeline";
import type { HttpClient } from "@azure/core-rest-pipeline";

/**
 * An instance on Azure can count on 128 SNAT ports to one address and port
 * (https://learn.microsoft.com/azure/app-service/troubleshoot-intermittent-outbound-connection-errors). Some are left for the
 * account's own name, which may lead to the same address as one of its regions', and for connections just closed.
 */
export const maxConnections = 100;

/** An HTTP client that keeps its connections open for the next requests. */
export interface PooledHttpClient extends HttpClient {
  /** Ends all connections, idle or not. */
  close(): void;
}

/**
 * Opens at most `maxConnections` to one origin, so that one that hangs leaves the others' alone. A request waits for a free
 * connection, first come first served, until its signal ends it.
 */
export const makePooledHttpClient = (): PooledHttpClient => {
  const options = { keepAlive: true, maxSockets: maxConnections };
  const plainAgent = new http.Agent(options);
  // As the SDK's own (its `request/defaultAgent.ts`), which has no bound.
  const secureAgent = new https.Agent({ ...options, minVersion: "TLSv1.2" });
  const client = createDefaultHttpClient();
  return {
    sendRequest: (request) => {
      // Here, and not as the SDK's option `agent`: with that it refuses plain HTTP (its `request/RequestHandler.ts`).
      request.agent = request.url.startsWith("https:") ? secureAgent : plainAgent;
      return client.sendRequest(request);
    },
    close: () => {
      plainAgent.destroy();
      secureAgent.destroy();
    },
  };
};
