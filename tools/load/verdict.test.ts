import { judge } from "./verdict";
import type { Answer, CodeCall, CodeProblem, Verdict } from "./verdict";

const accepted: Answer = { kind: "accepted" };
const unknown: Answer = { kind: "unknown" };
const refused = (problem: CodeProblem): Answer => ({ kind: "refused", problem });
const alreadyUsed = refused("otp-already-used");

const call = (
  kind: CodeCall["kind"],
  attempt: number,
  [sentMs, answeredMs]: readonly [number, number],
  answer: Answer,
): CodeCall => ({ kind, attempt, sentMs, answeredMs, answer, instance: undefined });

const liveUntilMs = 1000;
const judgeCalls = (...calls: CodeCall[]): Verdict => judge({ liveUntilMs, calls });
const kindsOf = (...calls: CodeCall[]): string[] => judgeCalls(...calls).violations.map(({ kind }) => kind);

describe("the verdict on a code", () => {
  it("is fine when it is asked about, used once and refused from then on", () => {
    expect(
      judgeCalls(
        call("ask", 0, [0, 1], accepted),
        call("use", 0, [2, 3], accepted),
        call("use", 1, [4, 5], alreadyUsed),
        call("ask", 0, [6, 7], alreadyUsed),
      ),
    ).toEqual({ violations: [], undecided: [] });
  });

  it("is fine when one of several sides gets it, whoever is answered first", () => {
    expect(
      judgeCalls(
        call("use", 0, [0, 1], alreadyUsed),
        call("use", 1, [0, 9], accepted),
        call("use", 2, [0, 2], alreadyUsed),
      ),
    ).toEqual({ violations: [], undecided: [] });
  });

  it("is that it was used twice when two sides get it", () => {
    const calls = [call("use", 0, [0, 1], accepted), call("use", 1, [0, 1], accepted)];
    expect(judgeCalls(...calls).violations).toEqual([{ kind: "used twice", calls }]);
  });

  it("is fine when the same attempt is accepted again", () => {
    expect(kindsOf(call("use", 0, [0, 1], accepted), call("use", 0, [2, 3], accepted))).toEqual([]);
  });

  it("is that a live code was refused when nobody can have used it", () => {
    expect(kindsOf(call("ask", 0, [0, 1], alreadyUsed))).toEqual(["refused while it was live"]);
    expect(kindsOf(call("use", 0, [0, 1], alreadyUsed))).toEqual(["refused while it was live"]);
    expect(kindsOf(call("use", 0, [0, 1], alreadyUsed), call("use", 1, [0, 1], alreadyUsed))).toEqual([
      "refused while it was live",
    ]);
  });

  it("is that a live code was refused when its only use began after the refusal", () => {
    expect(kindsOf(call("use", 0, [0, 1], alreadyUsed), call("use", 1, [2, 3], accepted))).toEqual([
      "refused while it was live",
    ]);
    expect(kindsOf(call("ask", 0, [0, 1], alreadyUsed), call("use", 1, [2, 3], accepted))).toEqual([
      "refused while it was live",
    ]);
  });

  it.each(["otp-not-found", "otp-invalid"] as const)("is never fine with %s", (problem) => {
    expect(kindsOf(call("use", 0, [0, 1], accepted), call("ask", 0, [2000, 2001], refused(problem)))).toEqual(
      ["refused while it was live"],
    );
  });

  it("allows an expiry only after the lifetime, counted from when the code was asked for", () => {
    expect(kindsOf(call("use", 0, [998, 999], refused("otp-expired")))).toEqual([
      "refused while it was live",
    ]);
    expect(kindsOf(call("use", 0, [998, 1000], refused("otp-expired")))).toEqual([]);
    expect(kindsOf(call("use", 0, [998, 999], refused("otp-conflict")))).toEqual([
      "refused while it was live",
    ]);
    expect(kindsOf(call("use", 0, [998, 1000], refused("otp-conflict")))).toEqual([]);
  });

  it("is open while nobody knows what became of an attempt", () => {
    expect(judgeCalls(call("use", 0, [0, 1], unknown))).toEqual({ violations: [], undecided: [0] });
    // The refusal may be true, because the other attempt may have used the code.
    expect(judgeCalls(call("use", 0, [0, 1], unknown), call("use", 1, [0, 1], alreadyUsed))).toEqual({
      violations: [],
      undecided: [0],
    });
    // A second use may be hidden behind a lost answer.
    expect(judgeCalls(call("use", 0, [0, 1], unknown), call("use", 1, [0, 1], accepted))).toEqual({
      violations: [],
      undecided: [0],
    });
  });

  it("is decided by the repetition of the attempt", () => {
    const lost = call("use", 0, [0, 1], unknown);
    const rival = call("use", 1, [0, 1], alreadyUsed);
    expect(judgeCalls(lost, rival, call("use", 0, [2, 3], accepted))).toEqual({
      violations: [],
      undecided: [],
    });
    expect(judgeCalls(lost, call("use", 1, [0, 1], accepted), call("use", 0, [2, 3], alreadyUsed))).toEqual({
      violations: [],
      undecided: [],
    });
    expect(
      judgeCalls(lost, call("use", 1, [0, 1], accepted), call("use", 0, [2, 3], accepted)).violations,
    ).toMatchObject([{ kind: "used twice" }]);
    expect(kindsOf(lost, rival, call("use", 0, [2, 3], alreadyUsed))).toEqual(["refused while it was live"]);
  });
});
