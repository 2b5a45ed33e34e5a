/** What somebody reads of a run. No code, key or fiscal code is in it. */
import { isOnThisMachine } from "../support/origin";
import { percentileMs, steps, type Failures } from "./measures";
import type { Finding } from "./check";
import { describeRun } from "./options";
import type { Progress, Result } from "./run";

/** At most so many broken guarantees are described one by one. */
const maxFindings = 10;

const percentiles = [50, 90, 99, 99.9] as const;

const formatMs = (ms: number): string => ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0);

const count = (number: number): string => number.toLocaleString("en");

/** Columns: the first to the left, the others to the right. */
const align = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widthOf = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map(([first = "", ...others]) =>
    [first.padEnd(widthOf(0)), ...others.map((cell, index) => cell.padStart(widthOf(index + 1)))].join("  "),
  );
};

const describeLatencies = ({ measures, options }: Result): readonly string[] => {
  const failures = measures.failures();
  const rows = steps.flatMap((step) => {
    const histogram = measures.latencies.get(step);
    const failed = failures.filter((each) => each.step === step).reduce((sum, each) => sum + each.count, 0);
    const name = step === "contested use" ? `use from ${options.sides} sides` : step;
    return histogram === undefined
      ? []
      : [
          [
            ...[name, count(histogram.count), count(failed)],
            ...percentiles.map((percentile) => formatMs(percentileMs(histogram, percentile))),
            formatMs(histogram.max / 1000),
          ],
        ];
  });
  const head = ["", "calls", "failed", ...percentiles.map((percentile) => `p${percentile}`), "max"];
  return [...align([head, ...rows]), "(ms, each from when the call was due)"];
};

const describeFailure = ({ step, name, status, count: times, retryAfterSeconds }: Failures) => {
  const wait = retryAfterSeconds === 0 ? "" : `, Retry-After up to ${retryAfterSeconds} s`;
  return [`  ${step}: ${status === undefined ? "" : `${status} `}${name}${wait}`, count(times)];
};

/** The client is not the service: whoever reads the figures must know when they are its own. */
const describeLimits = ({ origin, options, lagP99Ms, waited }: Result): readonly string[] => [
  ...(isOnThisMachine(origin)
    ? [
        "The service shares this machine with this client. Compare such runs with one another, not with Azure.",
      ]
    : []),
  ...(lagP99Ms > 100
    ? [
        `This client itself was a limit: it began purchases up to ${formatMs(lagP99Ms)} ms late (p99), which the times above contain.`,
      ]
    : []),
  ...(waited > 0
    ? [`${count(waited)} calls waited: ${options.concurrency} were under way (--concurrency).`]
    : []),
];

const describeFinding = ({ kind, merchantId, reasons }: Finding): readonly string[] => [
  `  A code of ${merchantId} was ${kind}${reasons.length === 0 ? "." : " (times in ms):"}`,
  ...reasons.map((reason) => `    ${reason.replaceAll("\n", "\n    ")}`),
];

const describeCheck = ({ checked, completed }: Result): readonly string[] => {
  const { codes, contested, usedOnceMore, undecided, findings } = checked;
  const isKept = findings.length === 0 && completed > 0;
  return [
    `Checked ${count(codes)} codes, ${count(contested)} of them used from several sides at once. ` +
      `After all that, ${count(usedOnceMore)} used ones were used once more.`,
    ...(findings.length > 0
      ? [`BROKEN: ${count(findings.length)} codes were used twice, issued twice, or answered wrongly.`]
      : []),
    ...findings.slice(0, maxFindings).flatMap(describeFinding),
    ...(undecided > 0
      ? [`Not known of ${count(undecided)} codes: no answer says whether they were used.`]
      : []),
    ...(isKept && undecided === 0 ? ["No code was used twice, and no live code was refused."] : []),
    ...(completed === 0 ? ["No purchase was completed, so this shows nothing."] : []),
  ];
};

/** 0: all was kept. 1: a guarantee is broken. 2: the run could not be made, or not be checked to its end. */
export const exitCodeOf = ({ checked, isStopped, completed, unrevoked }: Result): 0 | 1 | 2 =>
  checked.findings.length > 0
    ? 1
    : checked.undecided === 0 && unrevoked.length === 0 && (completed > 0 || isStopped)
      ? 0
      : 2;

export const describeResult = (result: Result): string => {
  const { origin, options, elapsedSeconds, begun, completed, isStopped, measures, unrevoked } = result;
  const failures = measures.failures();
  return [
    `${origin}: ${describeRun(options)}${isStopped ? " It was ended early." : ""}`,
    `${count(begun)} purchases began, ${count(completed)} were completed, ` +
      `${(completed / elapsedSeconds).toFixed(1)} a second over ${elapsedSeconds.toFixed(1)} s.`,
    "",
    ...describeLatencies(result),
    ...(failures.length === 0 ? [] : ["", "Failures:", ...align(failures.map(describeFailure))]),
    "",
    ...describeLimits(result),
    ...describeCheck(result),
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
