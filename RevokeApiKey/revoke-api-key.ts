import { randomUUID } from "node:crypto";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { makeBackoff } from "../shared/backoff";
import { endApiKey, endedBy, KeyType, type ApiKeyHash } from "../shared/domain/api-key";
import { deadlinePassed, type Failure } from "../shared/domain/failure";
import { MerchantId } from "../shared/domain/identifiers";
import { noContent, type Success } from "../shared/http/answer";
import type { FunctionDefinition, Invocation } from "../shared/http/function";
import { decodeFields } from "../shared/http/request";

interface Dependencies {
  readonly clock: () => Date;
}

const Path = t.type({ merchant_id: MerchantId, key_type: KeyType });

/** Called by the merchants' portal: revokes a key, whether or not there is one. */
export const revokeApiKey: FunctionDefinition<Dependencies> = {
  name: "RevokeApiKey",
  route: "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}",
  methods: ["DELETE"],
  authLevel: "function",
  audience: "developer",
  make: (dependencies) => async (request, invocation) => {
    const path = decodeFields(Path, request.params);
    if (E.isLeft(path)) {
      return path;
    }
    invocation.note({ merchantId: path.right.merchant_id });
    return revoke(path.right, invocation, dependencies);
  },
};

/**
 * Writes even if there is no key: the write of a regeneration that ended without an answer may still arrive, and this one makes
 * its condition fail.
 */
const revoke = async (
  { merchant_id: merchantId, key_type: keyType }: t.TypeOf<typeof Path>,
  { store, signal, onApiKeyChange }: Invocation,
  { clock }: Dependencies,
): Promise<Either<Failure, Success>> => {
  const callId = randomUUID();
  /** Written, but not known to be applied: the log of each. */
  const pending = new Map<ApiKeyHash, () => void>();
  const nextAttempt = makeBackoff(signal);
  while (await nextAttempt()) {
    const read = await store.findApiKeys(merchantId);
    if (E.isLeft(read)) {
      return read;
    }
    const apiKeys = read.right?.value ?? {};
    const key = apiKeys[keyType];
    const applied = endedBy(apiKeys, keyType, callId).filter((hash) => pending.has(hash));
    for (const hash of applied) {
      pending.get(hash)?.();
      pending.delete(hash);
    }
    if (applied.length > 0 && key === undefined) {
      return E.right(noContent);
    }
    const now = clock();
    const log = (): void => {
      if (key !== undefined) {
        onApiKeyChange({ merchantId, keyType, change: "revoked", formerHint: key.hint, changedAt: now });
      }
    };
    const outcome = await store.putApiKeys(
      merchantId,
      endApiKey(apiKeys, keyType, { callId, now }),
      read.right?.etag,
    );
    if (E.isLeft(outcome)) {
      return outcome;
    }
    if (outcome.right === "written") {
      log();
      return E.right(noContent);
    }
    if (key !== undefined) {
      pending.set(key.hash, log);
    }
  }
  return E.left(deadlinePassed);
};
