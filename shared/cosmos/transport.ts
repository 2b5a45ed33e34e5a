/** How each request of the SDK is sent: with which token, and to which endpoint. */
import { isRestError, RestError } from "@azure/cosmos";
import type { HttpClient, PipelineRequest, PipelineResponse } from "@azure/core-rest-pipeline";
import { unlessAborted } from "../unless-aborted";
import { UnknownAccount, type AccountWatch } from "./account-watch";
import { notSent, wasNotSent } from "./error";
import { TokenError, type Identity } from "./identity";
import type { Regions, Usefulness } from "./regions";

/** The log's words for a request that got no answer in time. */
export const noAnswer = "no answer in time";

export const failWith = (code: string, request: PipelineRequest): RestError =>
  new RestError(code, { code, request });

/** Replace codes by which the SDK itself would repeat a read 10 times, a second apart (retry/defaultRetryPolicy.js). */
const ownWords = new Map([
  ["ECONNRESET", "lost connection (ECONNRESET)"],
  ["EPIPE", "lost connection (EPIPE)"],
  ["ENOTFOUND", "no address (ENOTFOUND)"],
  ["AbortError", noAnswer],
]);

/**
 * Every answer of Cosmos DB has an `x-ms-activity-id` (https://learn.microsoft.com/rest/api/cosmos-db/
 * common-cosmosdb-rest-response-headers): a 404 or a success without it is another program's. Without a JSON object in an
 * error the SDK would read no header.
 */
export const makeReadable = (inner: HttpClient): HttpClient => ({
  sendRequest: async (request) => {
    let response: PipelineResponse;
    try {
      response = await inner.sendRequest(request);
    } catch (error) {
      const code = ownWords.get((isRestError(error) ? error.code : undefined) ?? nameOf(error));
      throw code === undefined ? error : failWith(code, request);
    }
    const { status, headers, bodyAsText } = response;
    if ((status < 400 || status === 404) && !headers.has("x-ms-activity-id")) {
      throw failWith(`${status} of another program`, request);
    }
    return status < 400 || isJsonObject(bodyAsText) ? response : { ...response, bodyAsText: "{}" };
  },
});

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "");

const isJsonObject = (text: string | null | undefined): boolean => {
  try {
    const parsed: unknown = JSON.parse(text ?? "");
    return typeof parsed === "object" && parsed !== null;
  } catch {
    return false;
  }
};

/** Puts a token on each request. One whose token the store refuses was not applied, and is sent again with another, once. */
export const withToken = ({ token, replace }: Identity, inner: HttpClient): HttpClient => ({
  sendRequest: async (request) => {
    const give = async <A>(pending: Promise<A>): Promise<A> => {
      try {
        return await unlessAborted(pending, request.abortSignal);
      } catch (error) {
        // All calls that wait for a token share its error, and the SDK writes its diagnostics into an error.
        throw failWith(error instanceof TokenError ? error.message : notSent("no token", noAnswer), request);
      }
    };
    const first = await give(token());
    request.headers.set("authorization", toAuthorization(first));
    const response = await inner.sendRequest(request);
    if (!refusesToken(response)) {
      return response;
    }
    const second = await give(replace(first));
    if (second === undefined) {
      return response;
    }
    request.headers.set("authorization", toAuthorization(second));
    return inner.sendRequest(request);
  },
});

/** As the SDK writes it for a token of Microsoft Entra ID (its ClientContext.js) and encodes it (its auth.js). */
const toAuthorization = (token: string): string => encodeURIComponent(`type=aad&ver=1.0&sig=${token}`);

/** The store answers an expired token with 403/5300 (azure-sdk-for-python, issue 45886). */
const refusesToken = (response: PipelineResponse): boolean =>
  response.status === 401 || (response.status === 403 && refusalOf(response) === undefined);

interface RegionalOptions {
  readonly regions: Regions;
  readonly watch: AccountWatch;
  readonly patienceMs: number;
}

/** Sends each request to a region of the account. The address of a request is not part of its signature. */
export const withRegions = (
  { regions, watch, patienceMs }: RegionalOptions,
  inner: HttpClient,
): HttpClient => ({
  sendRequest: async (request) => {
    const isWrite = request.method !== "GET";
    try {
      await watch.ready(isWrite, request.abortSignal);
    } catch (error) {
      throw failWith(
        notSent("the account", error instanceof UnknownAccount ? error.message : noAnswer),
        request,
      );
    }
    const endpoint = isWrite ? regions.forWrite() : regions.forRead();
    if (endpoint === undefined) {
      throw failWith(notSent("several write regions"), request);
    }
    const start = performance.now();
    const note = (usefulness: Usefulness): void => {
      regions.note(endpoint, isWrite, usefulness, start);
      if (usefulness === "useless" || usefulness === "read-only") {
        watch.doubt();
      }
    };
    const { pathname, search } = new URL(request.url);
    request.url = `${endpoint}${pathname}${search}`;
    let response: PipelineResponse;
    try {
      response = await inner.sendRequest(request);
    } catch (error) {
      // Blame the region for a timeout only if it had at least half of the allowed time.
      const isItsFault = request.abortSignal?.aborted !== true || performance.now() - start > patienceMs / 2;
      if (isItsFault && !(isRestError(error) && wasNotSent(error.code))) {
        note("useless");
      }
      throw error;
    }
    note(usefulnessOf(response));
    const refusal = refusalOf(response);
    if (refusal !== undefined) {
      throw failWith(refusal, request);
    }
    return response;
  },
});

/** Anything that is not named here is useless: another region may do better. */
const usefulnessOf = ({ status, headers }: PipelineResponse): Usefulness => {
  const substatus = Number(headers.get("x-ms-substatus") ?? 0);
  switch (status) {
    case 200:
    case 201:
    // A batch with a failed operation.
    case 207:
      return "useful";
    case 404:
      // 1002: a replica lags behind.
      return substatus === 0 ? "useful" : substatus === 1002 ? "passing" : "useless";
    case 409:
    case 412:
    case 413:
      return "useful";
    case 408:
    case 410:
    case 429:
    case 449:
      return "passing";
    case 403:
      return substatus === 3 ? "read-only" : "useless";
    default:
      return "useless";
  }
};

/** It takes no writes (3), or has left the account (1008). That passes, unlike another 403. */
const refusalOf = ({ status, headers }: PipelineResponse): string | undefined => {
  const substatus = headers.get("x-ms-substatus");
  return status === 403 && (substatus === "3" || substatus === "1008") ? `403/${substatus}` : undefined;
};
