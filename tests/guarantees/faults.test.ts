import {
  deadlineMs,
  faultsAtEveryCall,
  kindsWithoutAllTheirTurns,
  plays,
  rivalsBeforeEveryCall,
  runTroubles,
  startStage,
  type Stage,
} from "./faults";

describe.each(plays)("$name", ({ scenarios, plan, afterRival, hasSecondSecret }) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage({ lanes: 10, deadlineMs, hasSecondSecret });
  });
  afterAll(() => stage.service.stop());

  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "keeps every promise under every kind of fault at every store call, once and from there on: %s",
    async (_, scenario) => {
      await runTroubles(stage, scenario, await faultsAtEveryCall(stage, scenario, plan));
    },
    180_000,
  );

  it.each(scenarios.filter(({ hasRival }) => hasRival).map((scenario) => [scenario.name, scenario] as const))(
    "keeps every promise when a rival comes before any store call: %s",
    async (_, scenario) => {
      await runTroubles(stage, scenario, await rivalsBeforeEveryCall(stage, scenario, afterRival));
    },
  );
});

it("each fault had its turn", () => {
  expect(kindsWithoutAllTheirTurns()).toEqual([]);
});
