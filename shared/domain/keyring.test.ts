import { randomBytes } from "node:crypto";
import * as E from "fp-ts/Either";
import fc from "fast-check";
import { right } from "../../tools/support/either";
import { decodeApiKey, keyTypes, type PresentedApiKey } from "./api-key";
import { DiscountId, FiscalCode, MerchantId, OtpCode } from "./identifiers";
import { makeKeyring, partitionsOfMerchant, type ItemRef } from "./keyring";

/** Omocodia letters in place of digits included. */
const fiscalCodes = fc
  .stringMatching(/^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$/)
  .map((text) => right(FiscalCode.decode(text)));
const identifiers = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/);
const merchantIds = identifiers.map((text) => right(MerchantId.decode(text)));
const discountIds = identifiers.map((text) => right(DiscountId.decode(text)));
const nonces = fc.stringMatching(/^[0-9a-f]{32}$/);

const secret = randomBytes(32);
const keyring = makeKeyring(secret);

const merchantId = right(MerchantId.decode("shop-1"));

const slotOfPerson = (index: number): ItemRef => {
  const serial = index.toString(26).padStart(6, "0");
  const letters = Array.from(serial, (digit) => String.fromCharCode(65 + parseInt(digit, 26))).join("");
  return keyring.slotRefOfHolding({
    beneficiary: right(FiscalCode.decode(`${letters}00A00A000A`)),
    merchantId,
    discountId: right(DiscountId.decode("discount-1")),
  });
};

const slots = fc.tuple(fiscalCodes, merchantIds, discountIds).map(([beneficiary, merchant, discount]) => ({
  beneficiary,
  merchant,
  slot: keyring.slotRefOfHolding({ beneficiary, merchantId: merchant, discountId: discount }),
}));

const alphabet = "BCDFGHJKMPQRTVWXY2346789";

