import { right } from "../support/either";
import { makeMeasures } from "./measures";
import { decodeOptions } from "./options";
import { describeProgress, describeResult, exitCodeOf } from "./report";
import type { Result } from "./run";

const options = right(decodeOptions(["--concurrency", "50"]));
if (options === "help") {
  throw new Error("no options");
}
const calm = { utilization: 0.2, lagP99Ms: 3, calls: 1600, waited: 0 };
const checked = { codes: 540, contested: 27, usedOnceMore: 540, undecided: 0, findings: [] };

const resultWith = (changes: Partial<Result> = {}): Result => ({
  ...{
    origin: "https://example.org",
    options,
    measures: makeMeasures(0, 30),
    seconds: 30,
    elapsedSeconds: 31,
  },
  ...{
    planned: 540,
    begun: 540,
    completed: 540,
    endedEarly: undefined,
    client: calm,
    checked,
    unrevoked: [],
  },
  ...changes,
});

const broken: Partial<Result> = {
  checked: {
    ...checked,
    findings: Array.from({ length: 12 }, (_, index) => ({
      kind: "used twice" as const,
      merchantId: `load-1-${index}`,
      reasons: ["first\nsecond"],
      instances: ["urn:uuid:00000000-0000-0000-0000-000000000000"],
    })),
  },
};

describe("the report", () => {
  it("counts the time of a call from when it was due, with all that it waited", () => {
    const measures = makeMeasures(0, 30);
    const times = { dueMs: 0, sentMs: 900, answeredMs: 1000, hasWaited: true };
    measures.record("generate", { ...times, reply: undefined, outcome: { _tag: "Right", right: {} } }, false);
    expect(describeResult(resultWith({ measures }))).toMatch(/^generate +1 +0 +1000 +1000 /m);
  });

  it.each<[string, Partial<Result>, RegExp]>([
    ["the client was busy", { client: { ...calm, utilization: 0.95 } }, /^This client itself was a limit/m],
    ["the client was late", { client: { ...calm, lagP99Ms: 250 } }, /^This client itself was a limit/m],
    [
      "calls waited",
      { client: { ...calm, waited: 700 } },
      /^700 calls of 1,600 waited, because 50 were under way \(--concurrency\)\./m,
    ],
    ["purchases did not begin", { begun: 300 }, /^Of about 540 purchases only 300 began\.$/m],
    ["the service shares this machine", { origin: "http://127.0.0.1:7071" }, /shares this machine's/],
    ["a promise is broken", broken, /^BROKEN: 12 codes /m],
    [
      "a promise is broken, with the judge's reasons and what finds it in the log",
      broken,
      / load-1-9 was used twice .*\n {4}first\n {4}second\n {4}In the log: urn:uuid:.*\n {2}and 2 more\.$/m,
    ],
  ])("says that %s, and only then", (_, changes, text) => {
    expect(describeResult(resultWith())).not.toMatch(text);
    expect(describeResult(resultWith(changes))).toMatch(text);
  });
});

describe("the exit code", () => {
  it.each<[number, string, Partial<Result>]>([
    [0, "all was kept", {}],
    [0, "all was kept until somebody ended it", { endedEarly: "on request", completed: 0 }],
    [1, "a promise is broken", broken],
    [1, "a promise is broken, whatever else went wrong", { ...broken, endedEarly: "no answers" }],
    [2, "something is not known", { checked: { ...checked, undecided: 1 } }],
    [2, "a key may be in force", { unrevoked: ["load-1-1"] }],
    [2, "nothing answered any more", { endedEarly: "no answers" }],
    [2, "nothing was shown", { completed: 0 }],
  ])("is %d when %s", (code, _, changes) => {
    expect(exitCodeOf(resultWith(changes))).toBe(code);
  });
});

it("shows how far the run is", () => {
  const progress = { seconds: 15, begun: 1200, completed: 1190, failed: 3, underWay: 7, waiting: 0 };
  expect(describeProgress(progress, 30)).toBe(
    "[#####.....] 15/30 s  1,200 begun  1,190 done  3 failed  7 under way  0 waiting",
  );
});
