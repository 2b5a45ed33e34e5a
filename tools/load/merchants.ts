/** The merchants of a run. They are made for it, and their keys are revoked after it. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client, Outcome } from "./client";

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

/** In the words of a sentence; nothing that a server chose. */
export const describeOutcome = (outcome: Outcome<unknown>): string =>
  outcome.kind === "success"
    ? "success"
    : outcome.status === undefined
      ? outcome.name
      : `${outcome.status}, ${outcome.name}`;

const explainRefusal = (outcome: Outcome<unknown>, functionKey: string | undefined): string => {
  if (outcome.kind === "failure" && (outcome.status === 401 || outcome.status === 403)) {
    const refused = `The service refused to make a merchant's key (${outcome.status}).`;
    return functionKey === undefined
      ? `${refused} A deployed service asks for its function key: set FUNCTION_KEY.`
      : `${refused} FUNCTION_KEY is not a function key of this service.`;
  }
  return `A merchant's key could not be made (${describeOutcome(outcome)}), so the run did not begin.`;
};

export const makeMerchants = async (
  client: Client,
  merchantIds: readonly string[],
  functionKey: string | undefined,
): Promise<MadeMerchants> => {
  const merchants: Merchant[] = [];
  for (const [index, merchantId] of merchantIds.entries()) {
    const { outcome } = await client.regenerate(merchantId);
    if (outcome.kind === "failure") {
      const isCertain = outcome.status !== undefined && outcome.status < 500;
      return {
        merchants,
        merchantIds: merchantIds.slice(0, isCertain ? index : index + 1),
        refusal: explainRefusal(outcome, functionKey),
      };
    }
    merchants.push({ merchantId, apiKey: outcome.body.api_key });
  }
  return { merchants, merchantIds, refusal: undefined };
};

/** @returns those whose key could not be revoked. */
export const revokeKeys = async (
  client: Client,
  merchantIds: readonly string[],
): Promise<readonly string[]> => {
  const left: string[] = [];
  for (const merchantId of merchantIds) {
    let { outcome } = await client.revoke(merchantId);
    // A service that answers nothing would not answer the others' repetitions either.
    for (let again = 0; again < 2 && outcome.kind === "failure" && left.length === 0; again += 1) {
      await pause(500);
      ({ outcome } = await client.revoke(merchantId));
    }
    if (outcome.kind === "failure") {
      left.push(merchantId);
    }
  }
  return left;
};
