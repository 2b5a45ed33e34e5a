/**
 * A merchant's API keys. A key reads `cgn_<merchant id>_<64 hex digits><8 hex digits>`: the merchant it belongs
 * to, 256 bits that nobody can guess and a CRC-32 of all before it. Thus a typing error is refused without a read, a valid
 * key is verified with one, and a scanner can recognise one that leaked. A test key reads `cgn_test_<merchant id>_…`. No
 * merchant id contains a `_`, so no key can be read as one of the other kind, not even that of a merchant named `test`.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { makeIdentifier, MerchantId } from "./identifiers";

/**
 * Each merchant has two with which its shop works, so that one can be replaced while the other goes on working, and a `test`
 * one, which knows the test codes and no OTP.
 */
export const KeyType = t.keyof({ primary: null, secondary: null, test: null }, "KeyType");
export type KeyType = t.TypeOf<typeof KeyType>;

/** Every type, in the order in which a merchant's keys are listed. */
export const keyTypes = ["primary", "secondary", "test"] as const satisfies readonly KeyType[];

/** SHA-256 in hexadecimal: a key has 256 bits that nobody can guess, so nothing slower or salted is called for. */
export const ApiKeyHash = makeIdentifier("ApiKeyHash", /^[0-9a-f]{64}$/);
export type ApiKeyHash = t.TypeOf<typeof ApiKeyHash>;

/** What is kept of an `Idempotency-Key` of RegenerateApiKey: its SHA-256 in hexadecimal. */
export const IdempotencyKeyHash = makeIdentifier("IdempotencyKeyHash", /^[0-9a-f]{64}$/);
export type IdempotencyKeyHash = t.TypeOf<typeof IdempotencyKeyHash>;

/** What is kept of the call that made a key, so that its repetition can be told the same key again. */
export interface Derivation {
  readonly idempotencyKeyHash: IdempotencyKeyHash;
  /** Drawn at random for each key, so that no two keys are the same, even of calls with the same `Idempotency-Key`. */
  readonly nonce: string;
}

/** What is kept of a key in force. */
export interface StoredApiKey {
  readonly hash: ApiKeyHash;
  readonly createdAt: Date;
  /** The key's last 4 characters, by which people tell keys apart. Missing from what was stored before there were hints. */
  readonly hint?: string;
  /** Missing when the call had no `Idempotency-Key`: such a key is random, and cannot be told again. */
  readonly derivation?: Derivation;
}

/** A call with an `Idempotency-Key` whose key was replaced or revoked since. */
export interface EndedCall {
  readonly idempotencyKeyHash: IdempotencyKeyHash;
  /** When its key was replaced or revoked. */
  readonly endedAt: Date;
}

/** A merchant's keys in force, by type, and the calls whose keys no longer are, by type and newest first. */
export type ApiKeys = Readonly<Partial<Record<KeyType, StoredApiKey>>> & {
  readonly ended?: Readonly<Partial<Record<KeyType, readonly EndedCall[]>>>;
};

const maxEndedCalls = 10;
const endedCallsKnownForMs = 86_400_000;

const knownEndedCalls = (apiKeys: ApiKeys, keyType: KeyType, now: Date): readonly EndedCall[] =>
  (apiKeys.ended?.[keyType] ?? []).filter(
    ({ endedAt }) => now.getTime() - endedAt.getTime() < endedCallsKnownForMs,
  );

/** Takes a key out of force at this instant, and leaves the others. */
export const endApiKey = (apiKeys: ApiKeys, keyType: KeyType, now: Date): ApiKeys => {
  const { [keyType]: revoked, ...others } = apiKeys;
  const call = revoked?.derivation && {
    idempotencyKeyHash: revoked.derivation.idempotencyKeyHash,
    endedAt: now,
  };
  const endedCalls = [...(call === undefined ? [] : [call]), ...knownEndedCalls(apiKeys, keyType, now)];
  return { ...others, ended: { ...apiKeys.ended, [keyType]: endedCalls.slice(0, maxEndedCalls) } };
};

/** Puts a key in force, made at its `createdAt`, in place of the one of its type. */
export const replaceApiKey = (apiKeys: ApiKeys, keyType: KeyType, renewed: StoredApiKey): ApiKeys => ({
  ...endApiKey(apiKeys, keyType, renewed.createdAt),
  [keyType]: renewed,
});

/**
 * Whether a call with this `Idempotency-Key` has made a key of this type: the one in force, or one of the last ten that were
 * replaced or revoked in the last 24 hours.
 */
export const isKnownCall = (
  apiKeys: ApiKeys,
  keyType: KeyType,
  { idempotencyKeyHash, now }: { readonly idempotencyKeyHash: IdempotencyKeyHash; readonly now: Date },
): boolean =>
  [apiKeys[keyType]?.derivation, ...knownEndedCalls(apiKeys, keyType, now)].some(
    (call) => call?.idempotencyKeyHash === idempotencyKeyHash,
  );

/** A well-formed key; whether it is in force only the store can tell. */
export interface PresentedApiKey {
  readonly merchantId: MerchantId;
  /** The key says by its prefix that it is a test key. */
  readonly isTest: boolean;
  readonly hash: ApiKeyHash;
}

const apiKeyPattern = /^(cgn_(test_)?([A-Za-z0-9-]{1,64})_[0-9a-f]{64})([0-9a-f]{8})$/;

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, "0");

const secretBytes = 32;

/** @param secret 32 bytes that nobody can guess. */
export const makeApiKey = (
  merchantId: MerchantId,
  keyType: KeyType,
  secret: Buffer = randomBytes(secretBytes),
): string => {
  const text = `cgn_${keyType === "test" ? "test_" : ""}${merchantId}_${secret.toString("hex")}`;
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

/**
 * No secret goes in: whoever has replaced `OTP_SECRET` still recognises the calls of before. Nor would one help: what keeps a
 * derived key from whoever has the store and the secret is that nobody can guess the `Idempotency-Key`.
 */
export const sha256OfIdempotencyKey = (idempotencyKey: string): IdempotencyKeyHash =>
  decodeHash(IdempotencyKeyHash, idempotencyKey);

/** The end of the checksum: it follows from the 256 bits before, and tells at most 16 of them. */
const hintLength = 4;

/** What is kept of a key that is made at this instant. */
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
  const [, text = "", test, merchant, check] = apiKeyPattern.exec(apiKey) ?? [];
  const merchantId = MerchantId.decode(merchant);
  return E.isRight(merchantId) && check === checksum(text)
    ? { merchantId: merchantId.right, isTest: test !== undefined, hash: hashApiKey(apiKey) }
    : undefined;
};

/**
 * Compares with the merchant's keys of the same kind. It compares with each, and in constant time, so that neither the answer's
 * time nor its order tells anything.
 */
export const isInForce = (presented: PresentedApiKey, apiKeys: ApiKeys): boolean =>
  (presented.isTest ? [apiKeys.test] : [apiKeys.primary, apiKeys.secondary])
    .map((stored) => stored !== undefined && isSameHash(stored.hash, presented.hash))
    .includes(true);

const isSameHash = (one: string, other: string): boolean =>
  timingSafeEqual(Buffer.from(one), Buffer.from(other));
