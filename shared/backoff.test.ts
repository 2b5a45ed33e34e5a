import { makeBackoff, makePauses } from "./backoff";

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

describe("the pauses between attempts", () => {
  const never = new AbortController().signal;

  it("double from 20 ms, after a first attempt that is made at once", async () => {
    const nextAttempt = makeBackoff(never, () => 1);
    const pausesMs: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const start = performance.now();
      expect(await nextAttempt()).toBe(true);
      pausesMs.push(performance.now() - start);
    }
    // A timer may fire a millisecond early.
    [0, 20, 40, 80, 160, 320].forEach((ms, attempt) => {
      expect(pausesMs[attempt]).toBeGreaterThan(ms - 2);
    });
    expect(pausesMs[0]).toBeLessThan(Math.min(...pausesMs.slice(1)));
  });

  it("are cut by chance, down to none", async () => {
    const nextAttempt = makeBackoff(never, () => 0);
    for (let attempt = 0; attempt < 100; attempt += 1) {
      // With whole pauses, this test would run out of its time.
      expect(await nextAttempt()).toBe(true);
    }
  });

  const forHours = (): number => 1e6;

  it("end when the call is over, and no attempt follows", async () => {
    const ending = new AbortController();
    const nextAttempt = makeBackoff(ending.signal, forHours);
    await nextAttempt();
    const next = nextAttempt();
    ending.abort();
    expect(await next).toBe(false);
  });

  it("precede no attempt of a call that is over before its first", async () => {
    expect(await makeBackoff(AbortSignal.abort())()).toBe(false);
  });

  it("keep no process alive", async () => {
    const ending = new AbortController();
    const nextAttempt = makeBackoff(ending.signal, forHours);
    await nextAttempt();
    const before = timers();
    const next = nextAttempt();
    expect(timers()).toBe(before);
    ending.abort();
    await next;
  });

  it("are no shorter than the store asks for, and no shorter for it", async () => {
    const none = makePauses(never, () => 0);
    const whole = makePauses(never, () => 1);
    const pausesMs: number[] = [];
    for (const pause of [() => none(60), () => whole(1)]) {
      const start = performance.now();
      await pause();
      pausesMs.push(performance.now() - start);
    }
    expect(pausesMs[0]).toBeGreaterThan(58);
    expect(pausesMs[1]).toBeGreaterThan(18);
  });

  it("last, however long the store asks for", async () => {
    const ending = new AbortController();
    let isOver = false;
    const pause = makePauses(ending.signal)(1e12).then(() => (isOver = true));
    await makePauses(never, () => 1)();
    expect(isOver).toBe(false);
    ending.abort();
    await pause;
  });
});
