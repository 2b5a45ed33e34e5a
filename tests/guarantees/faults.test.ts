import { startService, type FaultyInstance, type Service } from "../../tools/support/service";
import {
  deadlineMs,
  expectMet,
  faultsAtEveryCall,
  inTurn,
  lanes,
  patientDeadlineMs,
  rivalsBeforeEveryCall,
  runCase,
  runSideBySide,
  scenarios,
  startLane,
  startLanes,
  type NamedTrouble,
  type Scenario,
  type Try,
} from "./faults";

/** Every fault at every store call of every way through every function, once and at all calls from there on. */
describe("whatever the store does", () => {
  let service: Service;
  let pool: FaultyInstance[];
  let patient: FaultyInstance;
  beforeAll(async () => {
    service = await startService();
    patient = await startLane(service, patientDeadlineMs);
    pool = await startLanes(service, lanes, deadlineMs);
  });
  afterAll(() => service.stop());

  const on =
    (lane: FaultyInstance, scenario: Scenario): Try =>
    (decide) =>
      runCase(service, lane, scenario, decide);
  const runAll = (scenario: Scenario, cases: readonly NamedTrouble[]): Promise<void> => {
    const patiently = inTurn(on(patient, scenario));
    return runSideBySide(pool, cases, (lane, trouble) => {
      const run = on(lane, scenario);
      return expectMet([run, run, patiently], trouble);
    });
  };

  it.each(scenarios.map((scenario, turn) => [scenario.name, scenario, turn] as const))(
    "keeps every promise under every fault at every store call, once and from there on: %s",
    async (_, scenario, turn) => {
      await runAll(scenario, await faultsAtEveryCall(on(patient, scenario), turn));
    },
    180_000,
  );

  it.each(scenarios.filter(({ hasRival }) => hasRival).map((scenario) => [scenario.name, scenario] as const))(
    "keeps every promise when a rival comes before any store call: %s",
    async (_, scenario) => {
      const next = [["its answer lost", { kind: "reset-after" }]] as const;
      await runAll(scenario, await rivalsBeforeEveryCall(on(patient, scenario), next));
    },
  );
});
