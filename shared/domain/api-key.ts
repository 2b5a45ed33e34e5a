/**
 * A merchant's API keys. A key reads `cgn_<merchant id>_<64 hex digits><8 hex digits>`: the merchant it belongs
 * to, 256 random bits and a CRC-32 of all before it. Thus a typing error is refused without a read, a valid key
 * is verified with one, and a scanner can recognise one that leaked.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { makeIdentifier, MerchantId } from "./identifiers";

/** Each merchant has two, so that one can be replaced while the other goes on working. */
export const KeyType = t.keyof({ primary: null, secondary: null }, "KeyType");
export type KeyType = t.TypeOf<typeof KeyType>;

/** Every type, in the order in which a merchant's keys are listed. */
export const keyTypes = ["primary", "secondary"] as const satisfies readonly KeyType[];

/** SHA-256 in hexadecimal: a key has 256 random bits of its own, so nothing slower or salted is called for. */
export const ApiKeyHash = makeIdentifier("ApiKeyHash", /^[0-9a-f]{64}$/);
export type ApiKeyHash = t.TypeOf<typeof ApiKeyHash>;

/** What is kept of a key. */
export interface StoredApiKey {
  readonly hash: ApiKeyHash;
  readonly createdAt: Date;
  /** The key's last 4 characters, by which people tell keys apart. Missing from what was stored before there were hints. */
  readonly hint?: string;
}

/** A key in force, and those that it replaced of late, newest first: what there is to go back to if nobody was told it. */
export interface ApiKeyInForce extends StoredApiKey {
  readonly replaced?: readonly StoredApiKey[];
}

export type ApiKeys = Readonly<Partial<Record<KeyType, ApiKeyInForce>>>;

/** Longer than it can take until a call that regenerates a key is answered, or undone. */
const settledAfterMs = 600_000;

const toLine = (key: ApiKeyInForce | undefined): readonly StoredApiKey[] =>
  key === undefined ? [] : [withoutReplaced(key), ...(key.replaced ?? [])];

const withoutReplaced = ({ hash, createdAt, hint }: ApiKeyInForce): StoredApiKey => ({
  hash,
  createdAt,
  ...(hint === undefined ? {} : { hint }),
});

const without = (line: readonly StoredApiKey[], hash: ApiKeyHash): readonly StoredApiKey[] =>
  line.filter((key) => key.hash !== hash);

/** Puts a key in force, and keeps what it replaces as long as the call that did so may be undone. */
export const replaceApiKey = (key: ApiKeyInForce | undefined, renewed: StoredApiKey): ApiKeyInForce => ({
  ...renewed,
  replaced: without(toLine(key), renewed.hash).filter((_, index, line) => {
    const replacedBy = line[index - 1] ?? renewed;
    return renewed.createdAt.getTime() - replacedBy.createdAt.getTime() < settledAfterMs;
  }),
});

/**
 * Takes a key out that nobody was told: the one before is in force again, unless another has come since. Undefined
 * when none is left.
 */
export const withdrawApiKey = (
  key: ApiKeyInForce | undefined,
  hash: ApiKeyHash,
): ApiKeyInForce | undefined => {
  const [newest, ...replaced] = without(toLine(key), hash);
  return newest && { ...newest, replaced };
};

/** Takes a key out of force, and leaves the others. */
export const revokeApiKey = (apiKeys: ApiKeys, keyType: KeyType): ApiKeys => {
  const others = keyTypes.flatMap((each) => {
    const key = each === keyType ? undefined : apiKeys[each];
    return key === undefined ? [] : [[each, key] as const];
  });
  return Object.fromEntries(others);
};

/** What is kept of a key that is made at this instant. */
export const toStoredApiKey = (apiKey: string, createdAt: Date): StoredApiKey => ({
  hash: hashApiKey(apiKey),
  createdAt,
  hint: apiKey.slice(-hintLength),
});

/** The end of the checksum: it follows from the 256 random bits, and tells at most 16 of them. */
const hintLength = 4;

/** Whether a key is in force or was replaced of late. */
export const holdsApiKey = (key: ApiKeyInForce | undefined, hash: ApiKeyHash): boolean =>
  toLine(key).some((each) => each.hash === hash);

/** A well-formed key; whether it is in force only the store can tell. */
export interface PresentedApiKey {
  readonly merchantId: MerchantId;
  readonly hash: ApiKeyHash;
}

const apiKeyPattern = /^(cgn_([A-Za-z0-9-]{1,64})_[0-9a-f]{64})([0-9a-f]{8})$/;

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, "0");

export const makeApiKey = (merchantId: MerchantId): string => {
  const text = `cgn_${merchantId}_${randomBytes(32).toString("hex")}`;
  return text + checksum(text);
};

export const hashApiKey = (apiKey: string): ApiKeyHash =>
  pipe(
    ApiKeyHash.decode(hash("sha256", apiKey)),
    E.getOrElseW(() => {
      throw new Error("a SHA-256 digest is not an API key hash");
    }),
  );

/** Undefined for anything that this service cannot have issued. */
export const decodeApiKey = (apiKey: string): PresentedApiKey | undefined => {
  const [, text = "", merchant, check] = apiKeyPattern.exec(apiKey) ?? [];
  const merchantId = MerchantId.decode(merchant);
  return E.isRight(merchantId) && check === checksum(text)
    ? { merchantId: merchantId.right, hash: hashApiKey(apiKey) }
    : undefined;
};

/** Compares with both keys in constant time, so that neither the answer's time nor its order tells anything. */
export const isInForce = (presented: PresentedApiKey, apiKeys: ApiKeys): boolean =>
  [apiKeys.primary, apiKeys.secondary]
    .map((stored) => stored !== undefined && isSameHash(stored.hash, presented.hash))
    .includes(true);

const isSameHash = (one: string, other: string): boolean =>
  timingSafeEqual(Buffer.from(one), Buffer.from(other));
