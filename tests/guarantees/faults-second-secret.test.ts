import { randomBytes } from "node:crypto";
import { startInstance, startService, type FaultyInstance, type Service } from "../../tools/support/service";
import {
  askScenario,
  deadlineMs,
  expectMet,
  faultAtFirstWrite,
  faultsAtEveryCall,
  generateScenario,
  inTurn,
  lanes,
  lostAnswers,
  outcomes,
  patientDeadlineMs,
  patientLanes,
  rivalsBeforeEveryCall,
  runCase,
  runSideBySide,
  startLane,
  startLanes,
  succeeded,
  useScenario,
  type Peers,
  type Scenario,
  type Try,
} from "./faults";

/** The instances behind faults find what was issued under their second secret. */
describe("whatever the store does while the secret is replaced", () => {
  let service: Service;
  let peers: Peers;
  let pool: FaultyInstance[];
  let patient: FaultyInstance;
  let patientPool: FaultyInstance[];
  beforeAll(async () => {
    service = await startService();
    const secret = service.settings["OTP_SECRET"] ?? "";
    const other = randomBytes(32).toString("base64");
    const swapped = { ...service.settings, OTP_SECRET: other, OTP_SECRET_SECOND: secret };
    const direct = await startInstance({ ...service.settings, OTP_SECRET_SECOND: other }, service.clock);
    const rival = await startInstance(swapped, service.clock);
    service.stopFirst(() => direct.stop());
    service.stopFirst(() => rival.stop());
    peers = { direct, rival };
    const behind = { ...service, settings: swapped };
    pool = await startLanes(behind, lanes, deadlineMs);
    patient = await startLane(behind, patientDeadlineMs);
    patientPool = await startLanes(behind, patientLanes, patientDeadlineMs);
  });
  afterAll(() => service.stop());

  const on =
    (lane: FaultyInstance, scenario: Scenario): Try =>
    (decide) =>
      runCase(service, lane, scenario, decide, peers);

  it.each(
    [
      generateScenario("the first OTP", "none"),
      generateScenario("a live OTP under the second secret", "live"),
      generateScenario("a used OTP under the second secret", "used"),
      askScenario("of a live OTP under the second secret", "live"),
      useScenario("cart 1"),
    ].map((scenario, turn) => [scenario.name, scenario, turn] as const),
  )(
    "keeps every promise under every fault at every store call: %s",
    async (_, scenario, turn) => {
      const cases = [
        ...(await faultsAtEveryCall(on(patient, scenario), turn)),
        ...(scenario.hasRival ? await rivalsBeforeEveryCall(on(patient, scenario), outcomes) : []),
      ];
      const patiently = inTurn(on(patient, scenario));
      await runSideBySide(pool, cases, (lane, trouble) => {
        const run = on(lane, scenario);
        return expectMet([run, run, patiently], trouble);
      });
    },
    180_000,
  );

  it.each([
    ["issues", generateScenario("a used OTP under the second secret", "used")],
    ["uses", useScenario("cart 1")],
  ] as const)("%s, though the answer to the write is lost", async (_, scenario) => {
    await runSideBySide(patientPool, lostAnswers, async (lane, fault) => {
      const { reply, met } = await on(lane, scenario)(faultAtFirstWrite(fault));
      expect([met, succeeded(reply)]).toEqual([1, true]);
    });
  });
});
