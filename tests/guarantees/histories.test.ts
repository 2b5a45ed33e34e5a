import { problemTypeBase } from "../../shared/http/problem";
import {
  judge,
  recordHistories,
  summarize,
  type Observation,
  type OtpRecord,
  type Report,
  type Step,
} from "./histories";

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

describe("what clients saw of an OTP", () => {
  const otp = { code: "AAAAAAAAAAA", expiresAt: "2026-03-01T10:10:00.000Z", discountId: "discount-1" };
  const usedAt = "2026-03-01T10:03:00.000Z";
  const ask: Step = { operation: "ask", instance: 0, pauseMs: 0 };
  const use: Step = { operation: "use", instance: 0, pauseMs: 0 };
  const keyed: Step = { ...use, idempotencyKey: "cart 1" };

  const told = (step: Step, start: number, status: number, json: unknown): Observation => {
    const reply = { status, headers: new Headers(), text: JSON.stringify(json), json };
    return { step, start, end: start + 5, reply };
  };
  const ok = (step: Step, start: number, expiresAt: string, discountId = otp.discountId): Observation =>
    told(step, start, 200, { expires_at: expiresAt, discount_id: discountId });
  const problem = (step: Step, start: number, status: number, name: string): Observation =>
    told(step, start, status, { type: problemTypeBase + name });
  const used = (step: Step, start: number): Observation => problem(step, start, 404, "otp-already-used");
  const away = (step: Step, start: number): Observation => problem(step, start, 503, "service-unavailable");
  const broken = (step: Step, start: number): Observation => ({
    step,
    start,
    end: start + 5,
    reply: undefined,
  });
  const record = (observations: readonly Observation[], probes: readonly Observation[] = []): OtpRecord => ({
    otp,
    observations,
    probes,
  });
  const expired = (step: Step, start: number): Observation => problem(step, start, 404, "otp-expired");
  const ended = (observations: readonly Observation[], probes: readonly Observation[]): OtpRecord => ({
    otp: { ...otp, liveUntil: 1000 },
    observations,
    probes,
  });

  it.each<[string, OtpRecord]>([
    ["two uses are granted", record([ok(use, 0, usedAt), ok(use, 1, usedAt)])],
    [
      "a use is granted and the OTP is live at the end",
      record([ok(use, 0, usedAt)], [ok(ask, 10, otp.expiresAt)]),
    ],
    ["nobody used the OTP and it is used at the end", record([ok(ask, 0, otp.expiresAt)], [used(ask, 10)])],
    ["a retry is refused", record([ok(keyed, 0, usedAt), used(keyed, 10)])],
    ["a retry gets another instant of use", record([ok(keyed, 0, usedAt)], [ok(keyed, 10, otp.expiresAt)])],
    ["the OTP is not found", record([problem(ask, 0, 404, "otp-not-found")])],
    ["the service fails", record([problem(use, 0, 500, "internal-error")])],
    ["the 503 is a gateway's, not the service's", record([told(use, 0, 503, "Service Unavailable")])],
    ["an answer has another discount", record([ok(use, 0, usedAt, "discount-2")])],
    ["an answer has another expiry", record([ok(ask, 0, usedAt)])],
    ["the OTP expires before its end", record([expired(keyed, 0)])],
    [
      "a use is refused as expired and is granted later",
      ended([expired(keyed, 998)], [ok(keyed, 2000, usedAt)]),
    ],
    ["a use is refused as expired and took effect", ended([expired(use, 998)], [used(ask, 2000)])],
    ["there is no answer without faults", record([], [away(ask, 0)])],
    ["the connection breaks without faults", record([], [broken(ask, 0)])],
  ])("is a finding if %s", (_, bad) => {
    expect(judge(bad)).toHaveLength(1);
  });

  it.each<[string, OtpRecord]>([
    ["a use is granted and others refused", record([ok(use, 0, usedAt), used(use, 1)], [used(ask, 10)])],
    ["a lost use is granted when retried at the end", record([away(keyed, 0)], [ok(keyed, 10, usedAt)])],
    ["a lost use took effect", record([broken(use, 0), used(use, 10)], [used(ask, 20)])],
    ["the OTP ends unused", ended([ok(ask, 0, otp.expiresAt), expired(keyed, 998)], [expired(ask, 2000)])],
    [
      "a lost use took effect after the end",
      ended([away(keyed, 0), expired(use, 998)], [ok(keyed, 2000, usedAt)]),
    ],
    ["a lost use had no effect", record([away(use, 0)], [ok(ask, 10, otp.expiresAt)])],
  ])("is none if %s", (_, good) => {
    expect(judge(good)).toEqual([]);
  });
});
