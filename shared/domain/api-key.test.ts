import fc from "fast-check";
import { right } from "../../tools/support/either";
import {
  ApiKeyHash,
  decodeApiKey,
  hashApiKey,
  sha256OfIdempotencyKey,
  endedBy,
  isKnownCall,
  keyTypes,
  replaceApiKey,
  endApiKey,
  toStoredApiKey,
  typeInForce,
  wasInForce,
  type ApiKeys,
  type KeyType,
  type StoredApiKey,
} from "./api-key";
import { MerchantId } from "./identifiers";
import { makeKeyring } from "./keyring";

const keyring = makeKeyring(Buffer.alloc(32, 1));
const merchantIds = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/).map((text) => right(MerchantId.decode(text)));
const apiKeys = merchantIds.map((merchantId) => keyring.newApiKey(merchantId, "primary"));
const testApiKeys = merchantIds.map((merchantId) => keyring.newApiKey(merchantId, "test"));
const createdAt = new Date(0);

describe("an API key", () => {
  it("names its merchant and its kind, and cannot be read as one of the other kind", () => {
    // The merchants whose names look like the prefixes.
    const merchants = fc.oneof(
      merchantIds,
      fc.constantFrom("test", "cgn", "test-", "-test").map((text) => right(MerchantId.decode(text))),
    );
    fc.assert(
      fc.property(merchants, fc.constantFrom(...keyTypes), (merchantId, keyType) => {
        const apiKey = keyring.newApiKey(merchantId, keyType);
        const isTest = keyType === "test";
        expect(decodeApiKey(apiKey)).toMatchObject({ merchantId, isTest, hash: hashApiKey(apiKey) });
        expect(apiKey.startsWith(`cgn_test_${merchantId}_`)).toBe(isTest);
      }),
    );
  });

  it("is another one each time", () => {
    const merchantId = right(MerchantId.decode("shop-1"));
    expect(new Set(Array.from({ length: 100 }, () => keyring.newApiKey(merchantId, "primary"))).size).toBe(
      100,
    );
  });

  it("is refused with any one character changed, added or left out", () => {
    fc.assert(
      fc.property(
        apiKeys,
        fc.nat(),
        fc.stringMatching(/^[ -~]?$/),
        fc.boolean(),
        (apiKey, at, other, insert) => {
          const index = at % apiKey.length;
          const altered = apiKey.slice(0, index) + other + apiKey.slice(insert ? index : index + 1);
          fc.pre(altered !== apiKey);
          expect(decodeApiKey(altered)).toBeUndefined();
        },
      ),
      { numRuns: 300 },
    );
  });

  it("never makes decoding throw, whatever is presented", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-composite" }), (text) => {
        expect(decodeApiKey(text)).toBeUndefined();
      }),
    );
  });

  it("is in force as the type that it was stored for, and a test key as the test key only", () => {
    const inForce = (presented: string, kept: ApiKeys): KeyType | undefined => {
      const decoded = decodeApiKey(presented);
      return decoded && typeInForce(decoded, kept);
    };
    const stored = (apiKey: string): StoredApiKey => toStoredApiKey(apiKey, createdAt, undefined);
    fc.assert(
      fc.property(apiKeys, apiKeys, apiKeys, testApiKeys, (one, two, other, testKey) => {
        fc.pre(new Set([one, two, other]).size === 3);
        const both = { primary: stored(one), secondary: stored(two) };
        expect([one, two, other].map((each) => inForce(each, both))).toEqual([
          "primary",
          "secondary",
          undefined,
        ]);
        expect(inForce(two, { secondary: stored(two) })).toBe("secondary");
        expect(inForce(one, {})).toBeUndefined();
        expect(inForce(testKey, { test: stored(testKey) })).toBe("test");
        expect(inForce(one, { test: stored(one) })).toBeUndefined();
        expect(inForce(testKey, { primary: stored(testKey), secondary: stored(testKey) })).toBeUndefined();
        expect(inForce(testKey, both)).toBeUndefined();
      }),
    );
  });

  it.each(["", "0".repeat(63), "0".repeat(65), "A".repeat(64), "g".repeat(64), `x${"0".repeat(64)}`])(
    "is not kept as %j",
    (text) => {
      expect(ApiKeyHash.is(text)).toBe(false);
    },
  );

  // Worked out with other implementations of CRC-32 and SHA-256. Merchants hold keys of this form.
  it("keeps its form, and is kept in the same form, over releases", () => {
    const apiKey = "cgn_shop-1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefd6de1a4f";
    expect(decodeApiKey(apiKey)).toMatchObject({
      merchantId: "shop-1",
      isTest: false,
      hash: "017258545f711e47c59314a013d8eb47bd1fe9363645bca907bcf8b7f59810c3",
    });
    expect(keyring.newApiKey(right(MerchantId.decode("shop-1")), "primary")).toMatch(
      /^cgn_shop-1_[0-9a-f]{72}$/,
    );
    const testApiKey =
      "cgn_test_shop-1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefe2e80b0e";
    expect(decodeApiKey(testApiKey)).toMatchObject({
      merchantId: "shop-1",
      isTest: true,
      hash: "deba5846ac5f968806a8a5f4291a6de3bbc06e6e5db11f8de941812c62d75d4b",
    });
  });

  it.each(["x", " "])("is refused with %j before or after it", (extra) => {
    const apiKey = keyring.newApiKey(right(MerchantId.decode("shop-1")), "primary");
    expect([decodeApiKey(extra + apiKey), decodeApiKey(apiKey + extra)]).toEqual([undefined, undefined]);
  });
});

