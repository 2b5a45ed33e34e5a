import fc from "fast-check";
import { arrivals, dueUntil, instantOf } from "./arrivals";

const rise = { rate: 20, rampSeconds: 10 };

describe("the purchases that are due", () => {
  it("are half as many during the ramp as after it in the same time", () => {
    expect([0, 5, 10, 20].map((seconds) => dueUntil(rise, seconds))).toEqual([0, 25, 100, 300]);
  });

  it("are due when so many are due", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 2000, noNaN: true }),
        fc.oneof(fc.constant(0), fc.double({ min: 0, max: 60, noNaN: true })),
        fc.double({ min: 0, max: 600, noNaN: true }),
        (rate, rampSeconds, seconds) => {
          const there = instantOf({ rate, rampSeconds }, dueUntil({ rate, rampSeconds }, seconds));
          expect(Math.abs(there - seconds)).toBeLessThan(1e-3);
        },
      ),
    );
  });

  it("come in order, within the time, and on average at the rate", () => {
    // Always the mean of the distribution.
    const instants = [...arrivals(rise, 20, () => 1 - 1 / Math.E)];
    expect(instants).toHaveLength(299);
    expect(instants[0]).toBeCloseTo(1);
    expect(instants[99]).toBeCloseTo(10);
    expect(instants.every((instant, index) => instant > (instants[index - 1] ?? 0) && instant < 20)).toBe(
      true,
    );
  });

  it("are independent of one another: some come together", () => {
    const instants = [...arrivals({ rate: 1000, rampSeconds: 0 }, 10)];
    const gaps = instants.map((instant, index) => instant - (instants[index - 1] ?? 0));
    // Of a Poisson process at 1,000 a second, 1 − 1/e come within the mean gap. 10,000 of them are within 3 % of that.
    const close = gaps.filter((gap) => gap < 0.001).length / gaps.length;
    expect(close).toBeGreaterThan(0.6);
    expect(close).toBeLessThan(0.665);
  });
});
