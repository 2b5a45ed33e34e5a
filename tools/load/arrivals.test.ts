import { arrivals } from "./arrivals";

describe("the purchases that are due", () => {
  it("come in order, within the time, and half as many during the ramp as after it in the same time", () => {
    // Always the mean of the distribution.
    const instants = [...arrivals({ rate: 20, rampSeconds: 10 }, 20, () => 1 - 1 / Math.E)];
    expect(instants).toHaveLength(299);
    expect([0, 24, 99, 199].map((index) => Math.round((instants[index] ?? 0) * 1e3))).toEqual([
      ...[1000, 5000, 10_000, 15_000],
    ]);
    expect(instants).toEqual(instants.toSorted((a, b) => a - b));
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
