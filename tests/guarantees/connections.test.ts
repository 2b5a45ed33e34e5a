import { setTimeout as pause } from "node:timers/promises";
import { expectProblem } from "../support/expect-problem";
import { startBehindFaults, startService, type Service } from "../../tools/support/service";

/** More calls than the 128 ports that an instance has to one address. */
const calls = 250;
const bound = 100;

describe("the connections of an instance to the store", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService({ REQUEST_DEADLINE_IN_MS: "30000" });
  });
  afterEach(() => service.stop());

  it("keep no waiting call past its deadline, and the log of that call says so", async () => {
    const deadlineMs = 9000;
    const { proxy, instance } = await startBehindFaults(service, deadlineMs);
    const [apiKey, code] = [await service.newApiKey(), await service.newCode()];
    await instance.ask(apiKey, code);
    instance.log.length = 0;
    await proxy.reset();
    proxy.script(() => ({ kind: "hang" }));
    const start = performance.now();
    const asking = Promise.all(
      Array.from({ length: calls }, async () => {
        const reply = await instance.ask(apiKey, code);
        return { reply, ms: performance.now() - start };
      }),
    );
    // No request ends before a third of the deadline, so each of these holds a connection until then.
    while (proxy.requests.length < bound) {
      await pause(10);
    }
    await pause(100);
    expect(proxy.requests).toHaveLength(bound);
    for (const { reply, ms } of await asking) {
      expectProblem(reply, 503, "service-unavailable");
      // On a busy machine the answers come late, but a second wait for a connection would take even longer.
      expect(ms).toBeLessThan(2 * deadlineMs);
    }
    const lines = instance.log.map(({ text }) => text);
    expect(lines.filter((text) => text.includes('"cause":"deadline"'))).toHaveLength(calls);
    // Each call reads the keys and the OTP at the same time.
    expect(lines.filter((text) => text.includes('"failure":"'))).toHaveLength(2 * calls);
    expect(lines.filter((text) => text.includes('"store_round_trips":0'))).toEqual([]);
    await proxy.reset();
    expect((await instance.ask(apiKey, code)).status).toBe(200);
  });
});
