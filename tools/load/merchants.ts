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

interface MadeMerchants {
  readonly merchants: readonly Merchant[];
  /** Those that may have a key: also the ones of whose key no answer came. */
  readonly merchantIds: readonly string[];
  /** Why not every merchant has a key. */
  readonly refusal: string | undefined;
}

export const describeFailure = ({ status, name }: Failure): string =>
  status === undefined ? name : `${status}, ${name}`;

const explainRefusal = (failure: Failure, functionKey: string | undefined): string =>
  failure.status !== 401 && failure.status !== 403
    ? `A merchant's key could not be made (${describeFailure(failure)}), so the run did not begin.`
    : functionKey === undefined
      ? "A deployed service asks for its function key: set FUNCTION_KEY."
      : "FUNCTION_KEY is not a function key of this service.";

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
  const revoke = async (merchantId: string): Promise<readonly string[]> => {
    for (let times = 0; times < 3; times += 1) {
      await pause(times * 500);
      const { outcome } = await client.call(performance.now(), t.unknown, (api) => api.revoke(merchantId));
      if (E.isRight(outcome)) {
        return [];
      }
    }
    return [merchantId];
  };
  return (await Promise.all(merchantIds.map(revoke))).flat();
};
