import type { Fault } from "../../tools/support/fault-proxy";
import {
  generateScenario,
  hangingThoughApplied,
  inTurnOf,
  isWrite,
  lost,
  notApplied,
  patientDeadlineMs,
  regenerateScenario,
  revokeScenario,
  runCase,
  runSideBySide,
  startStage,
  succeeded,
  throttledBatches,
  unforeseen,
  useScenario,
  type Decide,
  type Kind,
  type Scenario,
  type Stage,
} from "./faults";

const throttled: Fault = { kind: "status", status: 429, retryAfterMs: 15 };
const lagging: Fault = { kind: "status", status: 404, substatus: 1002 };
const moved: Fault = { kind: "status", status: 410 };
const reset: Fault = { kind: "reset-before" };
const four = (fault: Fault): readonly Fault[] => [fault, fault, fault, fault];

/** What the store calls after a write of unknown outcome meet, one after the other. All of it passes. */
const afterwards: readonly (readonly [string, readonly (Fault | undefined)[]])[] = [
  ["429 six times", [...four(throttled), throttled, throttled]],
  ["429 for longer than a third of the time", [{ kind: "status", status: 429, retryAfterMs: 1_800 }]],
  ["410 four times", four(moved)],
  ["404/1002 four times", four(lagging)],
  [
    "all else that passes",
    [
      ...[408, 449, 503, 500].map((status): Fault => ({ kind: "status", status })),
      ...[reset, { kind: "cut-off" } as const],
    ],
  ],
  ["a mixture", [...four(throttled), moved, ...four(throttled), lagging, reset, throttled]],
  ["429 four times, at each of two requests", [...four(throttled), undefined, ...four(throttled)]],
  ["410 and 404/1002, at each of two requests", [moved, lagging, undefined, lagging, moved]],
  ["429 six times, at the second request", [undefined, ...four(throttled), throttled, throttled]],
];

/** The first write meets the first fault; the store calls after it meet the others. */
const atFirstWrite = (first: Fault, others: readonly (Fault | undefined)[] = []): Decide => {
  let after: number | undefined;
  return (request) => {
    if (after === undefined) {
      after = isWrite(request) ? 0 : undefined;
      return after === 0 ? first : undefined;
    }
    return others[after++];
  };
};

const writing: readonly Scenario[] = [
  generateScenario("the first OTP", "none"),
  generateScenario("a used OTP being there", "used"),
  useScenario("cart 1"),
  useScenario(undefined),
  regenerateScenario("in place of one", "both", true),
  revokeScenario("of one of two keys", "both"),
];
/** The first write of each finds what was issued under the second secret. */
const writingUnderSecondSecret: readonly Scenario[] = [
  generateScenario("a used OTP under the second secret", "used"),
  useScenario("cart 1"),
];

interface LostWrite {
  readonly scenario: Scenario;
  readonly first: Fault;
  readonly others: readonly (Fault | undefined)[];
}
type Case = readonly [name: string, what: LostWrite];

describe("a write whose answer was lost", () => {
  let stage: Stage;
  let stageUnderSecondSecret: Stage;
  beforeAll(async () => {
    stage = await startStage({ lanes: 12, deadlineMs: patientDeadlineMs });
    stageUnderSecondSecret = await startStage({
      lanes: 4,
      deadlineMs: patientDeadlineMs,
      hasSecondSecret: true,
    });
  });
  afterAll(async () => {
    await stage.service.stop();
    await stageUnderSecondSecret.service.stop();
  });

  const casesOf = (
    scenario: Scenario,
    firsts: Kind,
    name = "nothing",
    others: LostWrite["others"] = [],
  ): readonly Case[] =>
    firsts.map((first) => [
      `${scenario.name}: ${JSON.stringify(first)}, then ${name}`,
      { scenario, first, others },
    ]);
  /** Each is answered with success, after all of its faults up to a gap: one request can settle the look-up. */
  const expectResolved = async (on: Stage, cases: readonly Case[]): Promise<void> => {
    await runSideBySide(on.pool, cases, async (lane, { scenario, first, others }) => {
      const { reply, met } = await runCase(on, lane, scenario, atFirstWrite(first, others));
      expect(succeeded(reply)).toBe(true);
      const gap = others.indexOf(undefined);
      expect(met).toBeGreaterThanOrEqual(1 + (gap === -1 ? others.length : gap));
    });
  };

  it("or said nothing of it, is resolved as long as the store can be asked", async () => {
    const cases = writing.flatMap((scenario) =>
      casesOf(scenario, [
        ...[notApplied, unforeseen, lost, hangingThoughApplied].flatMap(inTurnOf),
        // A batch that was throttled is written again.
        ...throttledBatches.slice(0, 1),
      ]),
    );
    await expectResolved(stage, cases);
  });

  it("is resolved by an instance that finds the OTP under its second secret", async () => {
    const cases = writingUnderSecondSecret.flatMap((scenario) =>
      casesOf(scenario, [notApplied, lost, hangingThoughApplied].flatMap(inTurnOf)),
    );
    await expectResolved(stageUnderSecondSecret, cases);
  });

  it("is resolved, whatever passes while it is looked up, applied or not", async () => {
    const cases = writing.flatMap((scenario, turn) =>
      afterwards.flatMap(([name, others], row) =>
        casesOf(scenario, inTurnOf((turn + row) % 2 === 0 ? lost : notApplied), name, others),
      ),
    );
    await expectResolved(stage, cases);
  }, 180_000);

  it("is resolved when it is applied while the next one is throttled", async () => {
    // The service has given it up by then, and looked for it in vain.
    const late: Fault = { kind: "late", ms: patientDeadlineMs / 3 + 250 };
    const times = 6;
    const cases = writing.map((scenario) => [scenario.name, scenario] as const);
    await runSideBySide(stage.pool, cases, async (lane, scenario) => {
      let writes = 0;
      const { reply, met } = await runCase(stage, lane, scenario, (request) => {
        writes += isWrite(request) ? 1 : 0;
        return !isWrite(request) || writes > 1 + times ? undefined : writes === 1 ? late : throttled;
      });
      expect([met, succeeded(reply)]).toEqual([1 + times, true]);
    });
  });
});
