/**
 * Derives from the service's secret the OTP codes, the ids of slots and OTPs, and the API keys that a repeated call gets again.
 * Without the secret nobody can find a code or a fiscal code in the store, even by trying them all.
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

/** A beneficiary, merchant and discount: at most one live OTP exists for each. */
export interface Holding {
  readonly beneficiary: FiscalCode;
  readonly merchantId: MerchantId;
  readonly discountId: DiscountId;
}

/** An API key is derived from this. */
export interface ApiKeySource {
  readonly merchantId: MerchantId;
  readonly keyType: KeyType;
  /** The caller's header itself. Without it nobody can derive the key, not even with the service's secret. */
  readonly idempotencyKey: string;
  /** Random for each key, and stored with its hash. */
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
  /** Stored for the `Idempotency-Key` of a use. */
  hmacOfIdempotencyKey(merchantId: MerchantId, idempotencyKey: string): string;
  /** An API key, of the same form as a random one of its type; the same source gives the same key. */
  apiKeyFor(source: ApiKeySource): string;
}

/** Two while the secret is replaced, otherwise one. */
export interface Keyrings {
  /** Issues OTPs. */
  readonly first: Keyring;
  /** Finds the OTPs that it issued. */
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
  // No part contains the separator (all are of the contract's alphabets or printable ASCII). So calls with different arguments
  // never hash the same bytes.
  const derive = (purpose: string, ...parts: readonly string[]): Buffer =>
    createHmac("sha256", secret)
      .update([purpose, ...parts].join("\0"))
      .digest();
  const itemId = (purpose: string, ...parts: readonly string[]): string =>
    `${purpose}-${derive(purpose, ...parts).toString("base64url")}`;

  // A code starts with the last character of its slot's partition. So ValidateOtp knows from the code which of the merchant's 36
  // partitions to read.
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
