import { recordHistories, summarize, type Report } from "./histories";

const seconds = Number(process.env["HISTORY_SECONDS"] ?? 6);
const seed = Number(process.env["HISTORY_SEED"] ?? Date.now() % 2 ** 31);

describe("clients of three processes, on a store that fails", () => {
  let report: Report;
  beforeAll(
    async () => {
      report = await recordHistories({ seconds, leastOtps: 36, seed, processes: 3 });
      if (process.env["HISTORY_SECONDS"] !== undefined) {
        process.stderr.write(`${summarize(report)}\n`);
      }
    },
    (10 * seconds + 60) * 1000,
  );

  it("see every OTP used at most once and never lost, and the same answer to retries", () => {
    const { findings } = report;
    const shown = findings.length === 0 ? "" : [summarize(report), ...findings.slice(0, 3)].join("\n\n");
    expect(shown).toBe("");
  });

  it("see enough outcomes for a meaningful test", () => {
    const { otps, operations, replays, faults } = report;
    expect(otps).toBeGreaterThanOrEqual(6);
    for (const outcome of [
      "use granted",
      "use already-used",
      "use unknown",
      "use expired",
      "ask live",
      "ask already-used",
    ]) {
      expect([outcome, operations[outcome] ?? 0]).not.toEqual([outcome, 0]);
    }
    expect(replays).toBeGreaterThanOrEqual(1);
    expect(Object.keys(faults).length).toBeGreaterThanOrEqual(12);
    expect(faults["failover"]).toBeGreaterThanOrEqual(1);
  });
});
