/** What the documents and publiccode.yml name is there: files, sections, tests, scripts and pictures. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import packageJson from "../../package.json";
import { problemNames } from "../../shared/http/problem";
import { listFiles } from "../support/work-tree";

/** Every file of the repository, but of its dot folders only some. */
const files = listFiles().filter((name) => !/^(?:\.(?!ci\/|github\/).*|dist|build)\//.test(name));
const folders = files.filter((name) => name.includes("/")).map((name) => name.split("/")[0]);

const documents = files.filter((name) => /^(?:docs\/.*|[^/]*)\.md$/.test(name));

const testFiles = files.filter((name) => name.endsWith(".test.ts"));

/** Files that documents may name, though the repository has none of them. */
const isElsewhere = (name: string): boolean =>
  /^(?:build|dist)\//.test(name) ||
  [
    // Made by whoever tries the service, and by the build of the site.
    "local.settings.json",
    "staticwebapp.config.json",
    "404.html",
    "index.html",
    // NAME is any problem.
    "docs/problems/NAME.md",
    // Of the SDK and of the platform's worker.
    "FunctionEnvironmentReloadHandler.ts",
    "request/RequestHandler.ts",
  ].includes(name);

/** Each text between the pattern's brackets, once. */
const findAll = (text: string, pattern: RegExp): string[] => [
  ...new Set([...text.matchAll(pattern)].map(([, found = ""]) => found)),
];

/** How GitHub names the sections of a document. */
const slugsOf = (text: string): string[] =>
  [...text.replaceAll(/^ *```.*?^ *```$/gms, "").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe.each(documents)("%s", (name) => {
  const text = readFileSync(name, "utf8");

  it("leads to files that are there", () => {
    const links = findAll(text, /\]\((?!https?:|mailto:|#|\/)([^)#\s]+)/g);
    expect(links.filter((link) => !existsSync(path.join(path.dirname(name), link)))).toEqual([]);
  });

  it("leads to sections that are there", () => {
    const links = findAll(text, /\]\((?!https?:|mailto:|\/)([^)\s]*#[^)\s]+)/g);
    const broken = links.filter((link) => {
      const [file = "", section = ""] = link.split("#");
      const target = file === "" ? name : path.join(path.dirname(name), file);
      return target.endsWith(".md") && !slugsOf(readFileSync(target, "utf8")).includes(section);
    });
    expect(broken).toEqual([]);
  });

  it("has tables without a row of more or fewer cells", () => {
    const tables = findAll(text.replaceAll(/^ *```.*?^ *```$/gms, ""), /((?:^ *\|.*\n)+)/gm);
    const widthsOf = (table: string): number[] =>
      table
        .trimEnd()
        .split("\n")
        .map((row) => row.replaceAll("\\|", "").split("|").length);
    expect(tables.filter((table) => new Set(widthsOf(table)).size > 1)).toEqual([]);
  });

  it("names files that are there", () => {
    const names = findAll(
      text.replaceAll(/^ *```.*?^ *```$/gms, ""),
      /`((?:[\w.-]+\/)*[\w.-]+\.(?:ts|mjs|cjs|json|ya?ml|bicep|kql|md|html|css))`/g,
    );
    // `@azure/cosmos` is none: the first part of a path is a folder here, or it ends in a slash.
    const paths = findAll(text, /`([\w.-]+\/[\w./-]*)`/g).filter(
      (each) => each.endsWith("/") || folders.includes(each.split("/")[0] ?? ""),
    );
    const isThere = (each: string): boolean =>
      existsSync(each) || files.some((file) => file.endsWith(`/${each}`));
    expect([...names, ...paths].filter((each) => !isThere(each) && !isElsewhere(each))).toEqual([]);
  });

  it("names tests that are there", () => {
    const patterns = findAll(text, /`npx jest ([^`]+)`/g).flatMap((given) => given.split(" "));
    expect(patterns.filter((pattern) => !testFiles.some((file) => file.includes(pattern)))).toEqual([]);
  });

  it("names scripts that are there", () => {
    const names = findAll(text, /\bnpm run (?:--silent )?([a-z][\w:-]*)/g);
    expect(names.filter((each) => !Object.hasOwn(packageJson.scripts, each))).toEqual([]);
  });
});

describe("CONTRIBUTING.md, on adding a refusal", () => {
  const [, list = ""] = readFileSync("CONTRIBUTING.md", "utf8").split("\n## Add a refusal\n");
  const places = [...list.replace(/\n## [^]*/, "").matchAll(/^- \[ \] `([^`]+)`, `([^`]+)`:/gm)].map(
    ([, file = "", place = ""]) => ({ file, place }),
  );

  /** What a name stands for in code, the part under a heading, or a whole page. */
  const partOf = (text: string, place: string): string =>
    [
      new RegExp(`const ${place}\\b[^]*?\\n\\n`),
      // A type may be made of types that follow it.
      new RegExp(`type ${place}\\b[^]*`),
      new RegExp(`^( *)## ${place}\\n[^]*?(?=^\\1## |^(?!\\1|$)|(?![^]))`, "m"),
      new RegExp(`^# ${place} [^]*`),
      // In YAML.
      new RegExp(`^( *)${place}:\\n[^]*?(?=^\\1\\S|(?![^]))`, "m"),
    ]
      .map((pattern) => pattern.exec(text)?.[0])
      .find((part) => part !== undefined) ?? "";

  it("names places that have every refusal", () => {
    expect(places.length).toBeGreaterThan(5);
    // No command makes the service have a defect, and no single one is a flood.
    const isExcepted = (name: string, place: string): boolean =>
      ["internal-error", "too-many-requests"].includes(name) &&
      ["Try every outcome", "Prova ogni esito"].includes(place);
    const missing = places.flatMap(({ file, place }) =>
      problemNames
        .filter((name) => !isExcepted(name, place))
        .filter((name) => {
          const path = file.replace("NAME", name);
          const text = existsSync(path) ? readFileSync(path, "utf8") : "";
          return !partOf(text, place.replace("NAME", name)).includes(name);
        })
        .map((name) => `${name} in ${file}, ${place}`),
    );
    expect(missing).toEqual([]);
  });

  it("names every file that has them all, but tests of behaviour", () => {
    const sources = files.filter(
      (name) => /\.(ts|mjs|md|ya?ml|json)$/.test(name) && !name.endsWith(".test.ts"),
    );
    const complete = sources.filter((file) => {
      const text = readFileSync(file, "utf8");
      return problemNames.every((name) => text.includes(name));
    });
    expect(complete.filter((file) => !places.some((place) => place.file === file))).toEqual([]);
  });
});

describe("publiccode.yml", () => {
  const text = readFileSync("publiccode.yml", "utf8");

  it("has the licence, the version and the pictures of the repository", () => {
    expect(text).toMatch(new RegExp(`^ +license: ${packageJson.license}$`, "m"));
    const [, version = packageJson.version] = /^softwareVersion: "?([\d.]+)/m.exec(text) ?? [];
    expect(version).toBe(packageJson.version);
    const pictures = findAll(text, /^ +- "?(\S+\.png)/gm);
    expect(pictures.length).toBeGreaterThan(0);
    expect(pictures.filter((picture) => !existsSync(picture))).toEqual([]);
  });
});
