/**
 * `cgn_<merchant id>_<56 hex digits><8 hex digits><8 hex digits>`: 224 unguessable bits, a seal, and a CRC-32 of all before it,
 * so that a typing error costs no read and a scanner recognises a leaked key. A test key reads `cgn_test_<merchant id>_…`; no
 * merchant id contains a `_`. Only the service's secret makes the seal: keyring.ts.
 */
import { hash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { makeIdentifier, MerchantId } from "./identifiers";

/** A shop works with two, so that one can be replaced while the other goes on working. `test` knows the test codes and no OTP. */
export const KeyType = t.keyof({ primary: null, secondary: null, test: null }, "KeyType");
export type KeyType = t.TypeOf<typeof KeyType>;

export const keyTypes = ["primary", "secondary", "test"] as const satisfies readonly KeyType[];

/** SHA-256 in hexadecimal. A key has 224 unguessable bits, so it needs no salt and no slower hash. */
export const ApiKeyHash = makeIdentifier("ApiKeyHash", /^[0-9a-f]{64}$/);
export type ApiKeyHash = t.TypeOf<typeof ApiKeyHash>;

export const IdempotencyKeyHash = makeIdentifier("IdempotencyKeyHash", /^[0-9a-f]{64}$/);
export type IdempotencyKeyHash = t.TypeOf<typeof IdempotencyKeyHash>;

/** Of the call that made a key, kept so that a repetition gets the same key. */
export interface Derivation {
  readonly idempotencyKeyHash: IdempotencyKeyHash;
  /** Random, so that two keys differ even if their calls had the same `Idempotency-Key`. */
  readonly nonce: string;
}

export interface StoredApiKey {
  readonly hash: ApiKeyHash;
  readonly createdAt: Date;
  /** The key's last 4 characters, for people. Keys stored before hints existed have none. */
  readonly hint?: string;
  /** Missing when the call had no `Idempotency-Key`: such a key is random, and nobody can derive it again. */
  readonly derivation?: Derivation;
}

export interface EndedApiKey {
  readonly endedAt: Date;
  /** Of the call that made it, if that had an `Idempotency-Key`. */
  readonly idempotencyKeyHash?: IdempotencyKeyHash;
  /** Keys that ended before these two were stored have neither. */
  readonly hash?: ApiKeyHash;
  readonly endedBy?: string;
}

/** A merchant's keys in force, by type, and those that no longer are, by type and newest first. */
export type ApiKeys = Readonly<Partial<Record<KeyType, StoredApiKey>>> & {
  readonly ended?: Readonly<Partial<Record<KeyType, readonly EndedApiKey[]>>>;
};

/** How many ended keys are kept of each kind: derived from an `Idempotency-Key`, or random. */
const maxEnded = 10;
const endedKnownForMs = 86_400_000;

const knownEnded = (apiKeys: ApiKeys, keyType: KeyType, now: Date): readonly EndedApiKey[] =>
  (apiKeys.ended?.[keyType] ?? []).filter(
    ({ endedAt }) => now.getTime() - endedAt.getTime() < endedKnownForMs,
  );

export interface ApiKeyCall {
  readonly callId: string;
  readonly now: Date;
}

export const endApiKey = (apiKeys: ApiKeys, keyType: KeyType, { callId, now }: ApiKeyCall): ApiKeys => {
  const { [keyType]: current, ...others } = apiKeys;
  const before = knownEnded(apiKeys, keyType, now);
  if (current === undefined) {
    return { ...others, ended: { ...apiKeys.ended, [keyType]: before } };
  }
  const { hash, derivation } = current;
  const call = derivation && { idempotencyKeyHash: derivation.idempotencyKeyHash };
  const ended: readonly EndedApiKey[] = [{ endedAt: now, hash, endedBy: callId, ...call }, ...before];
  const kept = [true, false].flatMap((isDerived) =>
    ended.filter((each) => (each.idempotencyKeyHash !== undefined) === isDerived).slice(0, maxEnded),
  );
  return {
    ...others,
    ended: { ...apiKeys.ended, [keyType]: ended.filter((each) => kept.includes(each)) },
  };
};

export const replaceApiKey = (
  apiKeys: ApiKeys,
  keyType: KeyType,
  { renewed, ...call }: ApiKeyCall & { readonly renewed: StoredApiKey },
): ApiKeys => ({ ...endApiKey(apiKeys, keyType, call), [keyType]: renewed });

/** Whether a call with this `Idempotency-Key` made the key in force, or one of the last ten that ended in the last 24 hours. */
export const isKnownCall = (
  apiKeys: ApiKeys,
  keyType: KeyType,
  { idempotencyKeyHash, now }: { readonly idempotencyKeyHash: IdempotencyKeyHash; readonly now: Date },
): boolean =>
  [apiKeys[keyType]?.derivation, ...knownEnded(apiKeys, keyType, now)].some(
    (call) => call?.idempotencyKeyHash === idempotencyKeyHash,
  );

/** Whether a key is or was in force, as far as it is known: this proves that the write that put it there was applied. */
export const wasInForce = (apiKeys: ApiKeys, keyType: KeyType, hash: ApiKeyHash): boolean =>
  [apiKeys[keyType], ...(apiKeys.ended?.[keyType] ?? [])].some((each) => each?.hash === hash);

/** The keys that a call ended: this proves that its writes were applied. */
export const endedBy = (apiKeys: ApiKeys, keyType: KeyType, callId: string): readonly ApiKeyHash[] =>
  (apiKeys.ended?.[keyType] ?? []).flatMap((each) =>
    each.endedBy === callId && each.hash !== undefined ? [each.hash] : [],
  );

export interface PresentedApiKey {
  readonly merchantId: MerchantId;
  readonly isTest: boolean;
  readonly hash: ApiKeyHash;
  /** Of this service if the seal follows from the text before it: `cgn_<merchant id>_<56 hex digits>`. */
  readonly sealed: string;
  readonly seal: string;
}

const apiKeyPattern = /^(cgn_(test_)?([A-Za-z0-9-]{1,64})_[0-9a-f]{56})([0-9a-f]{8})([0-9a-f]{8})$/;

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, "0");

