import fc from "fast-check";
import { commands, type Model, type Real } from "./model";
import { startRegionalInstance, type RegionalInstance } from "../support/regional-account";
import { patience, startService } from "../../tools/support/service";

const deadlineMs = 300;

/** How many runs, each of up to 50 commands; `npm run test:soak` asks for 2,000. */
const runs = Number(process.env["MODEL_RUNS"] ?? 20);

/** The seed of a run that failed, as fast-check printed it, to run it again. */
const seed = process.env["MODEL_SEED"];

describe("the service and the contract's model", () => {
  it(`agree after whatever calls, faults, clock steps, failovers and restarts (${runs} runs)`, async () => {
    const service = await startService(patience);
    // A call is over soon: one after the other, they are to see a failover and what came before it.
    const timing = { maxAgeMs: 500, minAgeMs: 50 };
    const start = (): Promise<RegionalInstance> => startRegionalInstance(service, { deadlineMs, timing });
    let behindFaults = await start();
    let run = 0;

    const setup = async (): Promise<{ model: Model; real: Real }> => {
      const serial = run++;
      const merchantIdOf = (merchant: number): string => `shop-${serial}-${merchant}`;
      const apiKeys: Model["apiKeys"] = new Map();
      for (const merchant of [0, 1]) {
        const apiKey = await service.newApiKey(merchantIdOf(merchant));
        const createdAt = service.clock().toISOString();
        apiKeys.set(`${merchant} primary`, { apiKey, createdAt, idempotencyKey: undefined });
      }
      return {
        model: { nowMs: service.clock().getTime(), otps: [], apiKeys, endedCalls: [] },
        real: {
          account: () => behindFaults.account,
          clock: service.clock,
          direct: service,
          faulty: () => behindFaults.instance,
          restart: async () => {
            await behindFaults.stop();
            behindFaults = await start();
          },
          merchantIdOf,
        },
      };
    };

    try {
      await fc.assert(
        fc.asyncProperty(commands(deadlineMs), async (sequence) => {
          await behindFaults.account.reset();
          await fc.asyncModelRun(setup, sequence);
        }),
        { numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) },
      );
    } finally {
      await behindFaults.stop();
      await service.stop();
    }
  }, 3_600_000);
});
