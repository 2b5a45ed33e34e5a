import { setTimeout as sleep } from "node:timers/promises";

const longestPauseMs = 1000;

/**
 * Paces the attempts of one call: `while (await another()) …` runs at once the first time, then after pauses that
 * double from 20 ms to 1 s, until the signal ends the call. Each pause is cut by chance, so that callers who got
 * in one another's way do not meet again.
 * @param random how much of a pause is left: from 0 to 1.
 */
export const makeBackoff = (
  signal: AbortSignal,
  random: () => number = Math.random,
): (() => Promise<boolean>) => {
  let ceilingMs = 10;
  let isFirst = true;
  return async () => {
    if (!isFirst) {
      ceilingMs = Math.min(ceilingMs * 2, longestPauseMs);
      // A pause keeps no process alive. Ended by the signal, it rejects; the signal is what is looked at next.
      await sleep(random() * ceilingMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
    isFirst = false;
    return !signal.aborted;
  };
};
