/** Markdown, as the measured pages have it. */
/** The kinds of charge. A batch is charged as the writes that it contains. */
export type Charge = "point read" | "create" | "replace" | "other";

/** Requests that are sent at the same time, wave after wave, each with its charges. */
export type Waves = readonly (readonly (readonly Charge[])[])[];

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** `point read ‖ point read → replace`: what is sent at the same time, and what waits for what. */
export const describeWaves = (waves: Waves): string =>
  waves.map((wave) => wave.map((request) => request.join(" + ")).join(" ‖ ")).join(" → ");

export const measuredPart = /(<!-- measured -->\r?\n)([^]*)(\r?\n<!-- \/measured -->)/;

/** The part of a page that a command writes. The text before and after it is written by hand. */
export const readMeasured = (page: string): string => measuredPart.exec(page)?.[2] ?? "";
