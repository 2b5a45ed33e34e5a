/** What a run measures: for each step how long calls took and how they failed, and how all of it went over time. */
import { createHistogram } from "node:perf_hooks";
import type { RecordableHistogram } from "node:perf_hooks";
import * as E from "fp-ts/Either";
import type { Exchange, Failure } from "./client";

export const steps = ["generate", "ask", "use", "contested use"] as const;
export type Step = (typeof steps)[number];

/** How often calls of a step failed in one way; with the longest wait that the service asked for. */
export interface Failures extends Failure {
  readonly step: Step;
  readonly count: number;
}

/** One part of the run. */
export interface Slice {
  readonly fromSeconds: number;
  /** Purchases that were due in it. */
  readonly due: number;
  /** Calls answered in it, and those of them that failed. */
  readonly answered: number;
  readonly failed: number;
  /** Of the calls that were answered in it, in ms. */
  readonly median: number;
  readonly p99: number;
}

export interface Measures {
  due(seconds: number): void;
  /** @param isFailure whether it counts as a failure: the one who comes second to a contested code is none. */
  record(step: Step, exchange: Exchange<unknown>, isFailure: boolean): void;
  readonly failures: () => readonly Failures[];
  readonly latencies: Readonly<Record<Step, RecordableHistogram>>;
  readonly slices: () => readonly Slice[];
  readonly sliceSeconds: number;
}

/** 5 minutes: no call takes longer than its time limit, and the wait for it. */
const highestMicroseconds = 300e6;

// Node.js keeps these as HdrHistogram does, so that no package is needed for it.
const makeHistogram = (figures: number): RecordableHistogram =>
  createHistogram({ lowest: 1, highest: highestMicroseconds, figures });

const recordMs = (histogram: RecordableHistogram, ms: number): void => {
  histogram.record(Math.min(Math.max(1, Math.round(ms * 1000)), highestMicroseconds));
};

/** A percentile in ms; NaN of nothing. */
export const percentileMs = (histogram: RecordableHistogram, percentile: number): number =>
  histogram.count === 0 ? NaN : histogram.percentile(percentile) / 1000;

/** More could not be told apart in a plot. */
const maxSlices = 100;

/** @param startMs when the run began, of `performance.now()`. */
export const makeMeasures = (startMs: number, seconds: number): Measures => {
  const latencies: Readonly<Record<Step, RecordableHistogram>> = {
    generate: makeHistogram(3),
    ask: makeHistogram(3),
    use: makeHistogram(3),
    "contested use": makeHistogram(3),
  };
  const failures = new Map<string, Failures>();
  const sliceSeconds = Math.max(1, Math.ceil(seconds / maxSlices));
  const slices = new Map<number, ReturnType<typeof makeSlice>>();
  const makeSlice = () => ({ due: 0, answered: 0, failed: 0, histogram: makeHistogram(2) });
  const sliceOf = (atSeconds: number): ReturnType<typeof makeSlice> => {
    const number = Math.max(0, Math.floor(atSeconds / sliceSeconds));
    const found = slices.get(number) ?? makeSlice();
    slices.set(number, found);
    return found;
  };

  return {
    sliceSeconds,
    latencies,
    due: (atSeconds) => {
      sliceOf(atSeconds).due += 1;
    },
    record: (step, { dueMs, answeredMs, outcome }, isFailure) => {
      const ms = answeredMs - dueMs;
      recordMs(latencies[step], ms);
      const slice = sliceOf((answeredMs - startMs) / 1000);
      slice.answered += 1;
      recordMs(slice.histogram, ms);
      if (isFailure && E.isLeft(outcome)) {
        slice.failed += 1;
        const { name, status, retryAfterSeconds = 0 } = outcome.left;
        const key = `${step} ${String(status)} ${name}`;
        const before = failures.get(key);
        const longest = Math.max(retryAfterSeconds, before?.retryAfterSeconds ?? 0);
        failures.set(key, {
          ...{ step, name, status, count: (before?.count ?? 0) + 1 },
          retryAfterSeconds: longest === 0 ? undefined : longest,
        });
      }
    },
    failures: () => [...failures.values()].sort((a, b) => b.count - a.count),
    slices: () =>
      [...slices]
        .sort(([a], [b]) => a - b)
        .map(([number, { due, answered, failed, histogram }]) => ({
          fromSeconds: number * sliceSeconds,
          due,
          answered,
          failed,
          median: percentileMs(histogram, 50),
          p99: percentileMs(histogram, 99),
        })),
  };
};
