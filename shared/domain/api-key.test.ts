import fc from "fast-check";
import { right } from "../../tests/support/either";
import {
  ApiKeyHash,
  decodeApiKey,
  hashApiKey,
  holdsApiKey,
  isInForce,
  makeApiKey,
  replaceApiKey,
  withdrawApiKey,
} from "./api-key";
import type { ApiKeyInForce, StoredApiKey } from "./api-key";
import { MerchantId } from "./identifiers";

const merchantIds = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/).map((text) => right(MerchantId.decode(text)));
const apiKeys = merchantIds.map(makeApiKey);
const createdAt = new Date(0);

describe("an API key", () => {
  it("names its merchant", () => {
    fc.assert(
      fc.property(merchantIds, (merchantId) => {
        const apiKey = makeApiKey(merchantId);
        expect(decodeApiKey(apiKey)).toEqual({ merchantId, hash: hashApiKey(apiKey) });
      }),
    );
  });

  it("is another one each time", () => {
    const merchantId = right(MerchantId.decode("shop-1"));
    expect(new Set(Array.from({ length: 1000 }, () => makeApiKey(merchantId))).size).toBe(1000);
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
        const check = (apiKey: string, kept: Parameters<typeof isInForce>[1]): boolean => {
          const presented = decodeApiKey(apiKey);
          return presented !== undefined && isInForce(presented, kept);
        };
        const both = { primary: stored(primary), secondary: stored(secondary) };
        expect([primary, secondary, other].map((apiKey) => check(apiKey, both))).toEqual([true, true, false]);
        expect(check(primary, { primary: stored(primary) })).toBe(true);
        expect(check(secondary, { secondary: stored(secondary) })).toBe(true);
        expect(check(primary, {})).toBe(false);
      }),
    );
  });

  it("comes into force again when those that replaced it are withdrawn, in any order, unless one was told", () => {
    const hashes = fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(
        hashes.chain((numbers) => fc.tuple(fc.constant(numbers), fc.shuffledSubarray(numbers.slice(1)))),
        fc.nat(60_000),
        ([numbers, untold], pauseMs) => {
          const stored = numbers.map((number, index) => ({
            hash: hashApiKey(String(number)),
            createdAt: new Date(createdAt.getTime() + index * pauseMs),
          }));
          const replaced = stored.reduce<ApiKeyInForce | undefined>(
            (key, renewed) => replaceApiKey(key, renewed),
            undefined,
          );
          const left = untold.reduce(
            (key, number) => withdrawApiKey(key, hashApiKey(String(number))),
            replaced,
          );
          const told = stored.filter((_, index) => !untold.some((number) => number === numbers[index]));
          expect(left?.hash).toBe(told.at(-1)?.hash);
        },
      ),
    );
  });

  it("is forgotten once the call that replaced it can no longer be undone", () => {
    const keyAt = (seconds: number): StoredApiKey => ({
      hash: hashApiKey(String(seconds)),
      createdAt: new Date(createdAt.getTime() + seconds * 1000),
    });
    const first = replaceApiKey(undefined, keyAt(0));
    const second = replaceApiKey(first, keyAt(1000));
    expect(second.replaced).toEqual([keyAt(0)]);
    expect(replaceApiKey(second, keyAt(1599)).replaced).toEqual([keyAt(1000), keyAt(0)]);
    expect(replaceApiKey(second, keyAt(1600)).replaced).toEqual([keyAt(1000)]);
    expect(withdrawApiKey(first, hashApiKey("0"))).toBeUndefined();
  });

  it("is known as long as it is kept, and no other is", () => {
    const [first, second, never] = [hashApiKey("1"), hashApiKey("2"), hashApiKey("3")];
    const key = replaceApiKey({ hash: first, createdAt }, { hash: second, createdAt });
    expect([first, second, never].map((hash) => holdsApiKey(key, hash))).toEqual([true, true, false]);
    expect(holdsApiKey(undefined, first)).toBe(false);
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
      hash: "017258545f711e47c59314a013d8eb47bd1fe9363645bca907bcf8b7f59810c3",
    });
    expect(makeApiKey(right(MerchantId.decode("shop-1")))).toMatch(/^cgn_shop-1_[0-9a-f]{72}$/);
  });

  it.each(["x", " "])("is refused with %j before or after it", (extra) => {
    const apiKey = makeApiKey(right(MerchantId.decode("shop-1")));
    expect([decodeApiKey(extra + apiKey), decodeApiKey(apiKey + extra)]).toEqual([undefined, undefined]);
  });
});
