/** Apart from `tables.ts`, because a test cannot load prettier. */
import { readFile, writeFile } from "node:fs/promises";
import { format, resolveConfig } from "prettier";
import { measuredPart } from "./tables";

/** Replaces the part of a page that a command writes, formatted as `npm run format` does it. */
export const writeMeasured = async (file: string, text: string): Promise<void> => {
  const page = await readFile(file, "utf8");
  const written = page.replace(measuredPart, (_, begin: string, __, end: string) =>
    [begin, text, end].join("\n"),
  );
  await writeFile(file, await format(written, { ...(await resolveConfig(file)), filepath: file }));
};
