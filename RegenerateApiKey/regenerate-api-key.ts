import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { hashApiKey, KeyType, makeApiKey } from "../shared/api-key";
import type { StoredApiKey } from "../shared/api-key";
import { makeBackoff } from "../shared/backoff";
import { unsettled } from "../shared/failure";
import type { Failure } from "../shared/failure";
import { decodeFields, json, makeHttpFunction } from "../shared/http";
import type { HttpFunction, Invocation, Runtime, Success, Undo } from "../shared/http";
import { MerchantId } from "../shared/identifiers";

interface Dependencies {
  readonly runtime: Runtime;
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
    dependencies.runtime,
    async (request, invocation) => {
      const path = decodeFields(Path, request.params);
      if (E.isLeft(path)) {
        return path;
      }
      invocation.setMerchantId(path.right.merchant_id);
      return regenerateApiKey(path.right.merchant_id, path.right.key_type, invocation, dependencies);
    },
  );

/**
 * Replaces one key and keeps the other, on condition that neither changed since they were read. A write whose
 * answer was lost is recognised by the new key's hash.
 */
const regenerateApiKey = async (
  merchantId: MerchantId,
  keyType: KeyType,
  { store, signal, ifUnanswered }: Invocation,
  { clock }: Dependencies,
): Promise<Either<Failure, Success>> => {
  const apiKey = makeApiKey(merchantId);
  const renewed = { hash: hashApiKey(apiKey), createdAt: clock() };
  const answer = E.right(
    json({
      merchant_id: merchantId,
      key_type: keyType,
      api_key: apiKey,
      created_at: renewed.createdAt.toISOString(),
    }),
  );
  const another = makeBackoff(signal);
  while (await another()) {
    const read = await store.findApiKeys(merchantId);
    if (E.isLeft(read)) {
      return read;
    }
    const current = read.right;
    const replaced = current?.value[keyType];
    if (replaced?.hash === renewed.hash) {
      return answer;
    }
    if (current !== undefined && replaced !== undefined) {
      ifUnanswered(restoreApiKey(merchantId, keyType, current.etag, replaced, renewed));
    }
    const apiKeys = { ...current?.value, [keyType]: renewed };
    if ((await store.putApiKeys(merchantId, apiKeys, current?.etag)) === "written") {
      return answer;
    }
  }
  return E.left(unsettled);
};

/**
 * Puts the replaced key in force again: the merchant's shop still sends it, and nobody was told the one that
 * replaced it. Where the write has not been applied it is kept from being so later, by a write before it.
 */
const restoreApiKey =
  (
    merchantId: MerchantId,
    keyType: KeyType,
    etag: string,
    replaced: StoredApiKey,
    renewed: StoredApiKey,
  ): Undo =>
  async ({ store, signal }) => {
    const another = makeBackoff(signal);
    while (await another()) {
      const current = await store.findApiKeys(merchantId);
      if (E.isLeft(current)) {
        continue;
      }
      const isApplied = current.right?.value[keyType]?.hash === renewed.hash;
      if (current.right === undefined || (!isApplied && current.right.etag !== etag)) {
        return;
      }
      const restored = { ...current.right.value, [keyType]: replaced };
      if ((await store.putApiKeys(merchantId, restored, current.right.etag)) === "written") {
        return;
      }
    }
  };
