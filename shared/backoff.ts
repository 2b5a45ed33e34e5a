import { setTimeout as sleep } from "node:timers/promises";

const longestPauseMs = 1000;
/** A timer with a longer delay would fire at once: https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Pauses that double from 20 ms to 1 s, shortened at random so that rivals do not retry together. The signal ends a pause.
 * @param random the share of a pause that remains, from 0 to 1.
 */
export const makePauses = (
  signal: AbortSignal,
  random: () => number = Math.random,
): ((atLeastMs?: number) => Promise<void>) => {
  let ceilingMs = 10;
  return async (atLeastMs = 0) => {
    ceilingMs = Math.min(ceilingMs * 2, longestPauseMs);
    const ms = Math.min(Math.max(random() * ceilingMs, atLeastMs), longestTimerMs);
    // It rejects when the signal ends it, and keeps no process alive.
    await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
  };
};

/** `while (await nextAttempt()) …`: at once, then after pauses, until the signal ends the call. */
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