/** Pearson's statistic of how often each of these values was seen, against a uniform source. */
const chiSquared = (seen: readonly string[], values: readonly string[]): number => {
  const counts = new Map<string, number>();
  for (const value of seen) {
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const expected = seen.length / values.length;
  return values.reduce((sum, value) => sum + ((counts.get(value) ?? 0) - expected) ** 2 / expected, 0);
};

describe("OTP codes", () => {
  const otps = Array.from({ length: 3_000 }, (_, index) => keyring.drawOtp(merchantId, slotOfPerson(index)));
  const codes = otps.map(({ code }) => code);

  it("are made of 24 characters that nobody takes for another, and that spell no word", () => {
    expect(codes.filter((code) => !RegExp(`^[${alphabet}]{11}$`).test(code))).toEqual([]);
    expect(alphabet).not.toMatch(/[AEIOU01LNSZ5]/);
  });

  // 23 degrees of freedom: a uniform source exceeds 75 once in about 10⁶ draws. A position that misses one character gives 130.
  it("are uniform over the alphabet at each position", () => {
    const statistics = Array.from({ length: 11 }, (_, position) =>
      chiSquared(
        codes.map((code) => code.charAt(position)),
        Array.from(alphabet),
      ),
    );
    expect(statistics.filter((statistic) => statistic >= 75)).toEqual([]);
  });

  it("of one person and discount begin with any character", () => {
    const slot = slotOfPerson(0);
    const seen = Array.from({ length: 500 }, () => keyring.drawOtp(merchantId, slot).code.charAt(0));
    expect(chiSquared(seen, Array.from(alphabet))).toBeLessThan(75);
  });

  it("say nothing of their partition, in which each merchant's OTPs are spread evenly", () => {
    const partitions = otps.map(({ ref }) => ref.partitionKey);
    const all = Array.from({ length: partitionsOfMerchant }, (_, shard) => `shop-1:${shard.toString(16)}`);
    // 15 degrees of freedom: 61 is exceeded once in about 10⁶ draws.
    expect(chiSquared(partitions, all)).toBeLessThan(61);
    const pairs = otps.map(({ code, ref }) => `${code.charAt(0)} ${ref.partitionKey}`);
    const allPairs = Array.from(alphabet).flatMap((character) => all.map((each) => `${character} ${each}`));
    // 383 degrees of freedom: 530 is exceeded once in about 10⁶ draws.
    expect(chiSquared(pairs, allPairs)).toBeLessThan(530);
  });

  it("never repeat", () => {
    expect(new Set(codes).size).toBe(codes.length);
  });

  it("always decode, and depend on nothing but the nonce, the slot and the secret", () => {
    fc.assert(
      fc.property(slots, nonces, ({ slot }, nonce) => {
        const code = keyring.codeFor(slot, nonce);
        expect(E.isRight(OtpCode.decode(code))).toBe(true);
        expect(makeKeyring(secret).codeFor(slot, nonce)).toBe(code);
        expect(keyring.codeFor(slot, `${nonce}0`)).not.toBe(code);
        expect(keyring.codeFor({ ...slot, id: `${slot.id}0` }, nonce)).not.toBe(code);
        expect(makeKeyring(randomBytes(32)).codeFor(slot, nonce)).not.toBe(code);
      }),
    );
  });
});

describe("item names", () => {
  it("can be ids of Azure Cosmos DB, and put a slot and its OTP into one partition of their merchant", () => {
    fc.assert(
      fc.property(slots, ({ merchant, slot }) => {
        expect(slot.id).toMatch(/^[^/\\#?]{1,255}$/);
        const { nonce, code, ref } = keyring.drawOtp(merchant, slot);
        expect(ref.partitionKey).toBe(slot.partitionKey);
        expect(slot.partitionKey).toMatch(new RegExp(`^${merchant}:[0-9a-f]$`));
        expect(keyring.slotRefWithId(merchant, slot.id)).toEqual(slot);
        expect([keyring.codeFor(slot, nonce), keyring.otpRefFor(merchant, code)]).toEqual([code, ref]);
      }),
    );
  });

  it("hold neither the code, nor the fiscal code, nor the Idempotency-Key", () => {
    fc.assert(
      fc.property(slots, nonces, ({ beneficiary, merchant, slot }, nonce) => {
        const code = keyring.codeFor(slot, nonce);
        const names = [
          slot.id,
          keyring.otpRefFor(merchant, code).id,
          keyring.hmacOfIdempotencyKey(merchant, code),
        ];
        expect(names.join("\n")).not.toContain(code);
        expect(names.join("\n")).not.toContain(beneficiary);
      }),
    );
  });
});

describe("derived API keys", () => {
  const sources = fc.record({
    merchantId: merchantIds,
    keyType: fc.constantFrom(...keyTypes),
    idempotencyKey: fc.stringMatching(/^[ -~]{16,255}$/),
    nonce: fc.uuid(),
  });

  it("have the form of any other, and are the same for the same source", () => {
    fc.assert(
      fc.property(sources, (source) => {
        const apiKey = keyring.apiKeyFor(source);
        expect(decodeApiKey(apiKey)).toMatchObject({
          merchantId: source.merchantId,
          isTest: source.keyType === "test",
        });
        expect(makeKeyring(secret).apiKeyFor({ ...source })).toBe(apiKey);
      }),
    );
  });

  it("change with the merchant, the type, the Idempotency-Key, the nonce and the secret", () => {
    fc.assert(
      fc.property(sources, sources, (source, other) => {
        const partOf = (apiKey: string): string => apiKey.slice(-72, -16);
        const changed = [
          { ...source, merchantId: right(MerchantId.decode(`${source.merchantId.slice(1)}-`)) },
          ...keyTypes.map((keyType) => ({ ...source, keyType })),
          { ...source, idempotencyKey: other.idempotencyKey },
          { ...source, nonce: other.nonce },
        ].filter((each) => JSON.stringify(each) !== JSON.stringify(source));
        const apiKeys = [source, ...changed].map((each) => keyring.apiKeyFor(each));
        const elsewhere = makeKeyring(randomBytes(32)).apiKeyFor(source);
        expect(new Set([...apiKeys, elsewhere].map(partOf)).size).toBe(changed.length + 2);
      }),
    );
  });
});

describe("the seal of an API key", () => {
  const decoded = (apiKey: string): PresentedApiKey => right(E.fromNullable(apiKey)(decodeApiKey(apiKey)));

  it("is of the secret that the key was made with, and of no other", () => {
    const other = makeKeyring(randomBytes(32));
    fc.assert(
      fc.property(merchantIds, fc.constantFrom(...keyTypes), (merchantId, keyType) => {
        const apiKey = decoded(keyring.newApiKey(merchantId, keyType));
        expect([keyring.isSealed(apiKey), other.isSealed(apiKey)]).toEqual([true, false]);
      }),
    );
  });

  it("is of one merchant, one kind and one key", () => {
    const shop = right(MerchantId.decode("shop-1"));
    const one = decoded(keyring.newApiKey(shop, "primary"));
    const two = decoded(keyring.newApiKey(shop, "primary"));
    const another = decoded(keyring.newApiKey(right(MerchantId.decode("shop-2")), "primary"));
    const test = decoded(keyring.newApiKey(shop, "test"));
    for (const { seal } of [two, another, test]) {
      expect(keyring.isSealed({ ...one, seal })).toBe(false);
    }
  });
});

// Worked out with another implementation of HMAC-SHA-256. What is stored, and what card holders hold, was derived so.
describe("what is derived", () => {
  it("stays the same over releases", () => {
    const fixed = makeKeyring(Buffer.alloc(32, 7));
    const merchant = right(MerchantId.decode("shop-1"));
    const slot = fixed.slotRefOfHolding({
      beneficiary: right(FiscalCode.decode("AAAAAA00A00A000A")),
      merchantId: merchant,
      discountId: right(DiscountId.decode("discount-1")),
    });
    expect(slot).toEqual({
      partitionKey: "shop-1:5",
      id: "slot-tWGJksMk7W2glBh3uqDI6s1Kju51zf_I9kpCFhflBDI",
    });
    const code = fixed.codeFor(slot, "00112233445566778899aabbccddeeff");
    expect(code).toBe("WDQ74V27KBC");
    expect(fixed.otpRefFor(merchant, code)).toEqual({
      partitionKey: "shop-1:d",
      id: "otp-vZ6FzEgjfWixWEpo6NXPi-RVqmx2njOxNhvrxf0sre0",
    });
    expect(fixed.hmacOfIdempotencyKey(merchant, "cart 1")).toBe(
      "lLqo7PrDTVOUTFp4CpnpXYKUuNhMBXPVDXeu7C4xQlA",
    );
    expect(
      fixed.apiKeyFor({
        merchantId: merchant,
        keyType: "primary",
        idempotencyKey: "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96",
        nonce: "00112233-4455-6677-8899-aabbccddeeff",
      }),
    ).toBe("cgn_shop-1_d7eaf63eb7b0a5a96fa03bc113eaa55a16a11310e416f9ec78ffb14790d6a888ab70ee40");
  });
});
