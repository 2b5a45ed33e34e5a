/** The plot of a run, as SVG: what was due and what was answered, how long it took over time, and how it is spread. */
import type { TopLevelSpec } from "vega-lite";
import { percentileMs, steps } from "./measures";
import type { Measures } from "./measures";

const width = 640;
const height = 200;

/** 0 to 99.99 % in steps of a twentieth of a nine, as far as there are calls to tell them. */
const ninesFor = (calls: number): readonly number[] =>
  Array.from({ length: 81 }, (_, index) => index / 20).filter((nines) => calls * 10 ** -nines >= 1);

/** @param title a line above all, such as the address and the rate. */
export const plot = async (measures: Measures, title: string): Promise<string> => {
  // Only a run that draws needs them, and they take a while to load.
  const [{ compile }, { parse, View }] = await Promise.all([import("vega-lite"), import("vega")]);
  const perSecond = (number: number): number => number / measures.sliceSeconds;
  const slices = measures.slices();
  const rates = slices.flatMap(({ fromSeconds: x, due, answered, failed }) => [
    { x, of: "purchases due", y: perSecond(due) },
    { x, of: "calls answered", y: perSecond(answered) },
    { x, of: "calls failed", y: perSecond(failed) },
  ]);
  const times = slices
    .filter(({ answered }) => answered > 0)
    .flatMap(({ fromSeconds: x, median, p99 }) => [
      { x, of: "median", y: median },
      { x, of: "p99", y: p99 },
    ]);
  const spread = steps.flatMap((step) => {
    const histogram = measures.latencies[step];
    return ninesFor(histogram.count).map((nines) => ({
      x: nines,
      of: step,
      // The least that a histogram knows is the first percentile above 0.
      y: percentileMs(histogram, Math.max(100 * (1 - 10 ** -nines), 1e-6)),
    }));
  });
  const panel = (
    panelTitle: string,
    values: object[],
    x: { readonly title: string; readonly axis?: object },
    y: { readonly title: string | null; readonly scale?: { readonly type: "log" } },
  ) => ({
    ...{ title: panelTitle, width, height, data: { values }, mark: "line" as const },
    encoding: {
      x: { field: "x", type: "quantitative" as const, ...x },
      y: { field: "y", type: "quantitative" as const, ...y },
      color: { field: "of", type: "nominal" as const, title: null },
    },
  });
  const seconds = { title: "seconds from the start" };
  const ms = { title: "ms", scale: { type: "log" as const } };
  const nines = {
    title: "of the calls took at most so long",
    axis: { values: [0, 1, 2, 3, 4], labelExpr: "format(100 - 100 * pow(10, -datum.value), '.4~') + ' %'" },
  };
  const spec: TopLevelSpec = {
    title,
    background: "white",
    resolve: { scale: { color: "independent" } },
    // Told apart also by those who do not see red and green alike (the palette of Okabe and Ito).
    config: { range: { category: ["#0072b2", "#d55e00", "#009e73", "#cc79a7"] } },
    vconcat: [
      panel("Load, a second", rates, seconds, { title: null }),
      panel("Time to answer, over the run", times, seconds, ms),
      panel("Time to answer, by part of the calls", spread, nines, ms),
    ],
  };
  return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
};
