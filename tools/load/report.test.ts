import * as E from "fp-ts/Either";
import { makeMeasures } from "./measures";
import type { LoadOptions } from "./options";
import { describeProgress, describeResult, exitCodeOf } from "./report";
import type { Result } from "./run";

const options: LoadOptions = {
  ...{ rate: 20, seconds: 30, rampSeconds: 6, concurrency: 50, merchants: 5, contested: 0.05, sides: 4 },
  ...{ url: undefined, isAgreed: false },
};
const checked = { codes: 540, contested: 27, usedOnceMore: 540, undecided: 0, findings: [] };
const good: Result = {
  ...{ origin: "https://example.org", options, measures: makeMeasures(), elapsedSeconds: 31 },
  ...{ begun: 540, completed: 540, isStopped: false, lagP99Ms: 3, waited: 0, checked, unrevoked: [] },
};
const finding = { kind: "used twice", merchantId: "load-1-1", reasons: ["first\nsecond"] } as const;
const broken = { checked: { ...checked, findings: Array.from({ length: 12 }, () => finding) } };

describe("a run", () => {
  it.each<[string, 0 | 1 | 2, Partial<Result>, RegExp]>([
    ["began purchases late", 0, { lagP99Ms: 250 }, /^This client itself was a limit/m],
    ["let calls wait", 0, { waited: 700 }, /^700 calls waited: 50 were under way/m],
    ["shared the service's machine", 0, { origin: "http://127.0.0.1:7071" }, /shares this machine/],
    ["found many codes used twice", 1, broken, /^BROKEN: 12 codes .*(\n {2}.*\n {4}first\n {4}second){10}$/m],
    ["cannot know", 2, { checked: { ...checked, undecided: 1 } }, /^Not known of 1 codes/m],
    ["showed nothing", 2, { completed: 0 }, /^No purchase was completed/m],
  ])("that %s ends with %d and says so", (_, code, changes, text) => {
    expect(exitCodeOf(good)).toBe(0);
    expect(describeResult(good)).not.toMatch(text);
    expect(exitCodeOf({ ...good, ...changes })).toBe(code);
    expect(describeResult({ ...good, ...changes })).toMatch(text);
  });

  it("with a broken promise ends with 1, whatever else went wrong", () => {
    expect(exitCodeOf({ ...good, ...broken, unrevoked: ["load-1-1"] })).toBe(1);
  });

  it("counts the time of a call from when it was due, with all that it waited", () => {
    const measures = makeMeasures();
    const times = { dueMs: 0, sentMs: 900, answeredMs: 1000, hasWaited: true };
    measures.record("generate", { ...times, reply: undefined, outcome: E.right({}) }, false);
    expect(describeResult({ ...good, measures })).toMatch(/^generate +1 +0 +1000 +1000 /m);
  });

  it("shows how far it is", () => {
    const progress = { seconds: 15, begun: 1200, completed: 1190, failed: 3, underWay: 7, waiting: 0 };
    expect(describeProgress(progress, 30)).toBe(
      "[#####.....] 15/30 s  1,200 begun  1,190 done  3 failed  7 under way  0 waiting",
    );
  });
});
