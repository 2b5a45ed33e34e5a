import * as E from "fp-ts/Either";
import { right } from "../../tools/support/either";
import { decodeApiKey, type PresentedApiKey } from "./api-key";
import { MerchantId } from "./identifiers";
import { makeKeyGate, strangersPerSecond } from "./key-gate";
import { makeKeyring, type Keyrings } from "./keyring";

const keyringOf = (byte: number): ReturnType<typeof makeKeyring> => makeKeyring(Buffer.alloc(32, byte));
const [first, second, earlier] = [keyringOf(1), keyringOf(2), keyringOf(3)];
const shop = right(MerchantId.decode("shop-1"));
const newKey = (keyring = earlier): PresentedApiKey =>
  right(E.fromNullable("no API key")(decodeApiKey(keyring.newApiKey(shop, "primary"))));

describe("the gate before the store", () => {
  let nowMs = 0;
  const makeGate = (keyrings: Keyrings = { first, second: undefined }) => makeKeyGate(keyrings, () => nowMs);
  const countAdmitted = (gate: ReturnType<typeof makeGate>, keys: readonly PresentedApiKey[]): number =>
    keys.filter((each) => gate.admits(each)).length;
  const flood = (count = 1000): readonly PresentedApiKey[] => Array.from({ length: count }, () => newKey());
  beforeEach(() => {
    nowMs = 10_000_000;
  });

  it("admits so many unknown keys a second, and saves up no more than that", () => {
    const gate = makeGate();
    expect(countAdmitted(gate, flood())).toBe(strangersPerSecond);
    nowMs += 1000 / strangersPerSecond - 1;
    expect(countAdmitted(gate, flood())).toBe(0);
    nowMs += 200 - (1000 / strangersPerSecond - 1);
    expect(countAdmitted(gate, flood())).toBe(strangersPerSecond / 5);
    nowMs += 3_600_000;
    expect(countAdmitted(gate, flood())).toBe(strangersPerSecond);
  });

  it("admits a key that was made with either secret in force, whatever the flood", () => {
    const gate = makeGate({ first, second });
    const sealed = [newKey(first), newKey(second)];
    expect(countAdmitted(gate, flood())).toBe(strangersPerSecond);
    expect(countAdmitted(gate, [...sealed, ...sealed])).toBe(4);
  });

  it("admits a key of an earlier secret for an hour after it saw it in force, and not after it saw it ended", () => {
    const gate = makeGate();
    const old = newKey();
    gate.note(old, true);
    expect(countAdmitted(gate, flood())).toBe(strangersPerSecond);
    expect(gate.admits(old)).toBe(true);
    gate.note(old, false);
    expect(gate.admits(old)).toBe(false);
    gate.note(old, true);
    nowMs += 3_600_000;
    countAdmitted(gate, flood());
    expect(gate.admits(old)).toBe(false);
  });

  it("admits a key that was replaced or revoked as often as it comes: it is told 401", () => {
    const gate = makeGate();
    const revoked = newKey(first);
    gate.note(revoked, false);
    expect(countAdmitted(gate, Array<PresentedApiKey>(1000).fill(revoked))).toBe(1000);
  });

  it("remembers no made-up key, and of the others the ten thousand seen last", () => {
    const gate = makeGate();
    const [oldest, next] = [newKey(), newKey()];
    gate.note(oldest, true);
    gate.note(next, true);
    for (const madeUp of flood(100)) {
      gate.note(madeUp, false);
    }
    for (const known of flood(9_999)) {
      gate.note(known, true);
    }
    expect(countAdmitted(gate, flood())).toBe(strangersPerSecond);
    expect([gate.admits(oldest), gate.admits(next)]).toEqual([false, true]);
  });
});
