import { randomUUID } from "node:crypto";
import { startFaultProxy, type Fault } from "../../tools/support/fault-proxy";
import { startHostProcess } from "../../tools/support/processes";
import { startService, type FaultyInstance, type Service } from "../../tools/support/service";
import {
  faultAtFirstWrite,
  isWrite,
  lostAnswers,
  patientDeadlineMs,
  patientLanes,
  runCase,
  runSideBySide,
  startLanes,
  succeeded,
  throttledBatches,
  unforeseen,
  works,
  writing,
  type Decide,
  type Scenario,
} from "./faults";

const throttled: Fault = { kind: "status", status: 429, retryAfterMs: 15 };
const lagging: Fault = { kind: "status", status: 404, substatus: 1002 };
const moved: Fault = { kind: "status", status: 410 };
const reset: Fault = { kind: "reset-before" };
const four = (fault: Fault): readonly Fault[] => [fault, fault, fault, fault];
const passing: readonly Fault[] = [
  { kind: "status", status: 408 },
  { kind: "status", status: 449 },
  { kind: "status", status: 503 },
  reset,
  { kind: "status", status: 500 },
  { kind: "cut-off" },
];

/** What the store calls after a write of unknown outcome meet, one after the other. All of it passes. */
const afterwards: readonly (readonly [string, readonly (Fault | undefined)[]])[] = [
  ["429 four times", four(throttled)],
  ["429 six times", [...four(throttled), throttled, throttled]],
  ["429 for longer than a third of the time", [{ kind: "status", status: 429, retryAfterMs: 1_800 }]],
  ["410", [moved]],
  ["410 four times", four(moved)],
  ["404/1002", [lagging]],
  ["404/1002 four times", four(lagging)],
  ["all else that passes", passing],
  ["a mixture", [...four(throttled), moved, ...four(throttled), lagging, reset, throttled]],
  ["429 four times, at each of two requests", [...four(throttled), undefined, ...four(throttled)]],
  ["410 and 404/1002, at each of two requests", [moved, lagging, undefined, lagging, moved]],
  ["429 six times, at the second request", [undefined, ...four(throttled), throttled, throttled]],
];

/** A write meets the first fault; the store calls after it meet the others. */
const afterWrite = (first: Fault, others: readonly (Fault | undefined)[]): Decide => {
  let after: number | undefined;
  return (request) => {
    if (after === undefined) {
      after = isWrite(request) ? 0 : undefined;
      return after === 0 ? first : undefined;
    }
    return others[after++];
  };
};

describe("a write whose answer was lost", () => {
  let service: Service;
  let pool: FaultyInstance[];
  beforeAll(async () => {
    service = await startService();
    pool = await startLanes(service, patientLanes, patientDeadlineMs);
  });
  afterAll(() => service.stop());

  /** The cases of all scenarios that write, side by side. */
  const runAll = async <A>(
    cases: readonly (readonly [name: string, what: A])[],
    run: (lane: FaultyInstance, scenario: Scenario, what: A) => Promise<void>,
  ): Promise<void> => {
    const all = writing.flatMap((scenario) =>
      cases.map(([name, what]) => [`${scenario.name}: ${name}`, { scenario, what }] as const),
    );
    await runSideBySide(pool, all, (lane, { scenario, what }) => run(lane, scenario, what));
  };

  it("is resolved as long as the store can be asked", async () => {
    await runAll(lostAnswers, async (lane, scenario, fault) => {
      const { reply, met } = await runCase(service, lane, scenario, faultAtFirstWrite(fault));
      expect([met, succeeded(reply)]).toEqual([1, true]);
    });
  });

  it("or said nothing of it, is resolved too, and a batch that was throttled is written again", async () => {
    const [throttledBatch] = throttledBatches;
    await runAll(
      [...unforeseen, ...(throttledBatch ? [throttledBatch] : [])],
      async (lane, scenario, fault) => {
        const { reply, met } = await runCase(service, lane, scenario, faultAtFirstWrite(fault));
        expect([met, succeeded(reply)]).toEqual([1, true]);
      },
    );
  });

  it("is resolved, whatever passes while it is looked up", async () => {
    const cases = afterwards.flatMap(([name, others]) =>
      (
        [
          ["applied and answered 500", { kind: "status-after", status: 500 }],
          ["applied, its answer lost", { kind: "reset-after" }],
          ["answered 500 and not applied", { kind: "status", status: 500 }],
        ] as const satisfies readonly (readonly [string, Fault])[]
      ).map(([outcome, first]) => [`${outcome}, then ${name}`, { first, others }] as const),
    );
    await runAll(cases, async (lane, scenario, { first, others }) => {
      const { reply, met } = await runCase(service, lane, scenario, afterWrite(first, others));
      expect(succeeded(reply)).toBe(true);
      // One request can settle a look-up: it meets what comes before the gap.
      const gap = others.indexOf(undefined);
      expect(met).toBeGreaterThanOrEqual(1 + (gap === -1 ? others.length : gap));
    });
  }, 180_000);

  it("is resolved when it is applied while the next one is throttled", async () => {
    // The service has given it up by then, and looked for it in vain.
    const late: Fault = { kind: "late", ms: patientDeadlineMs / 3 + 250 };
    const cases = [4, 6].map((times) => [`throttled ${times} times`, times] as const);
    await runAll(cases, async (lane, scenario, times) => {
      let writes = 0;
      const { reply, met } = await runCase(service, lane, scenario, (request) => {
        writes += isWrite(request) ? 1 : 0;
        return !isWrite(request) || writes > 1 + times ? undefined : writes === 1 ? late : throttled;
      });
      expect([met, succeeded(reply)]).toEqual([1 + times, true]);
    });
  });

  it("leaves a key that the same call is told again, when the process dies meanwhile", async () => {
    const merchantId = "shop-of-the-dead";
    const proxy = await startFaultProxy(service.config.cosmos.endpoint);
    const host = await startHostProcess({ ...service.settings, COSMOSDB_ENDPOINT: proxy.endpoint });
    const old = await service.newApiKey(merchantId);
    const written = new Promise<void>((resolve) => {
      proxy.script(({ operation }) => {
        if (operation !== "replace") {
          return undefined;
        }
        resolve();
        return { kind: "hang-after" };
      });
    });
    const press = randomUUID();
    const dying = host.regenerate(merchantId, "primary", press).catch(() => undefined);
    await written;
    await host.program.stop("SIGKILL");
    await dying;
    await proxy.settled();
    await proxy.close();
    const told = await service.newApiKey(merchantId, "primary", press);
    expect([await works(service, told), await works(service, old)]).toEqual([true, false]);
    expect(await service.newApiKey(merchantId, "primary", press)).toBe(told);
  });
});
