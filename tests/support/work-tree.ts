/** The files of this folder. */
import { readdirSync } from "node:fs";
import path from "node:path";

/** Every file, tracked or not, with slashes. Not those of the packages and of git, which are too many. */
export const listFiles = (): readonly string[] =>
  readdirSync(".", { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules" && name !== ".git")
    .flatMap((entry) =>
      entry.isDirectory()
        ? readdirSync(entry.name, { recursive: true, withFileTypes: true })
            .filter((inner) => inner.isFile())
            .map((inner) => path.join(inner.parentPath, inner.name).replaceAll(path.sep, "/"))
        : [entry.name],
    );
