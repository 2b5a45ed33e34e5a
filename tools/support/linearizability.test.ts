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

describe("a history is bad if it breaks a guarantee", () => {
  it.each<[string, readonly Operation[]]>([
    ["one use without a key is granted, not two", [granted(0, 10), granted(5, 15)]],
    ["a use without a key is no retry", [granted(0, 10, "a"), granted(5, 15)]],
    ["a lost use that took effect is the only one", [lost(0, 1), used(2, 3), granted(4, 5)]],
    ["once a use is granted, the OTP is not live", [granted(0, 10), live(11, 12)]],
    ["a used OTP stays used", [lost(0), used(1, 2), live(3, 4)]],
    ["an OTP that nobody used is live", [used(0, 1)]],
    ["an ask does not use the OTP", [lostAsk(0), used(1, 2)]],
    ["one of the uses is granted", [refused(0, 10), refused(0, 10), refused(0, 10)]],
    ["a use is not refused because of a later one", [refused(0, 1), granted(2, 3)]],
    ["a retry has the same instant of use", [granted(0, 1, "a", "t1"), granted(2, 3, "a", "t2")]],
    ["a retry is granted", [granted(0, 1, "a"), refused(2, 3, "a")]],
    ["a refused use is not granted when retried", [lost(0), refused(1, 2, "a"), granted(3, 4, "a")]],
    ["a use refused as expired is not granted later", [expired(0, 1, "a"), granted(2, 3, "a")]],
    ["a use refused as expired took no effect", [expired(0, 5), used(6, 7)]],
    ["after the end no use begins", [expiredAsk(0, 1), lost(2, 3), used(4, 5)]],
    ["a used OTP does not expire", [granted(0, 1), expiredAsk(2, 3)]],
  ])("%s", (_, history) => {
    expect(checkUseHistory(history)).toMatchObject({ ok: false });
    expect(hasLegalOrder(history)).toBe(false);
  });

  it("and the reason names the contradiction for each use that may have taken effect", () => {
    expect(checkUseHistory([lost(0, 1, "a"), granted(2, 3, "b"), live(4, 5)])).toEqual({
      ok: false,
      reason: [
        "if nothing used it: not [use with key b, 2 to 3: granted at t1]",
        "if [use with key a, 0 to 1: unknown] used it: [use with key b, 2 to 3: granted at t1] does not repeat it",
        "if [use with key b, 2 to 3: granted at t1] used it: [use with key b, 2 to 3: granted at t1] ended before [ask, 4 to 5: live] started",
      ].join("\n"),
    });
  });
});

describe("a history is good", () => {
  it.each<[string, readonly Operation[]]>([
    ["of an OTP that nobody used", [live(0, 1), live(2, 3), lostAsk(4)]],
    ["of one call after the other", [live(0, 1), granted(2, 3), used(4, 5), refused(6, 7)]],
    ["if a lost use took effect after its end", [lost(0, 1), live(2, 3), used(4, 5), refused(6, 7)]],
    ["if a lost use is granted when retried", [lost(0, 1, "a"), granted(2, 3, "a"), granted(4, 5, "a")]],
    ["if a retry of a lost use is refused", [lost(0, 1, "a"), granted(2, 3, "b"), refused(4, 5, "a")]],
    ["if the OTP is live while its use is under way", [granted(0, 10), live(5, 15)]],
    ["if the OTP is live at the instant at which its use ends", [granted(0, 10), live(10, 11)]],
    ["if the OTP is used at the instant at which its use starts", [used(0, 5), granted(5, 6)]],
    ["if simultaneous asks disagree", [granted(0, 10), used(3, 8), live(7, 12)]],
    ["of an OTP that ended unused", [live(0, 1), expired(2, 3, "a"), expired(4, 5, "a"), expiredAsk(6, 7)]],
    ["if a use that was written in time arrives after the end", [lost(0, 1), expiredAsk(2, 3), used(4, 5)]],
    ["if the OTP ends while its use is under way", [granted(0, 10, "a"), expired(5, 15), used(6, 16)]],
  ])("%s", (_, history) => {
    expect(checkUseHistory(history)).toEqual({ ok: true });
    expect(hasLegalOrder(history)).toBe(true);
  });
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
