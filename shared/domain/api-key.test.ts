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
  makeApiKey,
  replaceApiKey,
  endApiKey,
  toStoredApiKey,
  typeInForce,
  wasInForce,
} from "./api-key";
import type { ApiKeys, KeyType, StoredApiKey } from "./api-key";
import { MerchantId } from "./identifiers";

const merchantIds = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/).map((text) => right(MerchantId.decode(text)));
const apiKeys = merchantIds.map((merchantId) => makeApiKey(merchantId, "primary"));
const testApiKeys = merchantIds.map((merchantId) => makeApiKey(merchantId, "test"));
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
        const apiKey = makeApiKey(merchantId, keyType);
        const isTest = keyType === "test";
        expect(decodeApiKey(apiKey)).toEqual({ merchantId, isTest, hash: hashApiKey(apiKey) });
        expect(apiKey.startsWith(`cgn_test_${merchantId}_`)).toBe(isTest);
      }),
    );
  });

  it("is another one each time", () => {
    const merchantId = right(MerchantId.decode("shop-1"));
    expect(new Set(Array.from({ length: 1000 }, () => makeApiKey(merchantId, "primary"))).size).toBe(1000);
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
      { numRuns: 1000 },
    );
  });

  it("never makes decoding throw, whatever is presented", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string()), (text) => {
        expect(decodeApiKey(text)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  it("is in force as the primary or the secondary key, and as no other", () => {
    fc.assert(
      fc.property(apiKeys, apiKeys, apiKeys, (primary, secondary, other) => {
        fc.pre(new Set([primary, secondary, other]).size === 3);
        const stored = (apiKey: string): { hash: ReturnType<typeof hashApiKey>; createdAt: Date } => ({
          hash: hashApiKey(apiKey),
          createdAt,
        });
        const check = (apiKey: string, kept: ApiKeys): boolean => {
          const presented = decodeApiKey(apiKey);
          return presented !== undefined && typeInForce(presented, kept) !== undefined;
        };
        const both = { primary: stored(primary), secondary: stored(secondary) };
        expect([primary, secondary, other].map((apiKey) => check(apiKey, both))).toEqual([true, true, false]);
        expect(check(primary, { primary: stored(primary) })).toBe(true);
        expect(check(secondary, { secondary: stored(secondary) })).toBe(true);
        expect(check(primary, {})).toBe(false);
        const types = [primary, secondary].map((apiKey) => {
          const presented = decodeApiKey(apiKey);
          return presented && typeInForce(presented, both);
        });
        expect(types).toEqual(["primary", "secondary"]);
      }),
    );
  });

  it("is in force as the test key if it says so, and otherwise never is", () => {
    fc.assert(
      fc.property(apiKeys, testApiKeys, (apiKey, testApiKey) => {
        const check = (presented: string, kept: ApiKeys): boolean => {
          const decoded = decodeApiKey(presented);
          return decoded !== undefined && typeInForce(decoded, kept) !== undefined;
        };
        const [stored, storedTest] = [apiKey, testApiKey].map((each) =>
          toStoredApiKey(each, createdAt, undefined),
        );
        if (stored === undefined || storedTest === undefined) {
          throw new Error("there are two keys");
        }
        expect(check(testApiKey, { test: storedTest })).toBe(true);
        expect(check(apiKey, { test: stored })).toBe(false);
        expect(check(testApiKey, { primary: storedTest, secondary: storedTest })).toBe(false);
        expect(check(testApiKey, { primary: stored, secondary: stored })).toBe(false);
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
    expect(decodeApiKey(apiKey)).toEqual({
      merchantId: "shop-1",
      isTest: false,
      hash: "017258545f711e47c59314a013d8eb47bd1fe9363645bca907bcf8b7f59810c3",
    });
    expect(makeApiKey(right(MerchantId.decode("shop-1")), "primary")).toMatch(/^cgn_shop-1_[0-9a-f]{72}$/);
    const testApiKey =
      "cgn_test_shop-1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefe2e80b0e";
    expect(decodeApiKey(testApiKey)).toEqual({
      merchantId: "shop-1",
      isTest: true,
      hash: "deba5846ac5f968806a8a5f4291a6de3bbc06e6e5db11f8de941812c62d75d4b",
    });
  });

  it.each(["x", " "])("is refused with %j before or after it", (extra) => {
    const apiKey = makeApiKey(right(MerchantId.decode("shop-1")), "primary");
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

  it("leave the keys of the other type alone, whatever is replaced or revoked", () => {
    const both = replace(replace({}, "primary", madeBy("call 1", 0)), "secondary", madeBy("call 2", 1));
    expect(end(both, "primary", at(2)).secondary).toEqual(both.secondary);
    expect(end(both, "primary", at(2)).primary).toBeUndefined();
    expect(replace(both, "secondary", madeBy("call 3", 2)).primary).toEqual(both.primary);
  });
});
