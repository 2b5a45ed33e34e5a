/** Every tool must deploy the same files. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { tmpdir } from "node:os";
import { strFromU8, unzipSync } from "fflate";
import ignore from "ignore";
import * as t from "io-ts";
import { parse as parseYaml } from "yaml";
import { decode } from "../../tools/support/either";
import { startProgram } from "../../tools/support/processes";
import { listFiles } from "../support/work-tree";

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

const digest = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

/**
 * Reads `.funcignore` as `func azure functionapp publish` does (azure-functions-core-tools, `GitIgnoreParser.cs`), and
 * not as git does: a line matches the beginning of a path, up to the end of a word, and `!` overrides all other lines.
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
  let place: string;
  let funcignore: string;
  let candidates: string[];
  let archive: Record<string, Uint8Array>;
  let bytes: Buffer;
  let packaged: string[];
  const pack = async (settings: Readonly<Record<string, string>>): Promise<Buffer> => {
    const packaging = startProgram(["tools/package.mjs", "--folder", place], settings);
    expect({ code: await packaging.ended, errors: packaging.errors() }).toEqual({ code: 0, errors: "" });
    return readFile(path.join(place, "cgn-otp.zip"));
  };
  beforeAll(async () => {
    funcignore = await readFile(".funcignore", "utf8");
    candidates = [...listFiles(), ...others];
    expect(candidates).toEqual(expect.arrayContaining(["LICENSE", ".npmrc", "main.ts", "build/start.js"]));
    place = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    await mkdir(path.join(place, "cgn-otp"));
    await writeFile(path.join(place, "cgn-otp", "left-over.js"), "");
    bytes = await pack({});
    archive = unzipSync(bytes);
    packaged = Object.keys(archive);
  });
  afterAll(async () => {
    await rm(place, { recursive: true });
  });

  it("are four, with a source map, in an archive of at most 500 KB", () => {
    expect(packaged).toEqual(["dist/main.js", "dist/main.js.map", "host.json", "package.json"]);
    expect(strFromU8(archive["dist/main.js"] ?? bytes)).toMatch(/\n\/\/# sourceMappingURL=main\.js\.map\s*$/);
    expect(bytes.length).toBeLessThanOrEqual(500_000);
  });

  it("are packed into the same bytes each time, in any time zone", async () => {
    expect((await pack({ TZ: "Asia/Tokyo" })).equals(bytes)).toBe(true);
  });

  it("are all there: an archive without one of them is an error, and not made", async () => {
    const clone = path.join(place, "clone");
    for (const name of packaged.filter((each) => each !== "host.json")) {
      await cp(name, path.join(clone, name));
    }
    // With the line ends of Windows.
    await writeFile(path.join(clone, ".funcignore"), funcignore.replaceAll("\n", "\r\n"));
    const failed = startProgram([path.resolve("tools/package.mjs"), "--folder", "packed"], {}, clone);
    expect([await failed.ended, failed.output()]).toEqual([1, ""]);
    expect(failed.errors()).toMatch(/^Nothing was packaged: host\.json would be missing\. .*\n$/);
    expect(await readdir(clone)).not.toContain("packed");
  });

  it("replace no sources, as a clone beside which they are put, and need a folder that can be written", async () => {
    const clone = path.join(place, "with-clone", "cgn-otp");
    await mkdir(clone, { recursive: true });
    await writeFile(path.join(clone, "package-lock.json"), "");
    for (const [folder, fault] of [
      ["package.json", "--folder names none that can be written."],
      [path.dirname(clone), "--folder holds a folder cgn-otp with sources. Name another."],
    ] as const) {
      const refused = startProgram(["tools/package.mjs", "--folder", folder], {});
      expect([await refused.ended, refused.errors()]).toEqual([1, `Nothing was packaged: ${fault}\n`]);
    }
    expect(await readdir(clone)).toEqual(["package-lock.json"]);
  });

  it("are those of the archive when Core Tools publish", () => {
    expect(candidates.filter(makeCoreToolsFilter(funcignore)).toSorted()).toEqual(packaged);
  });

  it("are those of the archive when GitHub's action for Azure Functions publishes, which reads as git does", () => {
    // The action's `funcignore.ts` uses this package, and removes ignored files and whole ignored folders.
    const rules = ignore().add(funcignore);
    expect(candidates.filter((file) => !rules.ignores(file)).toSorted()).toEqual(packaged);
  });

  it("are those of the archive in the folder that azd publishes, and no older ones", async () => {
    const folder = path.join(place, "cgn-otp");
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const contents = files.map(({ parentPath, name }) => {
      const file = path.join(parentPath, name);
      return [path.relative(folder, file), digest(readFileSync(file))] as const;
    });
    expect(Object.fromEntries(contents)).toEqual(
      Object.fromEntries(Object.entries(archive).map(([name, content]) => [name, digest(content)])),
    );
  });

  it("reach Azure as they are by azd: it finds no .funcignore that would have Azure build them", async () => {
    // `azd` refuses `remoteBuild: false` where the .funcignore of the service's own folder names node_modules, as ours
    // does (azure-dev, `resolveFunctionAppRemoteBuild` in service_target_functionapp.go).
    const AzdService = t.type({ project: t.string, dist: t.string });
    const Azd = t.type({ services: t.type({ api: AzdService }) });
    const { api } = decode(Azd, parseYaml(readFileSync("azure.yaml", "utf8"))).services;
    expect(api).toMatchObject({ host: "function", language: "ts", remoteBuild: false });
    expect(path.join(api.project, api.dist)).toBe(path.join("build", "cgn-otp"));
    expect(
      (await readdir(api.project)).filter((name) => /^(\.funcignore|package\.json)$/.test(name)),
    ).toEqual([]);
    expect(packaged).not.toContain(".funcignore");
  });
});
