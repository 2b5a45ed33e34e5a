/** What the documents and publiccode.yml name is there: files, sections, tests and scripts. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import * as t from "io-ts";
import { parse } from "yaml";
import packageJson from "../../package.json";
import { problemNames } from "../../shared/http/problem";
import { decode } from "../../tools/support/either";

const entries = readdirSync(".", { withFileTypes: true });
const folders = entries
  .filter(
    (entry) => entry.isDirectory() && !/^\.(?!ci$|github$)|^(node_modules|dist|build)$/.test(entry.name),
  )
  .map(({ name }) => name);

/** Every file of the repository. */
const files = [
  ...entries.filter((entry) => entry.isFile()).map(({ name }) => name),
  ...folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => path.join(folder, name)),
  ),
];

const documents = files.filter((name) => /^(?:docs\/.*|[^/]*)\.md$/.test(name));

const testFiles = files.filter((name) => name.endsWith(".test.ts"));

/** Files that documents may name, though the repository has none of them. */
const isElsewhere = (name: string): boolean =>
  /^(?:build|dist)\//.test(name) ||
  [
    // Made by whoever tries the service, and by the build of the site.
    "local.settings.json",
    "staticwebapp.config.json",
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
    ]
      .map((pattern) => pattern.exec(text)?.[0])
      .find((part) => part !== undefined) ?? "";

  it("names places that have every refusal", () => {
    expect(places.length).toBeGreaterThan(5);
    const missing = places.flatMap(({ file, place }) =>
      problemNames
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

describe("the decision records", () => {
  const folder = path.join("docs", "decisions");
  const records = readdirSync(folder).toSorted();

  it("are numbered without a gap, and each has a status and a date", () => {
    expect(records.map((name) => name.slice(0, 5))).toEqual(
      records.map((_, index) => `${String(index + 1).padStart(4, "0")}-`),
    );
    const head =
      /^# .+\n\n- Status: (proposed|accepted|superseded by \[.+\]\(.+\))\n- Date: \d{4}-\d\d-\d\d\n/;
    const others = records.filter((name) => !head.test(readFileSync(path.join(folder, name), "utf8")));
    expect(others).toEqual([]);
  });
});

/** Of the standard that it names, https://yml.publiccode.tools, what can become false here. */
describe("publiccode.yml", () => {
  const Description = t.type({ shortDescription: t.string, screenshots: t.array(t.string) });
  const Publiccode = t.type({
    url: t.string,
    legal: t.type({ license: t.string }),
    description: t.record(t.string, Description),
    localisation: t.type({ availableLanguages: t.array(t.string) }),
    softwareVersion: t.union([t.undefined, t.literal(packageJson.version)]),
    releaseDate: t.union([t.undefined, t.string]),
  });
  const file = decode(Publiccode, parse(readFileSync("publiccode.yml", "utf8")));
  const descriptions = Object.values(file.description);

  it("has the licence, the languages and the pictures of the repository", () => {
    expect(file.legal.license).toBe(packageJson.license);
    expect(readFileSync("LICENSE", "utf8")).toMatch(/^EUROPEAN UNION PUBLIC LICENCE v\. 1\.2\n/);
    expect(Object.keys(file.description)).toEqual(file.localisation.availableLanguages);
    const pictures = descriptions.flatMap(({ screenshots }) => screenshots);
    expect(pictures.filter((picture) => !existsSync(picture))).toEqual([]);
  });

  it("keeps to the forms that the catalogue asks for", () => {
    expect(new URL(file.url).protocol).toBe("https:");
    expect(file.releaseDate ?? "2026-01-01").toMatch(/^\d{4}-\d\d-\d\d$/);
    const tooLong = descriptions.filter(({ shortDescription }) => shortDescription.length > 150);
    expect(tooLong).toEqual([]);
  });
});
