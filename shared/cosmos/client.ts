/** The client of the SDK: its settings, and what its requests go through. */
import { CosmosClient } from "@azure/cosmos";
import type { HttpClient } from "@azure/core-rest-pipeline";
import type { CosmosConfig } from "../config";
import { makeAccountWatch } from "./account-watch";
import type { AccountResponse, AccountTiming } from "./account-watch";
import { notSent } from "./error";
import type { PooledHttpClient } from "./http-client";
import { makeIdentity } from "./identity";
import { makeRegions } from "./regions";
import { failWith, makeReadable, withRegions, withToken } from "./transport";

export interface RegionalClient {
  readonly client: CosmosClient;
  /** Reads the account, once for all who ask at the same time. Rejects as the SDK does. */
  readonly readAccount: () => Promise<AccountResponse>;
  /** How many regions can answer a read. */
  readonly countForRead: () => number;
  /** Lets no more requests be made, and ends what the client does by itself. */
  readonly dispose: () => void;
}

export interface RegionalClientOptions {
  /** How long one request may take, in ms. */
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
            // `aadCredentials` refuses plain HTTP and keeps a token that the store refused (the
            // bearerTokenAuthenticationPolicy of core-rest-pipeline). This makes the SDK date its requests
            // (request/request.js). It asks before the request's time begins and knows no signal (ClientContext.js,
            // auth.js), so our HTTP client puts the token instead.
            tokenProvider: () => Promise.resolve(""),
          }),
      httpClient,
      // All that is said of the SDK here was read in its version 4.10.1.
      connectionPolicy: {
        // The SDK sends everything to `endpoint`, and repeats nothing elsewhere, or because it has no address, was refused
        // there, or took too long (globalEndpointManager.js, retry/endpointDiscoveryRetryPolicy.js,
        // retry/timeoutFailoverRetryPolicy.js, retry/sessionRetryPolicy.js): from there our HTTP client takes it.
        enableEndpointDiscovery: false,
        // Otherwise each request says that its write may be tentative, which is what lets a second write region accept it
        // (ClientContext.js hands this setting to request/request.js).
        useMultipleWriteLocations: false,
        // To fail over a partition by itself the SDK queries, before a container's first use, how it is partitioned. An
        // account with one write region fails over as a whole.
        enablePartitionLevelFailover: false,
        // A call that hangs is given up while there is time left to look what became of it (request/RequestHandler.js).
        requestTimeout,
        // The SDK would wait as long as a 429 says, even past the end of the call (retry/resourceThrottleRetryPolicy.js).
        retryOptions: {
          maxRetryAttemptCount: 0,
          fixedRetryIntervalInMilliseconds: 0,
          maxWaitTimeInSeconds: 0,
        },
      },
    });

  // A setting may make it shorter, so that Info sees the next endpoint within its time, but never longer.
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
    readAt: (at, signal) => readerAt(at).getDatabaseAccount({ abortSignal: signal }),
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
