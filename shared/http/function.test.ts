import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { expectProblem } from "../../tests/support/expect-problem";
import { call, type Reply } from "../../tools/support/api";
import { decode, right } from "../../tools/support/either";
import { startBehindFaults, startService, type LogLine, type Service } from "../../tools/support/service";
import { Defect } from "../domain/failure";
import { DiscountId, MerchantId } from "../domain/identifiers";
import { json } from "./answer";
import { makeHttpFunction, type FunctionDefinition, type Invocation, type Run } from "./function";

const Line = t.record(t.string, t.unknown);

describe("a function", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  /** Calls a function that runs so, and tells the answer and what was logged. */
  const callFunction = async (
    run: Run,
    deadlineMs = 5000,
    headers: Record<string, string> = {},
  ): Promise<{ reply: Reply; log: LogLine[] }> => {
    const log: LogLine[] = [];
    const definition: FunctionDefinition<undefined> = {
      name: "Test",
      route: "test",
      methods: ["GET"],
      authLevel: "anonymous",
      audience: "developer",
      make: () => run,
    };
    const runtime = { storeForCall: service.store.forCall, deadlineMs };
    const host = makeHost([makeHttpFunction(definition, undefined, runtime)], (level, ...args) =>
      log.push({ level, text: args.map(String).join(" ") }),
    );
    const reply = await call(`http://127.0.0.1:${await listen(host, 0)}/test`, { headers });
    await close(host);
    return { reply, log };
  };
  const linesOf = (log: LogLine[]): Record<string, unknown>[] =>
    log.map(({ text }) => decode(Line, JSON.parse(text)));

  const untilAborted = ({ signal }: Pick<Invocation, "signal">): Promise<void> =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        resolve();
      });
    });

  describe("at its deadline", () => {
    it("answers 503 and when to try again, cancels what it does, and does not answer what that comes to", async () => {
      let wasCancelled = false;
      const { reply, log } = await callFunction(async (_, invocation) => {
        await untilAborted(invocation);
        wasCancelled = true;
        return E.right(json({ late: 1 }));
      }, 100);
      expectProblem(reply, 503, "service-unavailable");
      expect([reply.headers.get("retry-after"), wasCancelled]).toEqual(["1", true]);
      expect(linesOf(log)).toMatchObject([
        { status: 503, problem: "service-unavailable", cause: "deadline" },
      ]);
    });

    it("logs before its answer how far each store call came that is still under way", async () => {
      const { proxy, instance } = await startBehindFaults(service, 1000);
      const endings = [
        [{ kind: "status", status: 503 }, "store: 503"],
        [{ kind: "hang" }, "no answer in time"],
      ] as const;
      for (const [fault, failure] of endings) {
        await proxy.reset();
        proxy.script(({ operation }) => (operation === "other" ? undefined : fault));
        instance.log.length = 0;
        expectProblem(await instance.regenerate(), 503, "service-unavailable");
        const [storeCall, outcome, ...others] = linesOf(instance.log);
        expect(others).toEqual([]);
        expect(storeCall).toMatchObject({ event: "store-call", operation: "findApiKeys" });
        expect(storeCall?.["failure"]).toContain(failure);
        const attempts = decode(t.number, storeCall?.["attempts"]);
        // The last one may have been on its way when the time was up.
        expect([0, 1]).toContain(attempts - proxy.requests.length);
        expect(outcome).toMatchObject({ cause: "deadline", store_round_trips: attempts });
      }
    });

    it("ends what it did not wait for once it has answered, and logs nothing of it", async () => {
      let signal: AbortSignal | undefined;
      const { reply, log } = await callFunction((_, invocation) => {
        ({ signal } = invocation);
        void invocation.store.findApiKeys(right(MerchantId.decode("shop-1")));
        return Promise.resolve(E.right(json({ done: 1 })));
      }, 100);
      expect(reply.status).toBe(200);
      expect([signal?.aborted, log.length]).toEqual([true, 1]);
    });
  });

  describe("with a bug", () => {
    const secret = "AAAAAA00A00A000A";

    it("answers 500 and nothing of the cause, and logs the place and not the message", async () => {
      const { reply, log } = await callFunction(() =>
        Promise.reject(new TypeError(`${secret} is not a function`)),
      );
      expectProblem(reply, 500, "internal-error");
      expect(reply.text).not.toContain("TypeError");
      const [defect, outcome] = linesOf(log);
      expect(defect).toMatchObject({ defect: "TypeError" });
      expect(decode(t.array(t.string), defect?.["stack"])[0]).toContain("function.test.ts");
      expect(outcome).toMatchObject({ status: 500, problem: "internal-error" });
      expect(log.map(({ level }) => level)).toEqual(["error", "warning"]);
      expect(JSON.stringify([reply.text, log])).not.toContain(secret);
    });

    it.each(["", `x\n    at ${secret}`])("logs the place, and nothing of the message %j", async (message) => {
      const { log } = await callFunction(() => Promise.reject(new TypeError(message)));
      expect(decode(t.array(t.string), linesOf(log)[0]?.["stack"])[0]).toContain("function.test.ts");
      expect(JSON.stringify(log)).not.toContain(secret);
    });

    it("logs the message of a defect that the service foresaw, since it is fixed words", async () => {
      const { log } = await callFunction(() => Promise.reject(new Defect("malformed item: .use")));
      expect(linesOf(log)[0]).toMatchObject({ defect: "malformed item: .use" });
    });

    it("survives that no error is thrown, but a mere text", async () => {
      const { reply, log } = await callFunction(() => {
        AbortSignal.abort(secret).throwIfAborted();
        return Promise.resolve(E.right(json({})));
      });
      expectProblem(reply, 500, "internal-error");
      expect(linesOf(log)[0]).toMatchObject({ defect: "string" });
      expect(JSON.stringify(log)).not.toContain(secret);
    });

    it("that comes after its deadline disturbs nobody", async () => {
      const { reply, log } = await callFunction(async (_, invocation) => {
        await untilAborted(invocation);
        await pause(50);
        throw new Defect("late");
      }, 100);
      await pause(100);
      expectProblem(reply, 503, "service-unavailable");
      // The platform loses what is logged after the answer.
      expect(linesOf(log)).toMatchObject([{ status: 503, cause: "deadline" }]);
    });
  });

  describe("logs", () => {
    it("one line for a request, of names and numbers", async () => {
      const start = performance.now();
      const { reply, log } = await callFunction(async (_, { store, note }) => {
        const merchantId = right(MerchantId.decode("shop-1"));
        note({ merchantId, discountId: right(DiscountId.decode("discount-1")), isUse: true });
        note({ keyType: "secondary" });
        await store.findApiKeys(merchantId);
        await store.findApiKeys(merchantId);
        return E.left({ tag: "otp-not-found" });
      });
      const [line, ...others] = linesOf(log);
      expect(others).toEqual([]);
      const { duration_ms: durationMs, invocation_id: invocationId, ...rest } = line ?? {};
      expect(rest).toEqual({
        event: "request",
        function: "Test",
        status: 404,
        problem: "otp-not-found",
        store_round_trips: 2,
        // The embedded store charges 1 for whatever it is asked.
        request_units: 2,
        merchant_id: "shop-1",
        discount_id: "discount-1",
        invalidate_otp: true,
        key_type: "secondary",
      });
      expect(decode(t.number, durationMs)).toBeGreaterThanOrEqual(0);
      expect(durationMs).toBeLessThanOrEqual(Math.ceil(performance.now() - start));
      expect(reply.text).toContain(`urn:uuid:${decode(t.string, invocationId)}`);
      expect(log[0]?.level).toBe("information");
    });

    it("the caller's trace in each line", async () => {
      const { log } = await callFunction(
        () => {
          throw new Error("a bug");
        },
        undefined,
        { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
      );
      expect(linesOf(log).map(({ event, trace_id }) => [event, trace_id])).toEqual([
        ["defect", "4bf92f3577b34da6a3ce929d0e0e4736"],
        ["request", "4bf92f3577b34da6a3ce929d0e0e4736"],
      ]);
    });
  });

  it("answers JSON that no cache keeps and no browser takes for anything else", async () => {
    const { reply } = await callFunction(() => Promise.resolve(E.right(json({ one: 1 }))));
    expect(reply.text).toBe('{"one":1}');
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
  });
});
