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
 * Writes even if there is nothing to take out. A regeneration may have ended without an answer while its write is still on
 * the way: that write is conditional on what was there before, and this one makes it fail.
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
    // What an earlier attempt took out, if its write was applied and the answer lost, is there no more.
    revoked = current?.value[keyType] ?? revoked;
    const outcome = await store.putApiKeys(
      merchantId,
      endApiKey(current?.value ?? {}, keyType, now),
      current?.etag,
    );
    if (E.isLeft(outcome)) {
      return outcome;
    }
    // After an unknown outcome nothing tells this call's write from a rival's, so it is written again.
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
