/** Markdown, as `docs/benchmarks.md` has it. */
import { readFile, writeFile } from "node:fs/promises";
import { format, resolveConfig } from "prettier";

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const measuredPart = /(<!-- measured -->\r?\n)([^]*)(\r?\n<!-- \/measured -->)/;

/** Replaces the part of a page that a command writes, formatted as `npm run format` does it. */
export const writeMeasured = async (file: string, text: string): Promise<void> => {
  const page = await readFile(file, "utf8");
  const written = page.replace(measuredPart, (_, begin: string, __, end: string) =>
    [begin, text, end].join("\n"),
  );
  await writeFile(file, await format(written, { ...(await resolveConfig(file)), filepath: file }));
};
