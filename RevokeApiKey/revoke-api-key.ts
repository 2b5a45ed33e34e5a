import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { makeBackoff } from "../shared/backoff";
import { endApiKey, KeyType } from "../shared/domain/api-key";
import type { StoredApiKey } from "../shared/domain/api-key";
import { deadlinePassed } from "../shared/domain/failure";
import type { Failure } from "../shared/domain/failure";
import { MerchantId } from "../shared/domain/identifiers";
import { noContent } from "../shared/http/answer";
import type { Success } from "../shared/http/answer";
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
  const nextAttempt = makeBackoff(signal);
  let revoked: StoredApiKey | undefined;
  while (await nextAttempt()) {
    const read = await store.findApiKeys(merchantId);
    if (E.isLeft(read)) {
      return read;
    }
    const current = read.right;
    const now = clock();
    // An earlier attempt may have removed the key, and lost the answer.
    revoked = current?.value[keyType] ?? revoked;
    const outcome = await store.putApiKeys(
      merchantId,
      endApiKey(current?.value ?? {}, keyType, now),
      current?.etag,
    );
    if (E.isLeft(outcome)) {
      return outcome;
    }
    // After an unknown outcome this call's write looks like a rival's, so the loop writes again.
    if (outcome.right === "written") {
      if (revoked !== undefined) {
        const change = { change: "revoked", formerHint: revoked.hint, changedAt: now } as const;
        onApiKeyChange({ merchantId, keyType, ...change });
      }
      return E.right(noContent);
    }
    if (outcome.right === "conflict") {
      revoked = undefined;
    }
  }
  return E.left(deadlinePassed);
};
