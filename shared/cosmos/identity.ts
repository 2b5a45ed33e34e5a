/**
 * The tokens with which an app's managed identity asks the store: docs/decisions/0014-account-key-or-identity.md.
 *
 * The protocol is App Service's, version 2019-08-01
 * (https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference).
 */
import { createHttpHeaders, createPipelineRequest, type HttpClient } from "@azure/core-rest-pipeline";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import type { ManagedIdentity } from "../config";
import { parseJson } from "../json";
import { notSent } from "./error";

/** When the token endpoint is asked, in ms. */
export interface IdentityTiming {
  /** Longer than a call: a first token was seen to take 5.7 s (dotnet/SqlClient, issue 1403). */
  readonly patienceMs: number;
  readonly afterFailureMs: number;
  readonly betweenRefusalsMs: number;
}

export const identityTiming: IdentityTiming = {
  patienceMs: 10_000,
  afterFailureMs: 250,
  betweenRefusalsMs: 3_000,
};

/** In ms, even if the token claims a longer life. */
const longestUntilRenewal = 12 * 60 * 60 * 1000;

export interface Identity {
  /** Rejects with a `TokenError` when there is none. */
  readonly token: () => Promise<string>;
  /** Another token than this one, which the store refused; undefined if there is none. */
  readonly replace: (refused: string) => Promise<string | undefined>;
}

/** Why there is no token, in words for the log: nothing that the endpoint said but its status. */
export class TokenError extends Error {
  constructor(reason: string) {
    super(notSent("no token", reason));
  }
}

interface Token {
  readonly value: string;
  /** On a monotonic clock: changing the system time must not revive a token. */
  readonly renewAt: number;
  readonly endsAt: number;
}

const TokenAnswer = t.type({ access_token: t.string, expires_on: t.union([t.string, t.number]) });

/** `b64token` of RFC 6750, section 2.1, as long as servers accept at most. */
const tokenPattern = /^[\w.~+/-]{1,16000}={0,2}$/;

const secondsPattern = /^\d{1,15}$/;

/** The tenant does not know the account by its name (the SDK's `common/constants.ts`). */
const unknownResource = "AADSTS500011";

/** The name under which every tenant knows Azure Cosmos DB (`AAD_DEFAULT_SCOPE` in the SDK's `common/constants.ts`). */
const commonResource = "https://cosmos.azure.com";

export interface IdentityOptions {
  readonly identity: ManagedIdentity;
  readonly account: string;
  readonly sender: HttpClient;
  readonly timing?: IdentityTiming;
  readonly now?: () => number;
}

export const makeIdentity = ({
  identity,
  account,
  sender,
  timing = identityTiming,
  now = () => performance.now(),
}: IdentityOptions): Identity => {
  let inForce: Token | undefined;
  let fetching: Promise<Token> | undefined;
  let lastFailure: { readonly error: unknown; readonly at: number } | undefined;
  let lastReplacedAt = -Infinity;

  const ask = async (resource: string): Promise<{ readonly status: number; readonly body: string }> => {
    const url = new URL(identity.endpoint);
    url.searchParams.set("api-version", "2019-08-01");
    url.searchParams.set("resource", resource);
    if (identity.clientId !== undefined) {
      url.searchParams.set("client_id", identity.clientId);
    }
    const request = createPipelineRequest({
      url: url.href,
      headers: createHttpHeaders({ "X-IDENTITY-HEADER": identity.header }),
      // The platform's endpoint is plain HTTP, on an address that only the app's instance can reach.
      allowInsecureConnection: true,
      abortSignal: AbortSignal.timeout(timing.patienceMs),
    });
    const { status, bodyAsText } = await sender.sendRequest(request).catch(() => {
      throw new TokenError("no answer");
    });
    return { status, body: bodyAsText ?? "" };
  };

  const fetchToken = async (): Promise<Token> => {
    // The SDK asks for both in this order for `aadCredentials` (its `ClientContext.ts`).
    const first = await ask(new URL(account).origin);
    const { status, body } =
      first.status !== 200 && first.body.includes(unknownResource) ? await ask(commonResource) : first;
    if (status !== 200) {
      throw new TokenError(String(status));
    }
    return toToken(body, now());
  };

  const startFetching = async (): Promise<Token> => {
    try {
      inForce = await fetchToken();
      lastFailure = undefined;
      return inForce;
    } catch (error) {
      lastFailure = { error, at: now() };
      throw error;
    } finally {
      fetching = undefined;
    }
  };

  /** One renewal for all simultaneous callers. */
  const renew = async (): Promise<Token> => {
    if (lastFailure !== undefined && now() - lastFailure.at < timing.afterFailureMs) {
      throw lastFailure.error;
    }
    return (fetching ??= startFetching());
  };

  return {
    token: async () => {
      const time = now();
      if (inForce === undefined || time >= inForce.endsAt) {
        return (await renew()).value;
      }
      if (time >= inForce.renewAt) {
        // The current token serves until there is another.
        renew().catch(() => undefined);
      }
      return inForce.value;
    },
    replace: async (refused) => {
      if (inForce !== undefined && inForce.value !== refused) {
        return inForce.value;
      }
      if (now() - lastReplacedAt < timing.betweenRefusalsMs) {
        return undefined;
      }
      const { value } = await renew();
      lastReplacedAt = now();
      return value === refused ? undefined : value;
    },
  };
};

const toToken = (body: string, time: number): Token => {
  const answer = TokenAnswer.decode(parseJson(body));
  if (
    E.isLeft(answer) ||
    !tokenPattern.test(answer.right.access_token) ||
    !secondsPattern.test(String(answer.right.expires_on))
  ) {
    throw new TokenError("nonsense");
  }
  const lifetimeMs = Number(answer.right.expires_on) * 1000 - Date.now();
  if (lifetimeMs <= 0) {
    throw new TokenError("nonsense");
  }
  // With a token for a day, the endpoint may be away for half a day.
  return {
    value: answer.right.access_token,
    renewAt: time + Math.min(lifetimeMs / 2, longestUntilRenewal),
    endsAt: time + lifetimeMs,
  };
};
