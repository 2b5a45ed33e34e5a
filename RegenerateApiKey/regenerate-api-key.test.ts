import { decodeApiKey } from "../shared/domain/api-key";
import { ApiKeyBody } from "../shared/http/bodies";
import { expectProblem, merchantId } from "../tests/support/api";
import { decode } from "../tests/support/either";
import { readItems, startBehindFaults, startService } from "../tests/support/service";
import type { Service } from "../tests/support/service";

describe("RegenerateApiKey", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it.each(["primary", "secondary"])("creates a merchant's %s key, which works", async (keyType) => {
    const reply = await service.regenerate(merchantId, keyType);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.headers.get("cache-control")).toBe("no-store");
    const { api_key: apiKey, ...rest } = decode(ApiKeyBody, reply.json);
    expect(rest).toEqual({
      merchant_id: merchantId,
      key_type: keyType,
      created_at: "2026-03-01T10:00:00.000Z",
    });
    expect(decodeApiKey(apiKey)?.merchantId).toBe(merchantId);
    expect((await service.ask(apiKey, await service.newCode())).status).toBe(200);
  });

  it("makes another key each time", async () => {
    const keys = [await service.newApiKey(), await service.newApiKey(), await service.newApiKey()];
    expect(new Set(keys).size).toBe(3);
  });

  it("leaves another merchant's keys alone", async () => {
    const other = await service.newApiKey("shop-2");
    await service.newApiKey();
    await service.newApiKey();
    expectProblem(await service.ask(other, "AAAAAAAAAAA"), 404, "otp-not-found");
  });

  it.each([
    ["merchant_id", "a_b", "primary"],
    ["merchant_id", "a".repeat(65), "primary"],
    ["merchant_id", "%20", "primary"],
    ["merchant_id", "%ff", "primary"],
    ["key_type", merchantId, "tertiary"],
    ["key_type", merchantId, "Primary"],
    ["key_type", merchantId, "toString"],
  ])("refuses a bad %s (%s, %s), and names it", async (field, merchant, keyType) => {
    const reply = await service.regenerate(merchant, keyType);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain(field);
    expect(await readItems(service.apiKeys)).toEqual([]);
  });

  it("takes a merchant_id of one and of 64 characters", async () => {
    expect((await service.regenerate("a")).status).toBe(200);
    expect((await service.regenerate("A-9".padEnd(64, "z"))).status).toBe(200);
  });

  it("says when to try again while the store is away", async () => {
    const { proxy, instance, stop } = await startBehindFaults(service, 200);
    proxy.script(() => ({ kind: "reset-before" }));
    const reply = await instance.regenerate();
    await stop();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  });

  describe("when the answer to its write is lost", () => {
    const works = async (apiKey: string): Promise<boolean> =>
      (await service.ask(apiKey, "AAAAAAAAAAA")).status === 404;

    it.each([
      ["was applied", { kind: "reset-after" } as const],
      ["was not applied", { kind: "reset-before" } as const],
    ])("answers a key that works, whether the write %s", async (_, fault) => {
      const { proxy, instance, stop } = await startBehindFaults(service, 2000);
      const [old, secondary] = [await service.newApiKey(), await service.newApiKey(merchantId, "secondary")];
      let isBroken = false;
      let writes = 0;
      proxy.script(({ operation }) => {
        writes += operation === "replace" ? 1 : 0;
        if (operation === "replace" && !isBroken) {
          isBroken = true;
          return fault;
        }
        return undefined;
      });
      const renewed = await instance.newApiKey();
      expect([isBroken, await works(renewed), await works(old), await works(secondary)]).toEqual([
        true,
        true,
        false,
        true,
      ]);
      expect(writes).toBe(fault.kind === "reset-after" ? 1 : 2);
      await stop();
    });

    it.each([
      ["was applied", { kind: "reset-after" } as const],
      ["is applied after the call", { kind: "late", ms: 500 } as const],
    ])(
      "answers 503 if it cannot look, and leaves the old key in force, though the write %s",
      async (_, fault) => {
        const { proxy, instance, stop } = await startBehindFaults(service, 300);
        const [old, secondary] = [
          await service.newApiKey(),
          await service.newApiKey(merchantId, "secondary"),
        ];
        let isAway = false;
        proxy.script(({ operation }) => {
          if (operation === "replace" && !isAway) {
            isAway = true;
            return fault;
          }
          return isAway ? { kind: "reset-before" } : undefined;
        });
        expectProblem(await instance.regenerate(), 503, "service-unavailable");
        proxy.script(() => undefined);
        await proxy.settled();
        while (!(await works(old))) {
          // Put right in a moment, or this test runs out of its time.
        }
        expect(await works(secondary)).toBe(true);
        const renewed = await instance.newApiKey();
        expect([await works(renewed), await works(old), await works(secondary)]).toEqual([true, false, true]);
        await stop();
      },
    );

    it.each([
      ["primary", [0, 1]],
      ["primary", [1, 0]],
      ["secondary", [0, 1]],
      ["secondary", [1, 0]],
    ])(
      "leaves the %s key in force, and the other, though two calls are not answered, undone in the order %j",
      async (keyType, order) => {
        const keyTypes = ["primary", "secondary"];
        const keys = [await service.newApiKey(), await service.newApiKey(merchantId, "secondary")];
        const faulty = [await startBehindFaults(service, 300), await startBehindFaults(service, 300)];
        for (const { proxy, instance } of faulty) {
          let isAway = false;
          proxy.script(({ operation }) => {
            if (isAway) {
              return { kind: "reset-before" };
            }
            isAway = operation === "replace";
            return isAway ? { kind: "reset-after" } : undefined;
          });
          expectProblem(await instance.regenerate(merchantId, keyType), 503, "service-unavailable");
        }
        expect(await works(keys[keyTypes.indexOf(keyType)] ?? "")).toBe(false);
        for (const { proxy } of order.map((index) => faulty[index]).filter((each) => each !== undefined)) {
          await proxy.reset();
          while (!proxy.requests.some(({ operation }) => operation === "replace")) {
            // It is undone in a moment, or this test runs out of its time.
            await service.info();
          }
          await proxy.settled();
        }
        expect([await works(keys[0] ?? ""), await works(keys[1] ?? "")]).toEqual([true, true]);
        for (const { stop } of faulty) {
          await stop();
        }
      },
    );

    it("puts the old key in force again though it is not told at once how things stand, and has to write twice", async () => {
      const { proxy, instance, stop } = await startBehindFaults(service, 300);
      const old = await service.newApiKey();
      let isWritten = false;
      let refusals = 0;
      let lostUndos = 0;
      proxy.script(({ operation }) => {
        if (operation === "replace" && !isWritten) {
          isWritten = true;
          return { kind: "reset-after" };
        }
        // Enough for the call, and for the first attempt to undo it, to be refused.
        if (isWritten && ++refusals <= 8) {
          return { kind: "status", status: 429, retryAfterMs: 1 };
        }
        return operation === "replace" && ++lostUndos === 1 ? { kind: "reset-before" } : undefined;
      });
      expectProblem(await instance.regenerate(), 503, "service-unavailable");
      while (!(await works(old))) {
        // Put right in a moment, or this test runs out of its time.
      }
      expect([refusals > 8, lostUndos]).toEqual([true, 2]);
      await stop();
    });

    it.each(["reset-after", "reset-before"] as const)(
      "leaves in force, after a write with %s, what another call has put there meanwhile",
      async (kind) => {
        const { proxy, instance, stop } = await startBehindFaults(service, 300);
        const old = await service.newApiKey();
        let isAway = false;
        proxy.script(({ operation }) => {
          if (operation === "replace" && !isAway) {
            isAway = true;
            return { kind };
          }
          return isAway ? { kind: "reset-before" } : undefined;
        });
        expectProblem(await instance.regenerate(), 503, "service-unavailable");
        const rival = await service.newApiKey();
        await proxy.reset();
        // A key that was written is undone after a look; one that was not leaves nothing to do after it.
        const last = kind === "reset-after" ? "replace" : "read";
        while (!proxy.requests.some(({ operation }) => operation === last)) {
          // It comes in a moment, or this test runs out of its time.
          await works(rival);
        }
        await proxy.settled();
        // What it might still write comes before this.
        await instance.newApiKey(merchantId, "secondary");
        await proxy.settled();
        // A key that was written is taken out of those that the rival replaced; one that was not leaves nothing to do.
        const undone = kind === "reset-after" ? 1 : 0;
        expect(proxy.requests.filter(({ operation }) => operation === "replace")).toHaveLength(1 + undone);
        expect([await works(rival), await works(old)]).toEqual([true, false]);
        await stop();
      },
    );
  });

  it("asks the store twice, and tells the log which merchant it is for", async () => {
    await service.newApiKey();
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    await instance.newApiKey();
    expect(proxy.requests.map(({ operation }) => operation)).toEqual(["read", "replace"]);
    const log = instance.log.map(({ text }) => text).join();
    expect(log).toContain(`"merchant_id":"${merchantId}"`);
    expect(log).toContain('"function":"RegenerateApiKey"');
    await stop();
  });

  it("gives up, and says why, when the store throttles", async () => {
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 1 }));
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect(proxy.requests.map(({ operation }) => operation)).toEqual(Array(4).fill("read"));
    const log = instance.log.map(({ text }) => text).join();
    expect(log).toContain('"cause":"store: 429"');
    expect(log).toContain('"store_call":"findApiKeys","attempts":4,"failure":"store: 429","duration_ms":');
    await stop();
  });

  it("does not go on writing to a store that throttles", async () => {
    const old = await service.newApiKey();
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    proxy.script(({ operation }) =>
      operation === "replace" ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
    );
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    await stop();
    // Once, and three times more, like each call that is throttled.
    expect(proxy.requests.filter(({ operation }) => operation === "replace")).toHaveLength(4);
    expect((await service.ask(old, "AAAAAAAAAAA")).status).toBe(404);
  });
});
