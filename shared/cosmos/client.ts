/** The client of the SDK: its settings, and how each of its requests is sent, and to which region. */
import { CosmosClient, isRestError, RestError } from "@azure/cosmos";
import type { DatabaseAccount, ResourceResponse } from "@azure/cosmos";
import type { HttpClient, PipelineRequest, PipelineResponse } from "@azure/core-rest-pipeline";
import type { CosmosConfig } from "../config";
import { severalWriteRegions, withoutToken } from "./error";
import { makeIdentity, TokenError } from "./identity";
import type { Identity } from "./identity";
import { makeRegions } from "./regions";
import { makePooledHttpClient } from "./http-client";

/** When the account is read again. */
export interface AccountTiming {
  /** What is known of it may be as old as that, in ms; the request that finds it older has it read beside itself. */
  readonly maxAgeMs: number;
  /** When a region does not do what it should, the account is read, but not again within this time, in ms. */
  readonly minAgeMs: number;
}

/** A failover is known of within half a minute, with the time that it takes to find a region that tells. */
export const accountTiming: AccountTiming = { maxAgeMs: 20_000, minAgeMs: 2_000 };

/**
 * After a rest of so many times the age that is fit for use, a write waits for what the account says now: the write region
 * may have changed twice.
 */
const longestRest = 3;

/** What the log says of a request that was given up. */
export const noAnswer = "no answer in time";

export interface RegionalClient {
  readonly client: CosmosClient;
  /** Reads the account, once for all who ask at the same time. Rejects as the SDK does. */
  readonly readAccount: () => Promise<ResourceResponse<DatabaseAccount>>;
  /** Lets no more requests be made, and ends what the client does by itself. */
  readonly dispose: () => void;
}

