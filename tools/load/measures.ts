/** What a run measures: for each step how long calls took and how they failed, and how all of it went over time. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import * as E from "fp-ts/Either";
import type { Exchange, Failure } from "./client";

export const steps = ["generate", "ask", "use", "contested use"] as const;
export type Step = (typeof steps)[number];

/** How often calls of a step failed in one way; with the longest wait that the service asked for. */
export interface Failures extends Failure {
  readonly step: Step;
  readonly count: number;
}

/** A second of the run, or some. */
export interface Slice {
  /** Purchases that were due in it. */
  due: number;
  /** Calls answered in it that failed. */
  failed: number;
  /** Of the calls that were answered in it. */
  readonly latencies: RecordableHistogram;
}

export interface Measures {
  due(atMs: number): void;
  /** @param isFailure whether it counts as a failure: the one who comes second to a contested code is none. */
  record(step: Step, exchange: Exchange<unknown>, isFailure: boolean): void;
  readonly failures: () => readonly Failures[];
  readonly latencies: ReadonlyMap<Step, RecordableHistogram>;
  readonly sliceSeconds: number;
  /** By their number from the start. */
  readonly slices: ReadonlyMap<number, Readonly<Slice>>;
}

/** 5 minutes: no call takes longer than its time limit, and the wait for it. */
const highestMicroseconds = 300e6;

// Node.js keeps these as HdrHistogram does, so that no package is needed for it.
const makeHistogram = (figures: number): RecordableHistogram =>
  createHistogram({ lowest: 1, highest: highestMicroseconds, figures });

/** A percentile in ms. */
export const percentileMs = (histogram: RecordableHistogram, percentile: number): number =>
  histogram.percentile(percentile) / 1000;

/** More could not be told apart in a plot. */
const maxSlices = 100;

/** @param startMs when the run began, of `performance.now()`. */
export const makeMeasures = (startMs: number, seconds: number): Measures => {
  const latencies = new Map<Step, RecordableHistogram>();
  const failures = new Map<string, Failures>();
  const sliceSeconds = Math.max(1, Math.ceil(seconds / maxSlices));
  const slices = new Map<number, Slice>();
  const sliceAt = (ms: number): Slice => {
    const number = Math.max(0, Math.floor((ms - startMs) / 1000 / sliceSeconds));
    const slice = slices.get(number) ?? { due: 0, failed: 0, latencies: makeHistogram(2) };
    slices.set(number, slice);
    return slice;
  };
  return {
    ...{ sliceSeconds, latencies, slices },
    due: (atMs) => {
      sliceAt(atMs).due += 1;
    },
    record: (step, { dueMs, answeredMs, outcome }, isFailure) => {
      const microseconds = Math.round((answeredMs - dueMs) * 1000);
      const ofStep = latencies.get(step) ?? makeHistogram(3);
      latencies.set(step, ofStep);
      const slice = sliceAt(answeredMs);
      for (const histogram of [ofStep, slice.latencies]) {
        histogram.record(Math.min(Math.max(1, microseconds), highestMicroseconds));
      }
      if (isFailure && E.isLeft(outcome)) {
        slice.failed += 1;
        const { name, status, retryAfterSeconds } = outcome.left;
        const key = `${step} ${String(status)} ${name}`;
        const before = failures.get(key) ?? { count: 0, retryAfterSeconds: 0 };
        failures.set(key, {
          ...{ step, name, status, count: before.count + 1 },
          retryAfterSeconds: Math.max(retryAfterSeconds, before.retryAfterSeconds),
        });
      }
    },
    failures: () => [...failures.values()].sort((a, b) => b.count - a.count),
  };
};
