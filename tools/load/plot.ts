/** The plot of a run, as SVG: what was due and what was answered, how long it took over time, and how it is spread. */
import { percentileMs, steps } from "./measures";
import type { Measures, Slice, Step } from "./measures";
import { formatMs } from "./report";

const width = 900;
const panelHeight = 200;
const left = 70;
const right = 150;
const gap = 90;
const top = 70;

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Line {
  readonly name: string;
  readonly color: string;
  readonly points: readonly Point[];
}

interface Tick {
  readonly at: number;
  readonly label: string;
}

interface Axis {
  readonly label: string;
  readonly ticks: readonly Tick[];
  /** The place of a value: 0 at the beginning of the axis, 1 at its end. */
  readonly place: (value: number) => number;
}

interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** 1, 2 or 5 times a power of ten, so that about five steps reach the value. */
const niceStep = (most: number): number => {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  const factor = [1, 2, 5, 10].find((each) => each * power * 5.5 >= most) ?? 10;
  return factor * power;
};

const linearAxis = (label: string, most: number): Axis => {
  const end = most > 0 ? most : 1;
  const step = niceStep(end);
  const ticks = Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, index) => index * step);
  return {
    label,
    ticks: ticks.map((at) => ({ at, label: String(Number(at.toPrecision(6))) })),
    place: (value) => value / end,
  };
};

const logAxis = (label: string, values: readonly number[]): Axis => {
  const finite = values.filter((value) => value > 0);
  const first = Math.floor(Math.log10(finite.length === 0 ? 1 : Math.min(...finite)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(finite.length === 0 ? 10 : Math.max(...finite))));
  const powers = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  return {
    label,
    ticks: powers.map((at) => ({ at, label: String(Number(at.toPrecision(3))) })),
    place: (value) => (Math.log10(value) - first) / (last - first),
  };
};

/** Each step of it is one more nine: half, 90 %, 99 %, 99.9 % of the calls. */
const ninesAxis = (label: string): Axis => ({
  label,
  ticks: [0, 90, 99, 99.9, 99.99].map((at) => ({ at, label: `${at} %` })),
  place: (percentile) => -Math.log10(1 - percentile / 100) / 4,
});

const drawPanel = ({ title, x, y, lines }: Panel, offset: number): string => {
  const plotWidth = width - left - right;
  const toX = (value: number): string => (left + x.place(value) * plotWidth).toFixed(1);
  const toY = (value: number): string => (offset + (1 - y.place(value)) * panelHeight).toFixed(1);
  const bottom = offset + panelHeight;
  return [
    `<text class="title" x="${left}" y="${offset - 14}">${escapeXml(title)}</text>`,
    ...y.ticks.map(
      ({ at, label }) =>
        `<line class="grid" x1="${left}" x2="${width - right}" y1="${toY(at)}" y2="${toY(at)}"/>` +
        `<text x="${left - 8}" y="${toY(at)}" dy="4" text-anchor="end">${escapeXml(label)}</text>`,
    ),
    ...x.ticks.map(
      ({ at, label }) =>
        `<text x="${toX(at)}" y="${bottom + 18}" text-anchor="middle">${escapeXml(label)}</text>`,
    ),
    `<text x="${(left + width - right) / 2}" y="${bottom + 36}" text-anchor="middle">${escapeXml(x.label)}</text>`,
    `<text transform="translate(18 ${offset + panelHeight / 2}) rotate(-90)" text-anchor="middle">${escapeXml(y.label)}</text>`,
    ...lines.flatMap(({ name, color, points }, index) => {
      const drawn = points.filter((point) => Number.isFinite(y.place(point.y)));
      const legendY = offset + 10 + index * 20;
      return [
        `<polyline fill="none" stroke="${color}" stroke-width="2" points="${drawn
          .map((point) => `${toX(point.x)},${toY(point.y)}`)
          .join(" ")}"/>`,
        `<line x1="${width - right + 14}" x2="${width - right + 34}" y1="${legendY}" y2="${legendY}" stroke="${color}" stroke-width="3"/>`,
        `<text x="${width - right + 40}" y="${legendY}" dy="4">${escapeXml(name)}</text>`,
      ];
    }),
  ].join("\n");
};