/** @param patienceMs how long one request may take. */
export const makeRegionalClient = (
  config: CosmosConfig,
  patienceMs: number,
  timing: AccountTiming,
): RegionalClient => {
  const sender = makePooledHttpClient();
  const { credential } = config;
  const identity =
    credential.kind === "identity"
      ? makeIdentity({ identity: credential, account: config.endpoint, sender })
      : undefined;
  const regions = makeRegions(new URL(config.endpoint).origin);
  let isDisposed = false;
  let reading: Promise<ResourceResponse<DatabaseAccount>> | undefined;
  let lastReadAt = -Infinity;
  let lastHeardAt = -Infinity;
  let refreshing: Promise<void> | undefined;

  const startReading = async (): Promise<ResourceResponse<DatabaseAccount>> => {
    lastReadAt = performance.now();
    try {
      const response = await client.getDatabaseAccount();
      if (response.resource !== undefined) {
        regions.follow(response.resource);
        lastHeardAt = performance.now();
      }
      return response;
    } finally {
      reading = undefined;
    }
  };
  const readAccount = (): Promise<ResourceResponse<DatabaseAccount>> => (reading ??= startReading());

  const readAccountFromAny = async (): Promise<void> => {
    for (let remaining = regions.countForAccount(); remaining > 0 && !isDisposed; remaining -= 1) {
      try {
        await readAccount();
        return;
      } catch {
        // The next one is read from another region, since this one is under suspicion now.
      }
    }
  };

  /** Has the account read, in the background, unless that was done within this time. */
  const refresh = (ageMs: number): void => {
    if (refreshing === undefined && performance.now() - lastReadAt >= ageMs) {
      refreshing = readAccountFromAny().finally(() => {
        refreshing = undefined;
      });
    }
  };

  const doubt = (endpoint: string): void => {
    regions.suspect(endpoint);
    refresh(timing.minAgeMs);
  };

  /** Undefined for a write that no region may be given. A client that is cold gets to know the account first. */
  const endpointFor = async (request: PipelineRequest, path: string): Promise<string | undefined> => {
    if (path === "/") {
      return regions.forAccount();
    }
    const isWrite = request.method !== "GET";
    if (regions.areKnown()) {
      refresh(timing.maxAgeMs);
      if (isWrite && performance.now() - lastHeardAt > longestRest * timing.maxAgeMs) {
        await Promise.race([refreshing, untilAborted(request, noAnswer)]);
      }
    } else {
      await Promise.race([readAccount(), untilAborted(request, noAnswer)]);
    }
    return isWrite ? regions.forWrite() : regions.forRead();
  };

  const sendToRegion = async (request: PipelineRequest): Promise<PipelineResponse> => {
    const { pathname, search } = new URL(request.url);
    const endpoint = await endpointFor(request, pathname);
    if (endpoint === undefined) {
      throw new RestError(severalWriteRegions, { code: severalWriteRegions, request });
    }
    request.url = `${endpoint}${pathname}${search}`;
    const start = performance.now();
    let response: PipelineResponse;
    try {
      response = await sender.sendRequest(request);
    } catch (error) {
      // That a caller's time is up says something of the region only if it was given a good part of what it may take.
      if (request.abortSignal?.aborted !== true || performance.now() - start > patienceMs / 2) {
        doubt(endpoint);
      }
      throw error;
    }
    const refusal = refusalOf(response);
    if (refusal === "403/3") {
      refresh(timing.minAgeMs);
    } else if (refusal !== undefined || response.status === 503) {
      doubt(endpoint);
    } else {
      regions.trust(endpoint);
    }
    if (refusal !== undefined) {
      throw new RestError(refusal, { code: refusal, request });
    }
    return response;
  };

  const send = (request: PipelineRequest): Promise<PipelineResponse> =>
    config.isSingleCopy ? sender.sendRequest(request) : sendToRegion(request);

  /** A call that the store refuses because of its token was not applied, and is made again with another one, once. */
  const sendAs = async (
    { token, replace }: Identity,
    request: PipelineRequest,
  ): Promise<PipelineResponse> => {
    const outOfTime = untilAborted(request, withoutToken(noAnswer));
    const first = await Promise.race([token(), outOfTime]);
    request.headers.set("authorization", toAuthorization(first));
    const response = await send(request);
    if (!refusesToken(response)) {
      return response;
    }
    const second = await Promise.race([replace(first), outOfTime]);
    if (second === undefined) {
      return response;
    }
    request.headers.set("authorization", toAuthorization(second));
    return send(request);
  };

  const httpClient: HttpClient = {
    sendRequest: async (request) => {
      if (isDisposed) {
        throw new RestError("disposed of", { code: "disposed of", request });
      }
      try {
        return await (identity === undefined ? send(request) : sendAs(identity, request));
      } catch (error) {
        const reason = isRestError(error) ? error.code : error instanceof Error ? error.name : undefined;
        // All that wait for one token are given one error, and the SDK writes its diagnostics into an error.
        const code = error instanceof TokenError ? error.code : ownWords.get(reason ?? "");
        throw code === undefined ? error : new RestError(code, { code, request });
      }
    },
  };

  const client = new CosmosClient({
    endpoint: config.endpoint,
    ...(credential.kind === "key"
      ? { key: credential.key }
      : {
          // `aadCredentials` refuses plain HTTP and keeps a token that the store refused (the bearerTokenAuthenticationPolicy
          // of core-rest-pipeline). This makes the SDK date its requests (request/request.js). It asks before the request's
          // time begins and knows no signal (ClientContext.js, auth.js), so our HTTP client puts the token instead.
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
      requestTimeout: patienceMs,
      // The SDK would wait as long as a 429 says, even past the end of the call (retry/resourceThrottleRetryPolicy.js).
      retryOptions: {
        maxRetryAttemptCount: 0,
        fixedRetryIntervalInMilliseconds: 0,
        maxWaitTimeInSeconds: 0,
      },
    },
  });

  return {
    client,
    readAccount,
    dispose: () => {
      isDisposed = true;
      client.dispose();
      sender.close();
    },
  };
};

/**
 * What kept a request from being answered, in words for the log. Under the codes of a lost connection the SDK would send a
 * read again by itself, 10 times and a second apart (retry/defaultRetryPolicy.js); under one that it does not know, all is
 * left to who called it, who does not keep a checkout waiting and stops when the call is over.
 */
const ownWords = new Map([
  ["ECONNRESET", "lost connection (ECONNRESET)"],
  ["EPIPE", "lost connection (EPIPE)"],
  ["ENOTFOUND", "no address (ENOTFOUND)"],
  ["AbortError", noAnswer],
]);

/**
 * How a region says that it is not the one to ask: it takes no writes (3), or has left the account (1008). That passes,
 * unlike another 403, so it is given a code of its own.
 */
const refusalOf = ({ status, headers }: PipelineResponse): "403/3" | "403/1008" | undefined => {
  const substatus = status === 403 ? headers.get("x-ms-substatus") : undefined;
  return substatus === "3" || substatus === "1008" ? `403/${substatus}` : undefined;
};

/** As the SDK writes it for a token of Microsoft Entra ID (its ClientContext.js) and encodes it (its auth.js). */
const toAuthorization = (token: string): string => encodeURIComponent(`type=aad&ver=1.0&sig=${token}`);

/** 403/5300 is what a token that has ended is answered with (azure-sdk-for-python, issue 45886). */
const refusesToken = (response: PipelineResponse): boolean =>
  response.status === 401 || (response.status === 403 && refusalOf(response) === undefined);

/** Never resolves; rejects when nobody waits for the answer any more. */
const untilAborted = (request: PipelineRequest, code: string): Promise<never> =>
  new Promise((_, reject) => {
    const giveUp = (): void => {
      reject(new RestError(code, { code, request }));
    };
    if (request.abortSignal?.aborted === true) {
      giveUp();
    } else {
      request.abortSignal?.addEventListener("abort", giveUp);
    }
  });
