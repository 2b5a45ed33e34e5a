import { setTimeout as sleep } from "node:timers/promises";

const longestPauseMs = 1000;
/** A timer set for longer would go off at once: https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Pauses between the attempts of one call. They double from 20 ms to 1 s, each cut by chance, so that callers who got in one
 * another's way do not meet again; none is shorter than its `atLeastMs`. The signal ends a pause at once.
 * @param random how much of a pause is left: from 0 to 1.
 */
export const makePauses = (
  signal: AbortSignal,
  random: () => number = Math.random,
): ((atLeastMs?: number) => Promise<void>) => {
  let ceilingMs = 10;
  return async (atLeastMs = 0) => {
    ceilingMs = Math.min(ceilingMs * 2, longestPauseMs);
    const ms = Math.min(Math.max(random() * ceilingMs, atLeastMs), longestTimerMs);
    // A pause keeps no process alive. Ended by the signal, it rejects; the signal is what is looked at next.
    await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
  };
};

/**
 * Paces the attempts of one call: `while (await nextAttempt()) …` runs at once the first time, then after a pause each time
 * (`makePauses`), until the signal ends the call.
 * @param random how much of a pause is left: from 0 to 1.
 */
export const makeBackoff = (signal: AbortSignal, random?: () => number): (() => Promise<boolean>) => {
  const pause = makePauses(signal, random);
  let isFirst = true;
  return async () => {
    if (!isFirst) {
      await pause();
    }
    isFirst = false;
    return !signal.aborted;
  };
};
