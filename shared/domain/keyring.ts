/**
 * What is derived from the service's secret: OTP codes, the names under which slots and OTPs are stored, and API keys that
 * can be told again. Whoever reads the store without the secret finds neither a code nor a fiscal code, and cannot try them out.
 */
import { createHmac } from "node:crypto";
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import { makeApiKey } from "./api-key";
import type { KeyType } from "./api-key";
import { OtpCode } from "./identifiers";
import type { DiscountId, FiscalCode, MerchantId } from "./identifiers";

/** Where an item is: the two together name exactly one item of the container. */
export interface ItemRef {
  readonly partitionKey: string;
  readonly id: string;
}

/** Of what a beneficiary has at most one live OTP. */
export interface Holding {
  readonly beneficiary: FiscalCode;
  readonly merchantId: MerchantId;
  readonly discountId: DiscountId;
}

/** Of what an API key is derived. */
export interface ApiKeySource {
  readonly merchantId: MerchantId;
  readonly keyType: KeyType;
  /** The caller's header itself: who does not know it cannot derive the key, not even with the service's secret. */
  readonly idempotencyKey: string;
  /** Drawn at random for each key, and kept with its hash. */
  readonly nonce: string;
}

export interface Keyring {
  /** The slot of a beneficiary and a discount. */
  slotRefOfHolding(holding: Holding): ItemRef;
  /** A slot whose id was read from an OTP of this merchant. */
  slotRefWithId(merchantId: MerchantId, slotId: string): ItemRef;
  /** The code of the OTP that a slot holds under this nonce; the same arguments give the same code. */
  codeFor(slot: ItemRef, nonce: string): OtpCode;
  /** Where a merchant's OTP with this code is, if there is one. */
  otpRefFor(merchantId: MerchantId, code: OtpCode): ItemRef;
  /** What is kept of the `Idempotency-Key` of a use. */
  hmacOfIdempotencyKey(merchantId: MerchantId, idempotencyKey: string): string;
  /** An API key, of the same form as a random one of its type; the same source gives the same key. */
  apiKeyFor(source: ApiKeySource): string;
}

/** The keyrings of the secrets in force: two while the secret is replaced, otherwise one. */
export interface Keyrings {
  /** OTPs are issued under this one. */
  readonly first: Keyring;
  /** OTPs issued under this one are found too. */
  readonly second: Keyring | undefined;
}

const codeAlphabetSize = 36;
const codeTailLength = 10;
const codeTails = BigInt(codeAlphabetSize) ** BigInt(codeTailLength);

/**
 * Reads a digest as a number, takes it modulo a number of possibilities and writes it in base 36, whose digits are
 * `0–9 a–z`. The remainder of 256 bits by `36 ** 10` favours no code by more than one part in 2²⁰⁴.
 */
const toBase36 = (digest: Buffer, possibilities: bigint, length: number): string =>
  (BigInt(`0x${digest.toString("hex")}`) % possibilities)
    .toString(codeAlphabetSize)
    .padStart(length, "0")
    .toUpperCase();

/** @param secret at least 32 random bytes. What is derived from another secret has nothing in common with it. */
export const makeKeyring = (secret: Buffer): Keyring => {
  // The purpose separates the domains, and no part can contain the separator (all are of the contract's
  // alphabets or printable ASCII), so no two calls with different arguments ever hash the same bytes.
  const derive = (purpose: string, ...parts: readonly string[]): Buffer =>
    createHmac("sha256", secret)
      .update([purpose, ...parts].join("\0"))
      .digest();
  const itemId = (purpose: string, ...parts: readonly string[]): string =>
    `${purpose}-${derive(purpose, ...parts).toString("base64url")}`;

  // A code starts with the character that its slot's partition ends in: the code alone tells a merchant's server
  // which of the merchant's 36 partitions to read.
  const partitionKey = (merchantId: MerchantId, shard: string): string => `${merchantId}:${shard}`;

  const slotRefWithId = (merchantId: MerchantId, slotId: string): ItemRef => ({
    partitionKey: partitionKey(merchantId, toBase36(derive("shard", slotId), BigInt(codeAlphabetSize), 1)),
    id: slotId,
  });

  return {
    slotRefWithId,
    slotRefOfHolding: ({ beneficiary, merchantId, discountId }) =>
      slotRefWithId(merchantId, itemId("slot", merchantId, discountId, beneficiary)),
    codeFor: ({ partitionKey, id }, nonce) =>
      pipe(
        OtpCode.decode(
          partitionKey.slice(-1) + toBase36(derive("code", id, nonce), codeTails, codeTailLength),
        ),
        E.getOrElseW(() => {
          throw new Error("a derived code is not an OTP code");
        }),
      ),
    otpRefFor: (merchantId, code) => ({
      partitionKey: partitionKey(merchantId, code.charAt(0)),
      id: itemId("otp", merchantId, code),
    }),
    hmacOfIdempotencyKey: (merchantId, idempotencyKey) =>
      derive("idempotency-key", merchantId, idempotencyKey).toString("base64url"),
    apiKeyFor: ({ merchantId, keyType, idempotencyKey, nonce }) =>
      makeApiKey(merchantId, keyType, derive("api-key", merchantId, keyType, nonce, idempotencyKey)),
  };
};
