import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { hashApiKey, KeyType, makeApiKey } from "../shared/api-key";
import type { Failure } from "../shared/failure";
import { decodeFields, makeHttpFunction } from "../shared/http";
import type { HttpFunction, Success } from "../shared/http";
import { MerchantId } from "../shared/identifiers";
import { maxAttempts, unsettled } from "../shared/store";
import type { ApiKeyStore } from "../shared/store";

interface Dependencies {
  readonly store: ApiKeyStore;
  readonly clock: () => Date;
}

const Path = t.type({ merchant_id: MerchantId, key_type: KeyType });

/** Called by the merchants' portal: makes a key, or makes another in place of one, and shows it this once. */
export const makeRegenerateApiKey = (dependencies: Dependencies): HttpFunction =>
  makeHttpFunction(
    {
      name: "RegenerateApiKey",
      route: "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}",
      methods: ["POST"],
      authLevel: "function",
    },
    async (request) => {
      const path = decodeFields(Path, request.params);
      return E.isLeft(path)
        ? path
        : regenerateApiKey(path.right.merchant_id, path.right.key_type, dependencies);
    },
  );

/** Replaces one key and keeps the other, on condition that neither changed since they were read. */
const regenerateApiKey = async (
  merchantId: MerchantId,
  keyType: KeyType,
  { store, clock }: Dependencies,
): Promise<Either<Failure, Success>> => {
  const apiKey = makeApiKey(merchantId);
  const stored = { hash: hashApiKey(apiKey), createdAt: clock() };
  const answer = E.right({
    merchant_id: merchantId,
    key_type: keyType,
    api_key: apiKey,
    created_at: stored.createdAt.toISOString(),
  });
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const current = await store.findApiKeys(merchantId);
    if (E.isLeft(current)) {
      return current;
    }
    // A write of this call's whose answer was lost.
    if (current.right?.value[keyType]?.hash === stored.hash) {
      return answer;
    }
    const apiKeys = { ...current.right?.value, [keyType]: stored };
    if ((await store.putApiKeys(merchantId, apiKeys, current.right?.etag)) === "written") {
      return answer;
    }
  }
  return E.left(unsettled);
};
