import * as E from "fp-ts/Either";
import { expectProblem } from "../tests/support/expect-problem";
import { makeClock, type Clock } from "../tools/support/clock";
import { startBehindFaults, startService, type Service } from "../tools/support/service";
import { deadlinePassed, type ServiceUnavailable } from "./domain/failure";
import type { StoreForCall, StoreCall } from "./domain/store";
import { makeHealthCheck, type CheckHealth } from "./health";

describe("a look-up of the store's health", () => {
  type Checked = E.Either<ServiceUnavailable, void>;
  const sound: Checked = E.right(undefined);
  const away: Checked = E.left({ tag: "service-unavailable", retryAfterSeconds: 7, cause: "away" });

  let clock: Clock;
  /** The look-ups that have started, each with the function that ends it. */
  let lookUps: { readonly signal: AbortSignal; readonly end: (checked: Checked | Error) => void }[];
  let check: CheckHealth;
  const storeForCall = ({ signal }: Parameters<StoreForCall>[0]): ReturnType<StoreForCall> => ({
    ...service.store.forCall({ signal, onCall: () => undefined }),
    checkGuarantees: () =>
      new Promise((resolve, reject) => {
        const end = (checked: Checked | Error): void => {
          if (checked instanceof Error) {
            reject(checked);
          } else {
            resolve(checked);
          }
        };
        lookUps.push({ signal, end });
      }),
  });
  const ask = (): Promise<Checked> => check(() => undefined);

  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  beforeEach(() => {
    clock = makeClock();
    lookUps = [];
    check = makeHealthCheck({ storeForCall, deadlineMs: 50, clock });
  });

  it("serves all who ask while it runs and for 5 s after it ends", async () => {
    const first = [ask(), ask()];
    clock.advance(60);
    const later = ask();
    lookUps[0]?.end(sound);
    for (const health of await Promise.all([...first, later])) {
      expect(health).toEqual(E.right(undefined));
    }
    clock.advance(4.999);
    expect(E.isRight(await ask())).toBe(true);
    expect(lookUps).toHaveLength(1);
    clock.advance(0.001);
    const next = ask();
    expect(lookUps).toHaveLength(2);
    lookUps[1]?.end(away);
    expect(await next).toEqual(away);
    clock.advance(4.999);
    expect(await ask()).toEqual(away);
    expect(lookUps).toHaveLength(2);
    clock.advance(0.001);
    const last = ask();
    lookUps[2]?.end(sound);
    expect(E.isRight(await last)).toBe(true);
  });

  it("ends at its own deadline, and the next one does not wait for it", async () => {
    expect(await ask()).toEqual(E.left(deadlinePassed));
    expect(lookUps[0]?.signal.aborted).toBe(true);
    clock.advance(5);
    const next = ask();
    lookUps[1]?.end(sound);
    expect(E.isRight(await next)).toBe(true);
    expect(lookUps[1]?.signal.aborted).toBe(false);
    // Nobody gets the late answer of the first look-up.
    lookUps[0]?.end(away);
    expect(E.isRight(await ask())).toBe(true);
  });

  it("is repeated after the clock was set back", async () => {
    const first = ask();
    lookUps[0]?.end(sound);
    await first;
    clock.advance(-1);
    void ask();
    expect(lookUps).toHaveLength(2);
    lookUps[1]?.end(sound);
  });

  it("shares a defect, too", async () => {
    const both = [ask(), ask()];
    lookUps[0]?.end(new Error("bug"));
    for (const health of both) {
      await expect(health).rejects.toThrow("bug");
    }
    await expect(ask()).rejects.toThrow("bug");
    expect(lookUps).toHaveLength(1);
  });

  it("appears only in the log of the call that made it", async () => {
    const logs: StoreCall[][] = [[], []];
    const real = makeHealthCheck({ storeForCall: service.store.forCall, deadlineMs: 5000, clock });
    await Promise.all(logs.map((log) => real((call) => log.push(call))));
    expect(logs.map((log) => log.map(({ operation }) => operation))).toEqual([["checkGuarantees"], []]);
  });
});

describe("a flood of calls to Info and Status", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it("makes one look-up in 5 s, and sees an outage and its end", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    const flood = async (): Promise<readonly number[]> => {
      const replies = await Promise.all(
        Array.from({ length: 20 }).flatMap(() => [instance.info(), instance.status()]),
      );
      return [...new Set(replies.map(({ status }) => status))];
    };
    // The client makes some reads of its own, once, before its first call.
    await instance.newCode();
    const lookUp = ["/", "/dbs/cgn/colls/api-keys", "/dbs/cgn/colls/otps"];
    await proxy.reset();
    expect(await flood()).toEqual([200]);
    expect(await flood()).toEqual([200]);
    expect(proxy.requests.map(({ path }) => path).sort()).toEqual(lookUp);

    service.clock.advance(5);
    await proxy.reset();
    expect(await flood()).toEqual([200]);
    expect(proxy.requests.map(({ path }) => path).sort()).toEqual(lookUp);

    // The store asks for a longer wait than a call has time for.
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 60_000 }));
    expect(await flood()).toEqual([200]);
    service.clock.advance(5);
    await proxy.reset();
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 60_000 }));
    expect(await flood()).toEqual([503]);
    const refused = proxy.requests.length;
    expect(await flood()).toEqual([503]);
    expect(refused).toBeLessThanOrEqual(lookUp.length);
    expect(proxy.requests).toHaveLength(refused);
    expectProblem(await instance.status(), 503, "service-unavailable");

    proxy.script(() => undefined);
    expect(await flood()).toEqual([503]);
    service.clock.advance(5);
    expect(await flood()).toEqual([200]);
  });

  it("gets each answer within its deadline while a look-up hangs", async () => {
    const { proxy, instance } = await startBehindFaults(service, 2000);
    await instance.newCode("AAAAAA00A00A000B");
    proxy.script(() => ({ kind: "hang" }));
    const start = performance.now();
    const early = instance.info();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const late = instance.status();
    for (const reply of await Promise.all([early, late])) {
      expectProblem(reply, 503, "service-unavailable");
    }
    // The second call shares the look-up of the first, and starts no deadline of its own.
    expect(performance.now() - start).toBeLessThan(3000);
    expect(instance.log.some(({ text }) => text.includes('"operation":"describeAccount"'))).toBe(true);
    proxy.script(() => undefined);
    service.clock.advance(5);
    expect((await instance.status()).json).toEqual({ status: "up" });
  });
});
