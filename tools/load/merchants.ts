/** The merchants of a run. They are made for it, and their keys are revoked after it. */
import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { ApiKeyBody } from "../../shared/http/bodies";
import type { Client, Failure } from "./client";

export interface Merchant {
  readonly merchantId: string;
  readonly apiKey: string;
}

export interface MadeMerchants {
  readonly merchants: readonly Merchant[];
  /** Those that may have a key: also the ones of whose key no answer came. */
  readonly merchantIds: readonly string[];
  /** Why not every merchant has a key. */
  readonly refusal: string | undefined;
}

export const describeFailure = ({ status, name }: Failure): string =>
  status === undefined ? name : `${status}, ${name}`;

const explainRefusal = (failure: Failure, functionKey: string | undefined): string => {
  if (failure.status === 401 || failure.status === 403) {
    const refused = `The service refused to make a merchant's key (${failure.status}).`;
    return functionKey === undefined
      ? `${refused} A deployed service asks for its function key: set FUNCTION_KEY.`
      : `${refused} FUNCTION_KEY is not a function key of this service.`;
  }
  return `A merchant's key could not be made (${describeFailure(failure)}), so the run did not begin.`;
};

export const makeMerchants = async (
  client: Client,
  merchantIds: readonly string[],
  functionKey: string | undefined,
): Promise<MadeMerchants> => {
  const merchants: Merchant[] = [];
  for (const [index, merchantId] of merchantIds.entries()) {
    const { outcome } = await client.call(performance.now(), ApiKeyBody, (api) => api.regenerate(merchantId));
    if (E.isLeft(outcome)) {
      const isCertain = outcome.left.status !== undefined && outcome.left.status < 500;
      return {
        merchants,
        merchantIds: merchantIds.slice(0, isCertain ? index : index + 1),
        refusal: explainRefusal(outcome.left, functionKey),
      };
    }
    merchants.push({ merchantId, apiKey: outcome.right.api_key });
  }
  return { merchants, merchantIds, refusal: undefined };
};

/** @returns those whose key could not be revoked. */
export const revokeKeys = async (
  client: Client,
  merchantIds: readonly string[],
): Promise<readonly string[]> => {
  const isRevoked = async (merchantId: string): Promise<boolean> =>
    E.isRight((await client.call(performance.now(), t.unknown, (api) => api.revoke(merchantId))).outcome);
  const left: string[] = [];
  for (const merchantId of merchantIds) {
    let done = await isRevoked(merchantId);
    // A service that answers nothing would not answer the others' repetitions either.
    for (let again = 0; again < 2 && !done && left.length === 0; again += 1) {
      await pause(500);
      done = await isRevoked(merchantId);
    }
    if (!done) {
      left.push(merchantId);
    }
  }
  return left;
};
