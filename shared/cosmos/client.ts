/** The client of the SDK: its settings, and what its requests go through. */
import { CosmosClient } from "@azure/cosmos";
import type { HttpClient } from "@azure/core-rest-pipeline";
import type { CosmosConfig } from "../config";
import { makeAccountWatch, type AccountResponse, type AccountTiming } from "./account-watch";
import { notSent } from "./error";
import type { PooledHttpClient } from "./http-client";
import { makeIdentity } from "./identity";
import { makeRegions } from "./regions";
import { failWith, makeReadable, withRegions, withToken } from "./transport";

export interface RegionalClient {
  readonly client: CosmosClient;
  readonly readAccount: () => Promise<AccountResponse>;
  readonly countForRead: () => number;
  readonly dispose: () => void;
}

export interface RegionalClientOptions {
  readonly patienceMs: number;
  readonly timing: AccountTiming;
  readonly connections: PooledHttpClient;
}

export const makeRegionalClient = (
  { endpoint, credential, isSingleCopy }: CosmosConfig,
  { patienceMs, timing, connections }: RegionalClientOptions,
): RegionalClient => {
  const sender =
    credential.kind === "identity"
      ? withToken(
          makeIdentity({ identity: credential, account: endpoint, sender: connections }),
          makeReadable(connections),
        )
      : makeReadable(connections);

  const makeClient = (at: string, requestTimeout: number, httpClient: HttpClient): CosmosClient =>
    new CosmosClient({
      endpoint: at,
      ...(credential.kind === "key"
        ? { key: credential.key }
        : {
            // `aadCredentials` refuses plain HTTP and keeps a token that the store refused. With this the SDK dates its
            // requests (request/request.js), and our HTTP client puts the token.
            tokenProvider: () => Promise.resolve(""),
          }),
      httpClient,
      // These comments describe the SDK's version 4.10.1.
      connectionPolicy: {
        // The SDK repeats nothing elsewhere (globalEndpointManager.js, retry/endpointDiscoveryRetryPolicy.js,
        // retry/timeoutFailoverRetryPolicy.js, retry/sessionRetryPolicy.js): our HTTP client chooses the region.
        enableEndpointDiscovery: false,
        // Otherwise a second write region would accept writes (ClientContext.js, request/request.js).
        useMultipleWriteLocations: false,
        // An account with one write region fails over as a whole.
        enablePartitionLevelFailover: false,
        // After a hanging write there is still time to read its outcome (request/RequestHandler.js).
        requestTimeout,
        // The SDK would wait as long as a 429 says, even past the end of the call (retry/resourceThrottleRetryPolicy.js).
        retryOptions: {
          maxRetryAttemptCount: 0,
          fixedRetryIntervalInMilliseconds: 0,
          maxWaitTimeInSeconds: 0,
        },
      },
    });

  // Info must see the next endpoint within its time.
  const accountPatienceMs = Math.min(timing.patienceMs, patienceMs);
  /** The SDK sends all requests of a client to one endpoint (retry/retryUtility.js), so each endpoint has a reader. */
  const readers = new Map<string, CosmosClient>();
  const readerAt = (at: string): CosmosClient => {
    const reader = readers.get(at) ?? makeClient(at, accountPatienceMs, sender);
    readers.set(at, reader);
    return reader;
  };
  const regions = makeRegions(new URL(endpoint).origin);
  const watch = makeAccountWatch({
    readAt: async (at, signal) => {
      const response = await readerAt(at).getDatabaseAccount({ abortSignal: signal });
      // The SDK makes empty lists of an answer without any, such as `{}`. Only an emulator has no write region.
      if (!isSingleCopy && response.resource?.writableLocations.length === 0) {
        throw new Error("no write region");
      }
      return response;
    },
    regions,
    onFollow: ({ readableLocations, writableLocations }) => {
      connections.prepare(
        [...writableLocations, ...readableLocations].map((location) => location.databaseAccountEndpoint),
      );
    },
    timing: { ...timing, patienceMs: accountPatienceMs },
  });

  let isDisposed = false;
  const regional = isSingleCopy ? sender : withRegions({ regions, watch, patienceMs }, sender);
  const client = makeClient(endpoint, patienceMs, {
    sendRequest: (request) =>
      isDisposed ? Promise.reject(failWith(notSent("disposed of"), request)) : regional.sendRequest(request),
  });

  return {
    client,
    readAccount: watch.read,
    countForRead: regions.countForRead,
    dispose: () => {
      isDisposed = true;
      watch.stop();
      [client, ...readers.values()].forEach((each) => {
        each.dispose();
      });
      connections.close();
    },
  };
};
