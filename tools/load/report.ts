/** What somebody is told of a run, in text. No code, key or fiscal code is in it. */
import { isOnThisMachine } from "../support/origin";
import { percentileMs, steps } from "./measures";
import type { Failures } from "./measures";
import type { Finding } from "./check";
import type { Progress, Result } from "./run";

/** At most so many broken guarantees are described one by one. */
const maxFindings = 10;

const percentiles = [50, 90, 99, 99.9] as const;

const formatMs = (ms: number): string => (Number.isNaN(ms) ? "" : ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0));

const count = (number: number): string => number.toLocaleString("en");

const plural = (number: number, noun: string): string => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Columns: the first to the left, the others to the right. */
const align = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};

const describeLatencies = ({ measures, options }: Result): string => {
  const failedIn = (step: string): number =>
    measures
      .failures()
      .filter((each) => each.step === step)
      .reduce((sum, each) => sum + each.count, 0);
  const rows = steps.flatMap((step) => {
    const histogram = measures.latencies[step];
    return histogram.count === 0
      ? []
      : [
          [
            step === "contested use" ? `use from ${options.sides} sides` : step,
            count(histogram.count),
            count(failedIn(step)),
            ...percentiles.map((percentile) => formatMs(percentileMs(histogram, percentile))),
            formatMs(histogram.max / 1000),
          ],
        ];
  });
  const head = ["", "calls", "failed", ...percentiles.map((percentile) => `p${percentile}`), "max"];
  return `${align([head, ...rows])}\n(ms, each from when the call was due)`;
};

const describeFailures = (failures: readonly Failures[]): string =>
  [
    "Failures:",
    align(
      failures.map(({ step, name, status, count: times, retryAfterSeconds }) => [
        `  ${step}: ${status === undefined ? "" : `${status} `}${name}${
          retryAfterSeconds === undefined ? "" : `, Retry-After up to ${retryAfterSeconds} s`
        }`,
        count(times),
      ]),
    ),
  ].join("\n");

/** The client is not the service: whoever reads the figures must know when they are its own. */
const describeLimits = ({ origin, client, options, begun, planned }: Result): readonly string[] => {
  const limits = isOnThisMachine(origin)
    ? [
        "The service shares this machine's processors with this client. Compare such runs with one another, not with Azure.",
      ]
    : [];
  const isClientLimit = client.utilization > 0.85 || client.lagP99Ms > 100;
  if (isClientLimit) {
    limits.push(
      `This client itself was a limit: it was busy ${(client.utilization * 100).toFixed(0)} % of the time, and began ` +
        `purchases up to ${formatMs(client.lagP99Ms)} ms late (p99). The times above are its own as much as the service's. ` +
        "Run it on a machine of its own, at a lower rate, or on several machines.",
    );
  }
  if (client.waited > 0) {
    const cause = "The service answers more slowly than the rate asks for, or the limit is too low for it.";
    limits.push(
      `${plural(client.waited, "call")} of ${count(client.calls)} waited, because ${count(options.concurrency)} were under way ` +
        `(--concurrency).${isClientLimit ? "" : ` ${cause}`}`,
    );
  }
  if (begun < planned * 0.9 - 3 * Math.sqrt(planned)) {
    limits.push(`Of about ${plural(planned, "purchase")} only ${count(begun)} began.`);
  }
  return limits;
};

const describeFinding = ({ kind, merchantId, reasons, instances }: Finding): string =>
  [
    `  A code of ${merchantId} was ${kind}${reasons.length === 0 ? "." : " (times in ms from the start):"}`,
    ...reasons.map((reason) => `    ${reason.replaceAll("\n", "\n    ")}`),
    ...(instances.length === 0 ? [] : [`    In the log: ${instances.join(", ")}`]),
  ].join("\n");

const describeCheck = ({ checked, completed }: Result): string => {
  const { codes, contested, usedOnceMore, undecided, findings } = checked;
  const lines = [
    `Checked ${plural(codes, "code")}, ${count(contested)} of them used from several sides at once. ` +
      `After all that, ${count(usedOnceMore)} used ones were used once more.`,
  ];
  if (findings.length > 0) {
    lines.push(`BROKEN: ${plural(findings.length, "code")} used twice, issued twice, or answered wrongly.`);
    lines.push(...findings.slice(0, maxFindings).map(describeFinding));
    if (findings.length > maxFindings) {
      lines.push(`  and ${count(findings.length - maxFindings)} more.`);
    }
  }
  if (undecided > 0) {
    lines.push(
      `Not known of ${plural(undecided, "code")}: no answer says whether it was used. They are not counted as kept.`,
    );
  }
  if (findings.length === 0 && completed > 0) {
    lines.push(
      undecided === 0
        ? "No code was used twice, and no live code was refused."
        : "Of the others none was used twice, and no live code was refused.",
    );
  }
  return lines.join("\n");
};

/** 0: all was kept. 1: a guarantee is broken. 2: the run could not be made, or not be checked to its end. */
export const exitCodeOf = ({ checked, endedEarly, completed, unrevoked }: Result): 0 | 1 | 2 => {
  if (checked.findings.length > 0) {
    return 1;
  }
  const isWhole = checked.undecided === 0 && unrevoked.length === 0 && endedEarly !== "no answers";
  // Who ends a run at once has not asked for more than that.
  return isWhole && (completed > 0 || endedEarly === "on request") ? 0 : 2;
};

export const describeResult = (result: Result): string => {
  const { origin, options, seconds, elapsedSeconds, begun, completed, endedEarly, measures, unrevoked } =
    result;
  const failures = measures.failures();
  const ended =
    endedEarly === "on request"
      ? `It was ended early, after ${seconds.toFixed(1)} s.`
      : endedEarly === "no answers"
        ? `It ended early, after ${seconds.toFixed(1)} s, because nothing answered any more.`
        : undefined;
  return [
    `${origin}: ${options.rate} purchases a second for ${options.seconds} s, the first ${options.rampSeconds} s rising.`,
    ...(ended === undefined ? [] : [ended]),
    `${plural(begun, "purchase")} began, ${count(completed)} were completed, ${(completed / elapsedSeconds).toFixed(1)} a second over ${elapsedSeconds.toFixed(1)} s.`,
    "",
    describeLatencies(result),
    ...(failures.length === 0 ? [] : ["", describeFailures(failures)]),
    ...describeLimits(result).flatMap((limit) => ["", limit]),
    "",
    describeCheck(result),
    ...(completed === 0 && endedEarly !== "on request"
      ? ["No purchase was completed, so this shows nothing."]
      : []),
    unrevoked.length === 0
      ? "The keys of the run's merchants are revoked."
      : `Not revoked are the keys of ${unrevoked.join(", ")}: revoke them with RevokeApiKey.`,
  ].join("\n");
};

export const describeProgress = (progress: Progress, totalSeconds: number): string => {
  const { seconds, begun, completed, failed, underWay, waiting } = progress;
  const part = Math.min(1, seconds / totalSeconds);
  const bar = "#".repeat(Math.round(part * 10)).padEnd(10, ".");
  return (
    `[${bar}] ${Math.min(seconds, totalSeconds).toFixed(0)}/${totalSeconds} s  ${count(begun)} begun  ` +
    `${count(completed)} done  ${count(failed)} failed  ${count(underWay)} under way  ${count(waiting)} waiting`
  );
};
