import { randomUUID } from "node:crypto";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { makeBackoff } from "../shared/backoff";
import {
  hashApiKey,
  sha256OfIdempotencyKey,
  isKnownCall,
  KeyType,
  replaceApiKey,
  toStoredApiKey,
  wasInForce,
  type StoredApiKey,
} from "../shared/domain/api-key";
import { deadlinePassed, type Failure } from "../shared/domain/failure";
import { MerchantId } from "../shared/domain/identifiers";
import type { Keyring, Keyrings } from "../shared/domain/keyring";
import { json, type Success } from "../shared/http/answer";
import type { ApiKeyBody } from "../shared/http/bodies";
import type { FunctionDefinition, Invocation } from "../shared/http/function";
import { decodeFields, headerOf } from "../shared/http/request";

interface Dependencies {
  readonly keyrings: Keyrings;
  readonly clock: () => Date;
}

const Input = t.type({
  merchant_id: MerchantId,
  key_type: KeyType,
  // A key is derived from it, so nobody may guess it: short ones are refused.
  "Idempotency-Key": t.union([
    t.refinement(t.string, (value) => /^[\x20-\x7e]{16,255}$/.test(value)),
    t.undefined,
  ]),
});

/** Called by the merchants' portal: makes a key, or replaces one. Only this answer and its repetitions show it. */
export const regenerateApiKey: FunctionDefinition<Dependencies> = {
  name: "RegenerateApiKey",
  route: "api/v1/cgn/merchants/{merchant_id}/api-keys/{key_type}",
  methods: ["POST"],
  authLevel: "function",
  audience: "developer",
  make: (dependencies) => async (request, invocation) => {
    const input = decodeFields(Input, {
      ...request.params,
      "Idempotency-Key": headerOf(request, "idempotency-key"),
    });
    if (E.isLeft(input)) {
      return input;
    }
    const { merchant_id: merchantId, key_type: keyType, "Idempotency-Key": idempotencyKey } = input.right;
    invocation.note({ merchantId });
    return regenerate({ merchantId, keyType, idempotencyKey }, invocation, dependencies);
  },
};

interface Regeneration {
  readonly merchantId: MerchantId;
  readonly keyType: KeyType;
  readonly idempotencyKey: string | undefined;
}

/**
 * Replaces one key, on condition that none changed since they were read. Each attempt draws a key of its own, so none that a
 * rival replaced comes back in force. A call recognises its own write by the hash of its key. If a rival has ended that key
 * since, it logs the change and draws another, so that the answer is a key in force.
 */
const regenerate = async (
  regeneration: Regeneration,
  { store, signal, onApiKeyChange }: Invocation,
  { keyrings, clock }: Dependencies,
): Promise<Either<Failure, Success>> => {
  const { merchantId, keyType, idempotencyKey } = regeneration;
  const idempotencyKeyHash =
    idempotencyKey === undefined ? undefined : sha256OfIdempotencyKey(idempotencyKey);
  const callId = randomUUID();
  /** Written, but not known to be applied. */
  const pending: DrawnApiKey[] = [];
  let wasApplied = false;
  const log = ({ stored, former }: DrawnApiKey): void => {
    onApiKeyChange({
      merchantId,
      keyType,
      change: former === undefined ? "made" : "replaced",
      hint: stored.hint,
      formerHint: former?.hint,
      changedAt: stored.createdAt,
    });
  };
  const nextAttempt = makeBackoff(signal);
  while (await nextAttempt()) {
    const read = await store.findApiKeys(merchantId);
    if (E.isLeft(read)) {
      return read;
    }
    const apiKeys = read.right?.value ?? {};
    const inForce = apiKeys[keyType];
    const applied = pending.find(({ stored }) => wasInForce(apiKeys, keyType, stored.hash));
    if (applied !== undefined) {
      log(applied);
      if (inForce?.hash === applied.stored.hash) {
        return E.right(toBody(regeneration, applied.apiKey, applied.stored));
      }
      wasApplied = true;
      pending.length = 0;
    }
    const known = inForce && deriveAgain(regeneration, inForce, keyrings);
    if (inForce !== undefined && known !== undefined) {
      const { hint, createdAt: changedAt } = inForce;
      onApiKeyChange({ merchantId, keyType, change: "repetition", hint, changedAt });
      return E.right(toBody(regeneration, known, inForce));
    }
    const now = clock();
    if (
      !wasApplied &&
      idempotencyKeyHash !== undefined &&
      isKnownCall(apiKeys, keyType, { idempotencyKeyHash, now })
    ) {
      return E.left({ tag: "invalid-request", fields: ["Idempotency-Key"] });
    }
    const renewed = { ...draw(regeneration, now, keyrings.first), former: inForce };
    pending.push(renewed);
    const outcome = await store.putApiKeys(
      merchantId,
      replaceApiKey(apiKeys, keyType, { renewed: renewed.stored, callId, now }),
      read.right?.etag,
    );
    if (E.isLeft(outcome)) {
      return outcome;
    }
    if (outcome.right === "written") {
      log(renewed);
      return E.right(toBody(regeneration, renewed.apiKey, renewed.stored));
    }
  }
  return E.left(deadlinePassed);
};

const toBody = (
  { merchantId, keyType }: Regeneration,
  apiKey: string,
  { createdAt }: StoredApiKey,
): Success =>
  json({
    merchant_id: merchantId,
    key_type: keyType,
    api_key: apiKey,
    created_at: createdAt.toISOString(),
  } satisfies ApiKeyBody);

interface DrawnApiKey {
  readonly apiKey: string;
  readonly stored: StoredApiKey;
  readonly former: StoredApiKey | undefined;
}

const draw = (
  { merchantId, keyType, idempotencyKey }: Regeneration,
  now: Date,
  keyring: Keyring,
): Omit<DrawnApiKey, "former"> => {
  if (idempotencyKey === undefined) {
    const apiKey = keyring.newApiKey(merchantId, keyType);
    return { apiKey, stored: toStoredApiKey(apiKey, now, undefined) };
  }
  const nonce = randomUUID();
  const apiKey = keyring.apiKeyFor({ merchantId, keyType, idempotencyKey, nonce });
  const derivation = { idempotencyKeyHash: sha256OfIdempotencyKey(idempotencyKey), nonce };
  return { apiKey, stored: toStoredApiKey(apiKey, now, derivation) };
};

/** The key in force, if a call with this `Idempotency-Key` made it, under either secret. */
const deriveAgain = (
  { merchantId, keyType, idempotencyKey }: Regeneration,
  { hash, derivation }: StoredApiKey,
  { first, second }: Keyrings,
): string | undefined => {
  if (idempotencyKey === undefined || derivation === undefined) {
    return undefined;
  }
  return [first, ...(second === undefined ? [] : [second])]
    .map((keyring) => keyring.apiKeyFor({ merchantId, keyType, idempotencyKey, nonce: derivation.nonce }))
    .find((apiKey) => hashApiKey(apiKey) === hash);
};
