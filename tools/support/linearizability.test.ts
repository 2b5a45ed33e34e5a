import fc from "fast-check";
import { checkUseHistory, type Operation } from "./linearizability";

const granted = (start: number, end: number, idempotencyKey?: string, usedAt = "t1"): Operation => ({
  ...{ operation: "use", outcome: "granted", start, end, idempotencyKey, usedAt },
});
const refused = (start: number, end: number, idempotencyKey?: string): Operation => ({
  ...{ operation: "use", outcome: "already-used", start, end, idempotencyKey },
});
const lost = (start: number, end?: number, idempotencyKey?: string): Operation => ({
  ...{ operation: "use", outcome: "unknown", start, end, idempotencyKey },
});
const live = (start: number, end: number): Operation => ({ operation: "ask", outcome: "live", start, end });
const used = (start: number, end: number): Operation => ({
  ...{ operation: "ask", outcome: "already-used", start, end },
});
const expired = (start: number, end: number, idempotencyKey?: string): Operation => ({
  operation: "use",
  outcome: "expired",
  start,
  end,
  idempotencyKey,
});
const expiredAsk = (start: number, end: number): Operation => ({
  operation: "ask",
  outcome: "expired",
  start,
  end,
});
const lostAsk = (start: number): Operation => ({ operation: "ask", outcome: "unknown", start });

it.each<[string, boolean, readonly Operation[]]>([
  ["two uses without a key are granted", false, [granted(0, 10), granted(5, 15)]],
  ["a lost use took effect, and another is granted", false, [lost(0, 1), used(2, 3), granted(4, 5)]],
  ["a used OTP is live", false, [granted(0, 10), live(11, 12)]],
  ["an OTP that nobody used is used", false, [lostAsk(0), used(1, 2)]],
  ["a retry has another instant of use", false, [granted(0, 1, "a", "t1"), granted(2, 3, "a", "t2")]],
  ["a retry is refused", false, [granted(0, 1, "a"), refused(2, 3, "a")]],
  ["a use refused as expired is granted later", false, [expired(0, 1, "a"), granted(2, 3, "a")]],
  ["after the end a use begins", false, [expiredAsk(0, 1), lost(2, 3), used(4, 5)]],
  ["one call follows another", true, [live(0, 1), granted(2, 3), used(4, 5), refused(6, 7)]],
  ["a lost use takes effect after its end", true, [lost(0, 1), live(2, 3), used(4, 5), refused(6, 7)]],
  ["a lost use is granted when retried", true, [lost(0, 1, "a"), granted(2, 3, "a"), granted(4, 5, "a")]],
  ["simultaneous asks disagree", true, [granted(0, 10), used(3, 8), live(7, 12)]],
  ["a use that was written in time arrives after the end", true, [lost(0, 1), expiredAsk(2, 3), used(4, 5)]],
])("a history in which %s is good: %s", (_, isGood, history) => {
  expect(checkUseHistory(history).ok).toBe(isGood);
  expect(hasLegalOrder(history)).toBe(isGood);
});

interface Register {
  readonly used: boolean;
  readonly idempotencyKey?: string | undefined;
  readonly usedAt?: string | undefined;
  /** The earliest end of an operation that found it expired. */
  readonly expiredBy?: number;
}

/** The register after an operation, or undefined if the register would have given another answer. */
const step = (register: Register, operation: Operation): Register | undefined => {
  const { used, idempotencyKey, usedAt, expiredBy = Infinity } = register;
  if (operation.outcome === "expired") {
    return used ? undefined : { ...register, expiredBy: Math.min(expiredBy, operation.end) };
  }
  if (operation.operation === "ask") {
    return operation.outcome === (used ? "live" : "already-used") ? undefined : register;
  }
  const answeredAt = operation.outcome === "granted" ? operation.usedAt : undefined;
  if (!used) {
    return operation.outcome === "already-used" || operation.start > expiredBy
      ? undefined
      : { used: true, idempotencyKey: operation.idempotencyKey, usedAt: answeredAt };
  }
  const repeats = idempotencyKey !== undefined && idempotencyKey === operation.idempotencyKey;
  switch (operation.outcome) {
    case "unknown":
      return register;
    case "already-used":
      return repeats ? undefined : register;
    case "granted":
      return repeats && (usedAt ?? answeredAt) === answeredAt
        ? { ...register, usedAt: answeredAt }
        : undefined;
  }
};

const mustPrecede = (a: Operation, b: Operation): boolean => a.outcome !== "unknown" && a.end < b.start;

/** The literal definition: tries all orders that real time allows, with and without operations of unknown outcome. */
const hasLegalOrder = (remaining: readonly Operation[], register: Register = { used: false }): boolean =>
  remaining.every(({ outcome }) => outcome === "unknown") ||
  remaining.some((operation, index) => {
    const rest = remaining.toSpliced(index, 1);
    const next = rest.some((other) => mustPrecede(other, operation)) ? undefined : step(register, operation);
    return next !== undefined && hasLegalOrder(rest, next);
  });

/** Few values, so that instants coincide, keys repeat, and a good share of the histories is good. */
const operations: fc.Arbitrary<Operation> = fc
  .tuple(
    fc.nat(6),
    fc.nat(3),
    fc.constantFrom(undefined, "a", "a", "b"),
    fc.constantFrom("t1", "t1", "t1", "t1", "t2"),
  )
  .chain(([start, length, key, usedAt]) =>
    fc.constantFrom(
      granted(start, start + length, key, usedAt),
      refused(start, start + length, key),
      lost(start, start + length, key),
      usedAt === "t2" ? expiredAsk(start, start + length) : expired(start, start + length, key),
      live(start, start + length),
      used(start, start + length),
      lostAsk(start),
    ),
  );

describe("the verdict", () => {
  const runs = 20_000;

  it(`is that of the definition on ${runs} histories, good ones and bad ones`, () => {
    const seen = { unused: 0, good: 0, bad: 0 };
    fc.assert(
      fc.property(fc.array(operations, { minLength: 1, maxLength: 5 }), (history) => {
        const { ok } = checkUseHistory(history);
        expect(ok).toBe(hasLegalOrder(history));
        const saysUsed = history.some(({ outcome }) => outcome === "granted" || outcome === "already-used");
        seen[!ok ? "bad" : saysUsed ? "good" : "unused"] += 1;
      }),
      { numRuns: runs },
    );
    expect(seen.good).toBeGreaterThan(runs / 5);
    expect(seen.bad).toBeGreaterThan(runs / 5);
  });
});