/** How many bytes of a key nobody can guess. */
export const secretBytes = 28;

/**
 * @param secret `secretBytes` bytes that nobody can guess.
 * @param sealOf 8 hexadecimal digits that follow from a text and the service's secret.
 */
export const makeApiKey = (
  merchantId: MerchantId,
  keyType: KeyType,
  { secret, sealOf }: { readonly secret: Buffer; readonly sealOf: (text: string) => string },
): string => {
  const sealed = `cgn_${keyType === "test" ? "test_" : ""}${merchantId}_${secret.toString("hex")}`;
  const text = sealed + sealOf(sealed);
  return text + checksum(text);
};

const decodeHash = <A>(codec: t.Decoder<unknown, A>, text: string): A =>
  pipe(
    codec.decode(hash("sha256", text)),
    E.getOrElseW(() => {
      throw new Error("a SHA-256 digest is not 64 hexadecimal digits");
    }),
  );

export const hashApiKey = (apiKey: string): ApiKeyHash => decodeHash(ApiKeyHash, apiKey);

/** Without a secret, so that earlier calls are recognised after `OTP_SECRET` is replaced. Nobody can guess the header. */
export const sha256OfIdempotencyKey = (idempotencyKey: string): IdempotencyKeyHash =>
  decodeHash(IdempotencyKeyHash, idempotencyKey);

/** The end of the checksum, which reveals at most 16 of the 224 bits. */
const hintLength = 4;

export const toStoredApiKey = (
  apiKey: string,
  createdAt: Date,
  derivation: Derivation | undefined,
): StoredApiKey => ({
  hash: hashApiKey(apiKey),
  createdAt,
  hint: apiKey.slice(-hintLength),
  ...(derivation === undefined ? {} : { derivation }),
});

/** Undefined for anything that this service cannot have issued. */
export const decodeApiKey = (apiKey: string): PresentedApiKey | undefined => {
  const [, sealed = "", test, merchant, seal = "", check] = apiKeyPattern.exec(apiKey) ?? [];
  const merchantId = MerchantId.decode(merchant);
  return E.isRight(merchantId) && check === checksum(sealed + seal)
    ? { merchantId: merchantId.right, isTest: test !== undefined, hash: hashApiKey(apiKey), sealed, seal }
    : undefined;
};

/** Compares with each key in constant time, so that timing reveals nothing. */
export const typeInForce = (presented: PresentedApiKey, apiKeys: ApiKeys): KeyType | undefined => {
  const matches = keyTypes.map((keyType) => {
    const stored = apiKeys[keyType];
    const isSame = stored !== undefined && isSameHash(stored.hash, presented.hash);
    return isSame && (keyType === "test") === presented.isTest ? keyType : undefined;
  });
  return matches.find((keyType) => keyType !== undefined);
};

const isSameHash = (one: string, other: string): boolean =>
  timingSafeEqual(Buffer.from(one), Buffer.from(other));
