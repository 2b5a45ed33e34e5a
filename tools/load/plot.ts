/** The plot of a run, as SVG: what was due and what was answered, how long it took over time, and how it is spread. */
import type { TopLevelSpec } from "vega-lite";
import { percentileMs, type Measures, type Slice } from "./measures";

const width = 640;
const height = 200;

/** 0 to 99.99 % in steps of a twentieth of a nine, as far as there are calls to tell them. */
const ninesFor = (calls: number): readonly number[] =>
  Array.from({ length: 81 }, (_, index) => index / 20).filter((nines) => calls * 10 ** -nines >= 1);

/** @param title a line above all, such as the address and the rate. */
export const plot = async (measures: Measures, title: string): Promise<string> => {
  // Only a run that draws needs them, and they take a while to load.
  const [{ compile }, { parse, View }] = await Promise.all([import("vega-lite"), import("vega")]);
  const slices = [...measures.slices].sort(([a], [b]) => a - b);
  const over = (lines: Readonly<Record<string, (slice: Slice) => number>>): object[] =>
    slices.flatMap(([number, slice]) =>
      Object.entries(lines).map(([of, y]) => ({ x: number * measures.sliceSeconds, of, y: y(slice) })),
    );
  const perSecond = (calls: number): number => calls / measures.sliceSeconds;
  const rates = over({
    "purchases due": ({ due }) => perSecond(due),
    "calls answered": ({ latencies }) => perSecond(latencies.count),
    "calls failed": ({ failed }) => perSecond(failed),
  });
  const times = over({
    median: ({ latencies }) => percentileMs(latencies, 50),
    p99: ({ latencies }) => percentileMs(latencies, 99),
  });
  const spread = [...measures.latencies].flatMap(([of, histogram]) =>
    // The least that a histogram knows is the first percentile above 0.
    ninesFor(histogram.count).map((nines) => ({
      ...{ x: nines, of, y: percentileMs(histogram, Math.max(100 * (1 - 10 ** -nines), 1e-6)) },
    })),
  );
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