// Told apart also by those who do not see red and green alike (the palette of Okabe and Ito).
const colors = { blue: "#0072b2", orange: "#d55e00", green: "#009e73", purple: "#cc79a7" } as const;
const stepColors: Readonly<Record<Step, string>> = {
  generate: colors.blue,
  ask: colors.green,
  use: colors.orange,
  "contested use": colors.purple,
};

const overTime = (slices: readonly Slice[], value: (slice: Slice) => number): readonly Point[] =>
  slices.map((slice) => ({ x: slice.fromSeconds, y: value(slice) }));

/** 0 to 99.99 in equal steps of the axis, as far as there are calls to tell them. */
const percentilesFor = (calls: number): readonly number[] =>
  Array.from({ length: 81 }, (_, index) => 100 * (1 - 10 ** (-index / 20))).filter(
    (percentile) => calls * (1 - percentile / 100) >= 1 || percentile === 0,
  );

/** @param title a line above all, such as the address and the rate. */
export const plot = (measures: Measures, title: string): string => {
  const slices = measures.slices();
  const endSeconds = Math.max(1, ...slices.map(({ fromSeconds }) => fromSeconds + measures.sliceSeconds));
  const perSecond = (number: number): number => number / measures.sliceSeconds;
  const rates: readonly Line[] = [
    { name: "purchases due", color: colors.blue, points: overTime(slices, ({ due }) => perSecond(due)) },
    {
      name: "calls answered",
      color: colors.green,
      points: overTime(slices, ({ answered }) => perSecond(answered)),
    },
    {
      name: "calls failed",
      color: colors.orange,
      points: overTime(slices, ({ failed }) => perSecond(failed)),
    },
  ];
  const times: readonly Line[] = [
    { name: "p99", color: colors.orange, points: overTime(slices, ({ p99 }) => p99) },
    { name: "median", color: colors.blue, points: overTime(slices, ({ median }) => median) },
  ];
  const spreads: readonly Line[] = steps.flatMap((step) => {
    const histogram = measures.latencies().get(step);
    return histogram === undefined || histogram.count === 0
      ? []
      : [
          {
            name: step,
            color: stepColors[step],
            points: percentilesFor(histogram.count).map((percentile) => ({
              x: percentile,
              // The least that it knows is the first percentile above 0.
              y: percentileMs(histogram, Math.max(percentile, 1e-6)),
            })),
          },
        ];
  });
  const ysOf = (lines: readonly Line[]): readonly number[] =>
    lines.flatMap(({ points }) => points.map(({ y }) => y).filter((y) => Number.isFinite(y)));
  const seconds = linearAxis("seconds from the start", endSeconds);
  const panels: readonly Panel[] = [
    {
      title: "Load",
      x: seconds,
      y: linearAxis("a second", Math.max(1, ...ysOf(rates))),
      lines: rates,
    },
    { title: "Time to answer, over the run", x: seconds, y: logAxis("ms", ysOf(times)), lines: times },
    {
      title: "Time to answer, by part of the calls",
      x: ninesAxis("of the calls took at most so long"),
      y: logAxis("ms", ysOf(spreads)),
      lines: spreads,
    },
  ];
  const height = top + panels.length * (panelHeight + gap);
  const slowest = Math.max(0, ...ysOf(spreads));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title what">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="what">Load, and time to answer over the run and by part of the calls. The slowest shown took ${formatMs(slowest)} ms.</desc>`,
    "<style>text{font:13px system-ui,sans-serif;fill:#17324d}.title{font-weight:600}.grid{stroke:#d6dce3}</style>",
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text class="title" x="${left}" y="24">${escapeXml(title)}</text>`,
    ...panels.map((panel, index) => drawPanel(panel, top + index * (panelHeight + gap))),
    "</svg>",
    "",
  ].join("\n");
};
