import { makeBackoff, makePauses } from "./backoff";

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

describe("the pauses between attempts", () => {
  const never = new AbortController().signal;

  it("double from 20 ms, and none precedes the first attempt", async () => {
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

  it("are shortened at random, down to zero", async () => {
    const nextAttempt = makeBackoff(never, () => 0);
    for (let attempt = 0; attempt < 100; attempt += 1) {
      // With full pauses, this test would time out.
      expect(await nextAttempt()).toBe(true);
    }
  });

  const forHours = (): number => 1e6;

  it("end when the signal ends the call, and no attempt follows", async () => {
    const ending = new AbortController();
    const nextAttempt = makeBackoff(ending.signal, forHours);
    await nextAttempt();
    const next = nextAttempt();
    ending.abort();
    expect(await next).toBe(false);
  });

  it("allow no attempt when the call was over from the start", async () => {
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

  it("are never shorter than the store asks for, and a short request does not shorten them", async () => {
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

  it("do not end at once when the store asks for more than a timer can hold", async () => {
    const ending = new AbortController();
    let isOver = false;
    const pause = makePauses(ending.signal)(1e12).then(() => (isOver = true));
    await makePauses(never, () => 1)();
    expect(isOver).toBe(false);
    ending.abort();
    await pause;
  });
});
