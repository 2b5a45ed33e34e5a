import { right } from "../support/either";
import type { Exchange } from "./client";
import { makeMeasures } from "./measures";
import { decodeOptions } from "./options";
import type { LoadOptions } from "./options";
import { plot } from "./plot";
import { describeProgress, describeResult, exitCodeOf } from "./report";
import type { Result } from "./run";

const options: LoadOptions = (() => {
  const decoded = right(decodeOptions(["--concurrency", "50"]));
  if (decoded === "help") {
    throw new Error("no options");
  }
  return decoded;
})();

const success = (dueMs: number, sentMs: number, answeredMs: number): Exchange<unknown> => ({
  dueMs,
  sentMs,
  answeredMs,
  hasWaited: sentMs > dueMs,
  outcome: { kind: "success", body: {} },
});

const resultWith = (changes: Partial<Result> = {}): Result => ({
  origin: "https://example.org",
  options,
  measures: makeMeasures(0, options.seconds),
  startMs: 0,
  seconds: 30,
  elapsedSeconds: 31,
  planned: 540,
  begun: 540,
  completed: 540,
  endedEarly: undefined,
  client: { utilization: 0.2, lagP99Ms: 3, calls: 1600, waited: 0 },
  checked: { codes: 540, contested: 27, usedOnceMore: 540, undecided: 0, findings: [] },
  unrevoked: [],
  ...changes,
});

const broken: Partial<Result> = {
  checked: {
    codes: 540,
    contested: 27,
    usedOnceMore: 540,
    undecided: 0,
    findings: Array.from({ length: 12 }, (_, index) => ({
      kind: "used twice" as const,
      merchantId: `load-1-${index}`,
      answeredMs: 1500,
      answers: ["200", "200"],
      instances: ["urn:uuid:00000000-0000-0000-0000-000000000000"],
    })),
  },
};

describe("the report", () => {
  it("counts the time of a call from when it was due, with all that it waited", () => {
    const measures = makeMeasures(0, options.seconds);
    measures.record("generate", success(0, 900, 1000), false);
    expect(describeResult(resultWith({ measures }))).toMatch(/^generate +1 +0 +1000 +1000 /m);
  });

  it("says that the client was the limit when it was busy, or late", () => {
    const text = "This client itself was a limit";
    expect(describeResult(resultWith())).not.toContain(text);
    for (const client of [
      { utilization: 0.95, lagP99Ms: 3, calls: 1, waited: 0 },
      { utilization: 0.2, lagP99Ms: 250, calls: 1, waited: 0 },
    ]) {
      expect(describeResult(resultWith({ client }))).toContain(text);
    }
  });

  it("says that calls waited, and that purchases did not begin", () => {
    const client = { utilization: 0.2, lagP99Ms: 3, calls: 1600, waited: 700 };
    const text = describeResult(resultWith({ client, begun: 300 }));
    expect(text).toMatch(/^700 calls of 1,600 waited, because 50 were under way \(--concurrency\)\./m);
    expect(text).toMatch(/^Of about 540 purchases only 300 began\.$/m);
  });

  it("says that a service on this machine shares it", () => {
    const text = "shares this machine's processors";
    expect(describeResult(resultWith())).not.toContain(text);
    expect(describeResult(resultWith({ origin: "http://127.0.0.1:7071" }))).toContain(text);
  });

  it("describes the first of many broken promises, with what finds them in the log", () => {
    const text = describeResult(resultWith(broken));
    expect(text).toMatch(/^BROKEN: 12 codes /m);
    expect(
      text.match(/^ {2}A code of load-1-\d+ was used twice, 1\.5 s after the start: answered 200, 200\.$/gm),
    ).toHaveLength(10);
    expect(text).toMatch(/^ {2}and 2 more\.$/m);
    expect(text).toContain("In the log: urn:uuid:");
    expect(text).not.toContain("No code was used twice");
  });
});

describe("the exit code", () => {
  const undecided = { codes: 1, contested: 0, usedOnceMore: 0, undecided: 1, findings: [] };
  it.each([
    [0, "all was kept", {}],
    [0, "all was kept until somebody ended it", { endedEarly: "on request", completed: 0 }],
    [1, "a promise is broken", broken],
    [1, "a promise is broken, whatever else went wrong", { ...broken, endedEarly: "no answers" }],
    [2, "something is not known", { checked: undecided }],
    [2, "a key may be in force", { unrevoked: ["load-1-1"] }],
    [2, "nothing answered any more", { endedEarly: "no answers" }],
    [2, "nothing was shown", { completed: 0 }],
  ] as const)("is %d when %s", (code, _, changes) => {
    expect(exitCodeOf(resultWith(changes))).toBe(code);
  });
});

describe("the progress", () => {
  it("shows how far the run is", () => {
    const progress = { seconds: 15, begun: 1200, completed: 1190, failed: 3, underWay: 7, waiting: 0 };
    expect(describeProgress(progress, 30)).toBe(
      "[#####.....] 15/30 s  1,200 begun  1,190 done  3 failed  7 under way  0 waiting",
    );
  });
});

describe("the plot", () => {
  it("is drawn of nothing, of one call, and with any title", () => {
    const measures = makeMeasures(0, 30);
    expect(plot(measures, "<&>")).toContain('<title id="title">&lt;&amp;&gt;</title>');
    measures.due(0);
    measures.record("use", success(0, 1, 2), false);
    for (const made of [plot(makeMeasures(0, 30), ""), plot(measures, "")]) {
      expect(made).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});
