import fc from "fast-check";
import { right } from "../../tools/support/either";
import { DiscountId } from "./identifiers";
import { decideValidation, expiryOf, isLive, otpItemTtl, slotItemTtl, type Otp, type UseMark } from "./otp";

const lifetime = { ttlSeconds: 600, retentionSeconds: 86_400 };
const issuedAt = new Date("2026-03-01T10:00:00.000Z");
const otp: Otp = {
  discountId: right(DiscountId.decode("discount-1")),
  slotId: "slot",
  expiresAt: expiryOf(issuedAt, lifetime),
  use: undefined,
};
const after = (seconds: number): Date => new Date(issuedAt.getTime() + seconds * 1000);
const usedBy = (mark: UseMark, at: Date): Otp => ({ ...otp, use: { ...mark, usedAt: at } });

const instants = fc.integer({ min: 0, max: 200_000 }).map(after);
const marks = fc.record({
  callId: fc.uuid(),
  idempotencyKeyHash: fc.option(fc.constantFrom("hash-1", "hash-2"), { nil: undefined }),
});

describe("the life of an OTP", () => {
  it("lasts for its time to live, and ends with its use", () => {
    fc.assert(
      fc.property(instants, marks, (now, mark) => {
        expect(isLive(otp, now)).toBe(now < after(600));
        expect(isLive(usedBy(mark, issuedAt), now)).toBe(false);
      }),
    );
  });

  it("never makes an OTP usable again once it is over", () => {
    fc.assert(
      fc.property(instants, fc.nat(100_000), marks, (now, later, mark) => {
        fc.pre(!isLive(otp, now));
        expect(isLive(otp, new Date(now.getTime() + later))).toBe(false);
        expect(decideValidation(otp, mark, now, lifetime).tag).not.toBe("use");
      }),
    );
  });
});

describe("a validation", () => {
  it("changes only the use, and only of a live OTP", () => {
    fc.assert(
      fc.property(instants, marks, (now, mark) => {
        const decision = decideValidation(otp, mark, now, lifetime);
        expect(decision.tag === "use").toBe(isLive(otp, now));
        if (decision.tag === "use") {
          expect(decision.otp).toEqual({ ...otp, use: { ...mark, usedAt: now } });
        }
      }),
    );
  });

  it("grants a used OTP to the call that used it and to a retry of that call, and to no other", () => {
    fc.assert(
      fc.property(marks, marks, (winner, rival) => {
        const used = usedBy(winner, after(1));
        const isRepetition =
          rival.idempotencyKeyHash !== undefined && rival.idempotencyKeyHash === winner.idempotencyKeyHash;
        expect(decideValidation(used, winner, after(2), lifetime).tag).toBe("used-by-this-call");
        expect(decideValidation(used, rival, after(2), lifetime).tag).toBe(
          isRepetition ? "used-by-this-call" : "otp-already-used",
        );
        expect(decideValidation(used, undefined, after(2), lifetime).tag).toBe("otp-already-used");
      }),
    );
  });

  it.each([
    [0, "live"],
    [599.999, "live"],
    [600, "otp-expired"],
    [600 + 86_399.999, "otp-expired"],
    [600 + 86_400, "otp-not-found"],
  ])("%d seconds after the issue finds the OTP in this state: %s", (seconds, tag) => {
    expect(decideValidation(otp, undefined, after(seconds), lifetime).tag).toBe(tag);
  });
});

describe("what is stored", () => {
  it("keeps an OTP past its retention, at any time of writing, and its slot past its life", () => {
    fc.assert(
      fc.property(instants, (now) => {
        fc.pre(now < after(87_000));
        const ttl = otpItemTtl(otp, now, lifetime);
        expect(Number.isInteger(ttl)).toBe(true);
        expect(now.getTime() + ttl * 1000).toBeGreaterThanOrEqual(after(87_000 + 300).getTime());
        expect(now.getTime() + (ttl - 1) * 1000).toBeLessThan(after(87_000 + 300).getTime());
      }),
    );
    expect(slotItemTtl(lifetime)).toBeGreaterThan(lifetime.ttlSeconds);
    expect(slotItemTtl(lifetime)).toBeLessThan(otpItemTtl(otp, issuedAt, lifetime));
  });

  it("never has a time to live that the store would refuse", () => {
    expect(otpItemTtl(otp, after(1_000_000), lifetime)).toBeGreaterThan(0);
  });
});
