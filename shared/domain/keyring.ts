/**
 * Derives from the service's secret the OTP codes, the ids of slots and OTPs, and the API keys that a repeated call gets again.
 * Without the secret nobody can find a code or a fiscal code in the store, even by trying them all.
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import { makeApiKey, secretBytes, type KeyType, type PresentedApiKey } from "./api-key";
import { OtpCode, type DiscountId, type FiscalCode, type MerchantId } from "./identifiers";

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

export interface ApiKeySource {
  readonly merchantId: MerchantId;
  readonly keyType: KeyType;
  /** The caller's header itself. Without it nobody can derive the key, not even with the service's secret. */
  readonly idempotencyKey: string;
  /** Random for each key, and stored with its hash. */
  readonly nonce: string;
}

/** An OTP to issue: its code, and the nonce under which its slot leads to it. */
export interface DrawnOtp {
  readonly nonce: string;
  readonly code: OtpCode;
  readonly ref: ItemRef;
}

export interface Keyring {
  slotRefOfHolding(holding: Holding): ItemRef;
  slotRefWithId(merchantId: MerchantId, slotId: string): ItemRef;
  codeFor(slot: ItemRef, nonce: string): OtpCode;
  otpRefFor(merchantId: MerchantId, code: OtpCode): ItemRef;
  /** Draws the code of a new OTP for a slot. The OTP's partition is the slot's, so that one batch can write both. */
  drawOtp(merchantId: MerchantId, slot: ItemRef): DrawnOtp;
  hmacOfIdempotencyKey(merchantId: MerchantId, idempotencyKey: string): string;
  /** A random API key. */
  newApiKey(merchantId: MerchantId, keyType: KeyType): string;
  /** An API key, of the same form as a random one of its type; the same source gives the same key. */
  apiKeyFor(source: ApiKeySource): string;
  /** Whether a key was made with this secret. One guess in 2³² is right, so a seal proves nothing to anybody but the gate. */
  isSealed(presented: PresentedApiKey): boolean;
}

/** Two while the secret is replaced, otherwise one. */
export interface Keyrings {
  readonly first: Keyring;
  readonly second: Keyring | undefined;
}

/** No vowel, so that a code spells no word, and nothing that people take for something else: 0 and O, 1 and I and L, 5 and S. */
const codeAlphabet = "BCDFGHJKMPQRTVWXY2346789";
const codeLength = 11;
const possibleCodes = BigInt(codeAlphabet.length) ** BigInt(codeLength);

/** Writes a digest as a code. The remainder of 256 bits by 24¹¹ (50 bits) favours no code by more than one part in 2²⁰⁵. */
const toCode = (digest: Buffer): string =>
  (BigInt(`0x${digest.toString("hex")}`) % possibleCodes)
    .toString(codeAlphabet.length)
    .padStart(codeLength, "0")
    .replaceAll(/./g, (digit) => codeAlphabet.charAt(parseInt(digit, codeAlphabet.length)));

/** Each costs a generate two more HMACs, until a code falls into its slot's: docs/decisions/0004-partitioning.md. */
export const partitionsOfMerchant = 16;

/** @param secret at least 32 random bytes. What is derived from another secret has nothing in common with it. */
export const makeKeyring = (secret: Buffer): Keyring => {
  // No part contains the separator, so calls with different arguments never hash the same bytes.
  const derive = (purpose: string, ...parts: readonly string[]): Buffer =>
    createHmac("sha256", secret)
      .update([purpose, ...parts].join("\0"))
      .digest();
  const itemId = (purpose: string, ...parts: readonly string[]): string =>
    `${purpose}-${derive(purpose, ...parts).toString("base64url")}`;

  // It follows from the item's keyed name, so neither a code nor a partition reveals anything of the person.
  const toRef = (merchantId: MerchantId, id: string): ItemRef => {
    const [firstByte = 0] = Buffer.from(id.slice(id.indexOf("-") + 1), "base64url");
    return { partitionKey: `${merchantId}:${(firstByte % partitionsOfMerchant).toString(16)}`, id };
  };

  const codeFor = ({ id }: ItemRef, nonce: string): OtpCode =>
    pipe(
      OtpCode.decode(toCode(derive("code", id, nonce))),
      E.getOrElseW(() => {
        throw new Error("a derived code is not an OTP code");
      }),
    );
  const otpRefFor = (merchantId: MerchantId, code: OtpCode): ItemRef =>
    toRef(merchantId, itemId("otp", merchantId, code));

  const sealOf = (text: string): string => derive("api-key-seal", text).toString("hex", 0, 4);

  return {
    slotRefWithId: toRef,
    slotRefOfHolding: ({ beneficiary, merchantId, discountId }) =>
      toRef(merchantId, itemId("slot", merchantId, discountId, beneficiary)),
    codeFor,
    otpRefFor,
    drawOtp: (merchantId, slot) => {
      for (;;) {
        const nonce = randomUUID();
        const code = codeFor(slot, nonce);
        const ref = otpRefFor(merchantId, code);
        if (ref.partitionKey === slot.partitionKey) {
          return { nonce, code, ref };
        }
      }
    },
    hmacOfIdempotencyKey: (merchantId, idempotencyKey) =>
      derive("idempotency-key", merchantId, idempotencyKey).toString("base64url"),
    newApiKey: (merchantId, keyType) =>
      makeApiKey(merchantId, keyType, { secret: randomBytes(secretBytes), sealOf }),
    apiKeyFor: ({ merchantId, keyType, idempotencyKey, nonce }) => {
      const secret = derive("api-key", merchantId, keyType, nonce, idempotencyKey).subarray(0, secretBytes);
      return makeApiKey(merchantId, keyType, { secret, sealOf });
    },
    isSealed: ({ sealed, seal }) => sealOf(sealed) === seal,
  };
};