describe("the calls that made a merchant's keys", () => {
  const at = (seconds: number): Date => new Date(seconds * 1000);
  const madeBy = (idempotencyKey: string | undefined, seconds: number): StoredApiKey =>
    toStoredApiKey(
      `key of ${idempotencyKey ?? ""}`,
      at(seconds),
      idempotencyKey === undefined
        ? undefined
        : { idempotencyKeyHash: sha256OfIdempotencyKey(idempotencyKey), nonce: "nonce" },
    );
  const isKnown = (apiKeys: ApiKeys, idempotencyKey: string, seconds: number): boolean =>
    isKnownCall(apiKeys, "primary", {
      idempotencyKeyHash: sha256OfIdempotencyKey(idempotencyKey),
      now: at(seconds),
    });
  const day = 86_400;
  const replace = (keys: ApiKeys, keyType: KeyType, renewed: StoredApiKey, callId = "call"): ApiKeys =>
    replaceApiKey(keys, keyType, { renewed, callId, now: renewed.createdAt });
  const end = (keys: ApiKeys, keyType: KeyType, now: Date, callId = "call"): ApiKeys =>
    endApiKey(keys, keyType, { now, callId });

  it.each([
    ["replaced", (keys: ApiKeys): ApiKeys => replace(keys, "primary", madeBy("call 2", 100))],
    ["revoked", (keys: ApiKeys): ApiKeys => end(keys, "primary", at(100))],
  ])("are known while their key is in force, and for 24 hours after it was %s", (_, change) => {
    const first = replace({}, "primary", madeBy("call 1", 0));
    expect([isKnown(first, "call 1", 10 * day), isKnown(first, "call 2", 0)]).toEqual([true, false]);
    const ended = change(first);
    expect([isKnown(ended, "call 1", 99 + day), isKnown(ended, "call 1", 100 + day)]).toEqual([true, false]);
    expect(end(ended, "primary", at(100 + day)).ended?.primary).not.toContainEqual(
      expect.objectContaining({ idempotencyKeyHash: sha256OfIdempotencyKey("call 1") }),
    );
  });

  it("are known by type, the last ten of each, and none that had no Idempotency-Key", () => {
    const names = Array.from({ length: 12 }, (_, index) => `call ${index}`);
    const apiKeys = names.reduce<ApiKeys>(
      (keys, name, index) => replace(keys, "primary", madeBy(name, index)),
      replace({}, "secondary", madeBy("another", 0)),
    );
    // The last is in force, and ten were before it.
    expect(names.map((name) => isKnown(apiKeys, name, 20))).toEqual(names.map((_, index) => index > 0));
    expect(isKnown(apiKeys, "another", 20)).toBe(false);
    const withRandom = replace(apiKeys, "primary", madeBy(undefined, 20));
    const last = end(withRandom, "primary", at(21));
    expect(names.map((name) => isKnown(last, name, 22))).toEqual(names.map((_, index) => index > 1));
  });

  it("are known by a hash that does not depend on the service's secret", () => {
    // Worked out with another implementation of SHA-256.
    expect(sha256OfIdempotencyKey("3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96")).toBe(
      "8b66ef134b3ed11490543bbd6665aad3ed8a6951b9b200c408885e4706c94ce8",
    );
  });

  it("prove later that their writes were applied, by the keys that they made and ended", () => {
    const [one, two] = [madeBy("call 1", 0), madeBy(undefined, 1)];
    const made = replace({}, "primary", one, "id 1");
    const replaced = replace(made, "primary", two, "id 2");
    const revoked = end(replaced, "primary", at(2), "id 3");
    const isProven = (keys: ApiKeys): readonly boolean[] =>
      [one, two].map(({ hash }) => wasInForce(keys, "primary", hash));
    expect([made, replaced, revoked].map(isProven)).toEqual([
      [true, false],
      [true, true],
      [true, true],
    ]);
    expect(wasInForce(revoked, "secondary", one.hash)).toBe(false);
    expect(["id 1", "id 2", "id 3"].map((id) => endedBy(revoked, "primary", id))).toEqual([
      [],
      [one.hash],
      [two.hash],
    ]);
    expect(endedBy(revoked, "secondary", "id 2")).toEqual([]);
    // A call that found no key has ended none.
    expect(endedBy(end({}, "primary", at(3), "id 4"), "primary", "id 4")).toEqual([]);
  });

  it("leave the keys of the other type alone, in force or ended, whatever is replaced or revoked", () => {
    const both = replace(replace({}, "primary", madeBy("call 1", 0)), "secondary", madeBy("call 2", 1));
    expect(end(both, "primary", at(2)).secondary).toEqual(both.secondary);
    expect(end(both, "primary", at(2)).primary).toBeUndefined();
    expect(replace(both, "secondary", madeBy("call 3", 2)).primary).toEqual(both.primary);
    const one = end(both, "secondary", at(2));
    const two = end(one, "primary", at(3));
    const nothing = end(two, "primary", at(4));
    expect(one.ended?.secondary).toHaveLength(1);
    expect([two.ended?.secondary, nothing.ended?.secondary]).toEqual(Array(2).fill(one.ended?.secondary));
  });
});
