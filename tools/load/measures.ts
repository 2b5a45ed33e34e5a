/** What a run measures: for each step how long calls took and how they failed. */
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

export interface Measures {
  /** @param isFailure whether it counts as a failure: the one who comes second to a contested code is none. */
  record(step: Step, exchange: Exchange<unknown>, isFailure: boolean): void;
  readonly failures: () => readonly Failures[];
  readonly latencies: ReadonlyMap<Step, RecordableHistogram>;
}

/** 5 minutes: no call takes longer than its time limit, and the wait for it. */
const highestMicroseconds = 300e6;

/** A percentile in ms. */
export const percentileMs = (histogram: RecordableHistogram, percentile: number): number =>
  histogram.percentile(percentile) / 1000;

export const makeMeasures = (): Measures => {
  const latencies = new Map<Step, RecordableHistogram>();
  const failures = new Map<string, Failures>();
  return {
    latencies,
    record: (step, { dueMs, answeredMs, outcome }, isFailure) => {
      const microseconds = Math.round((answeredMs - dueMs) * 1000);
      const histogram =
        latencies.get(step) ?? createHistogram({ lowest: 1, highest: highestMicroseconds, figures: 3 });
      latencies.set(step, histogram);
      histogram.record(Math.min(Math.max(1, microseconds), highestMicroseconds));
      if (isFailure && E.isLeft(outcome)) {
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
