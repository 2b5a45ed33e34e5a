/** Every tool must deploy the same files. */
import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { tmpdir } from "node:os";
import { unzipSync } from "fflate";
import ignore from "ignore";
import { startProgram } from "../support/processes";

/** These folders have too many files to check each. No tool may deploy any of them. */
const neverLookedInto = ["node_modules", ".git"];

/** Files that a developer may have, besides the present ones. */
const others = [
  "node_modules/fp-ts/package.json",
  ".git/config",
  ".env",
  ".vscode/settings.json",
  "local.settings.json",
  "distribution/main.js",
  "src/dist/main.js",
  "tests/host.json",
  "notes.txt",
];

/** Every file of the work tree, tracked or not. */
const listFiles = async (): Promise<string[]> => {
  const files: string[] = [];
  for (const entry of await readdir(".", { withFileTypes: true })) {
    if (entry.isFile()) {
      files.push(entry.name);
    } else if (entry.isDirectory() && !neverLookedInto.includes(entry.name)) {
      for (const inner of await readdir(entry.name, { recursive: true, withFileTypes: true })) {
        if (inner.isFile()) {
          files.push(path.join(inner.parentPath, inner.name).replaceAll(path.sep, "/"));
        }
      }
    }
  }
  return files;
};

/**
 * Reads `.funcignore` as `func azure functionapp publish` does (azure-functions-core-tools, `GitIgnoreParser.cs`),
 * which differs from git. A line matches the beginning of a path, up to the end of a word. Its first slash does not
 * count. A line with `!` overrides all others, at any position. So Core Tools would also deploy a `dist-old/`, but
 * nothing makes one.
 */
const makeCoreToolsFilter = (funcignore: string): ((file: string) => boolean) => {
  const lines = funcignore
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const toPattern = (line: string): RegExp =>
    new RegExp(
      `^${line
        .replace(/^!?\/?/, "")
        .replaceAll(/[.+?^${}()|[\]\\/-]/g, String.raw`\$&`)
        .replaceAll("*", "[^/]+")}\\b`,
    );
  const excepted = lines.filter((line) => line.startsWith("!")).map(toPattern);
  const ignored = lines.filter((line) => !line.startsWith("!")).map(toPattern);
  return (file) =>
    excepted.some((pattern) => pattern.test(file)) || !ignored.some((pattern) => pattern.test(file));
};

describe("the files that are deployed", () => {
  const archive = path.join(tmpdir(), `cgn-otp-${process.pid}.zip`);
  let funcignore: string;
  let candidates: string[];
  let packaged: string[];
  beforeAll(async () => {
    funcignore = await readFile(".funcignore", "utf8");
    candidates = [...(await listFiles()), ...others];
    const packaging = startProgram(["scripts/package.mjs", archive], {});
    expect({ code: await packaging.ended, errors: packaging.errors() }).toEqual({ code: 0, errors: "" });
    packaged = Object.keys(unzipSync(await readFile(archive)));
  });
  afterAll(async () => {
    await rm(archive);
  });

  it("are chosen from every file of the folder, built or not", () => {
    expect(candidates).toEqual(
      expect.arrayContaining(["LICENSE", ".npmrc", "main.ts", "dist/main.js", "build/start.js"]),
    );
  });

  it("are those of the archive when Core Tools publish", () => {
    expect(candidates.filter(makeCoreToolsFilter(funcignore)).toSorted()).toEqual(packaged);
  });

  it("are those of the archive when GitHub's action for Azure Functions publishes, which reads as git does", () => {
    // The action's `funcignore.ts` uses this package, and removes ignored files and whole ignored folders.
    const rules = ignore().add(funcignore);
    expect(candidates.filter((file) => !rules.ignores(file)).toSorted()).toEqual(packaged);
  });
});
