import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { makeBackoff } from "../shared/backoff";
import {
  holdsApiKey,
  KeyType,
  makeApiKey,
  replaceApiKey,
  toStoredApiKey,
  withdrawApiKey,
} from "../shared/domain/api-key";
import type { ApiKeyHash } from "../shared/domain/api-key";
import { Defect, deadlinePassed } from "../shared/domain/failure";
import type { Failure } from "../shared/domain/failure";
import { MerchantId } from "../shared/domain/identifiers";
import { json } from "../shared/http/answer";
import type { Success } from "../shared/http/answer";
import type { ApiKeyBody } from "../shared/http/bodies";
import { makeHttpFunction } from "../shared/http/function";
import type { FunctionDefinition, HttpFunction, Invocation, Runtime, Undo } from "../shared/http/function";
import { decodeFields } from "../shared/http/request";

interface Dependencies {
  readonly runtime: Runtime;
  readonly clock: () => Date;
}

const Path = t.type({ merchant_id: MerchantId, key_type: KeyType });

export const regenerateApiKeyDefinition: FunctionDefinition = {
  name: "RegenerateApiKey",
  route: "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}",
  methods: ["POST"],
  authLevel: "function",
};

/** Called by the merchants' portal: makes a key, or makes another in place of one, and shows it this once. */
export const makeRegenerateApiKey = (dependencies: Dependencies): HttpFunction =>
  makeHttpFunction(regenerateApiKeyDefinition, dependencies.runtime, async (request, invocation) => {
    const path = decodeFields(Path, request.params);
    if (E.isLeft(path)) {
      return path;
    }
    invocation.setMerchantId(path.right.merchant_id);
    return regenerateApiKey(path.right.merchant_id, path.right.key_type, invocation, dependencies);
  });

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
  const renewed = toStoredApiKey(apiKey, clock());
  const answer = E.right(
    json({
      merchant_id: merchantId,
      key_type: keyType,
      api_key: apiKey,
      created_at: renewed.createdAt.toISOString(),
    } satisfies ApiKeyBody),
  );
  const nextAttempt = makeBackoff(signal);
  while (await nextAttempt()) {
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
      ifUnanswered(undoRegeneration(merchantId, keyType, renewed.hash, current.etag));
    }
    const apiKeys = { ...current?.value, [keyType]: replaceApiKey(replaced, renewed) };
    const outcome = await store.putApiKeys(merchantId, apiKeys, current?.etag);
    if (E.isLeft(outcome)) {
      return outcome;
    }
    if (outcome.right === "written") {
      return answer;
    }
  }
  return E.left(deadlinePassed);
};

/**
 * Withdraws a key that nobody was told, so that the merchant's shop can go on with the one that it still sends.
 * @param etag what the last write was conditional on: while it is still there that write may yet be applied, and is kept
 *   from it by one before it.
 */
const undoRegeneration =
  (merchantId: MerchantId, keyType: KeyType, hash: ApiKeyHash, etag: string): Undo =>
  async ({ store, signal }) => {
    const nextAttempt = makeBackoff(signal);
    while (await nextAttempt()) {
      const read = await store.findApiKeys(merchantId);
      if (E.isLeft(read)) {
        continue;
      }
      const current = read.right;
      const key = current?.value[keyType];
      const left = withdrawApiKey(key, hash);
      if (current === undefined || left === undefined || (!holdsApiKey(key, hash) && current.etag !== etag)) {
        return;
      }
      const apiKeys = { ...current.value, [keyType]: left };
      const outcome = await store.putApiKeys(merchantId, apiKeys, current.etag);
      if (E.isRight(outcome) && outcome.right === "written") {
        return;
      }
    }
    throw new Defect("a key that nobody was told may have replaced one that is in use");
  };
