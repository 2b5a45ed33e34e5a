import { setTimeout as pause } from "node:timers/promises";
import { expectProblem } from "../support/api";
import { watchConnections } from "../support/connections";
import { startBehindFaults, startService } from "../support/service";
import type { Service } from "../support/service";

/** More than an instance has ports to one address, which is 128. */
const calls = 250;
const bound = 100;

describe("the connections of an instance to the store", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService({ REQUEST_DEADLINE_IN_MS: "30000" });
  });
  afterEach(() => service.stop());

  it("are few, however many ask at once, and are used again", async () => {
    const connections = watchConnections(service.storeServer);
    const [apiKey, code] = [await service.newApiKey(), await service.newCode()];
    for (let wave = 0; wave < 3; wave += 1) {
      const replies = await Promise.all(Array.from({ length: calls }, () => service.ask(apiKey, code)));
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    }
    expect(connections.mostOpen).toBeLessThanOrEqual(bound);
    expect(connections.opened).toBeLessThanOrEqual(bound);
    expect(connections.open).toBeGreaterThan(0);
  });

  it("keep no call past its deadline that waits for one of them, and its log says so", async () => {
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
    // None is given up before a third of the deadline: until then each of these holds a connection.
    while (proxy.requests.length < bound) {
      await pause(10);
    }
    await pause(100);
    expect(proxy.requests).toHaveLength(bound);
    for (const { reply, ms } of await asking) {
      expectProblem(reply, 503, "service-unavailable");
      // On a busy machine the answers come late, but not as late as after another turn of waiting.
      expect(ms).toBeLessThan(2 * deadlineMs);
    }
    const lines = instance.log.map(({ text }) => text);
    expect(lines.filter((text) => text.includes('"cause":"deadline"'))).toHaveLength(calls);
    // Each call reads the keys and the OTP at once.
    expect(lines.filter((text) => text.includes('"failure":"'))).toHaveLength(2 * calls);
    expect(lines.filter((text) => text.includes('"store_round_trips":0'))).toEqual([]);
    await proxy.reset();
    expect((await instance.ask(apiKey, code)).status).toBe(200);
  });
});
