/** What the documents name is there: files, tests and scripts. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { scripts } from "../../package.json";

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => path.join(folder, name));

const documents = [...readdirSync("."), ...filesIn("docs")].filter((name) => name.endsWith(".md"));

const testFiles = readdirSync(".", { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^\.|^(node_modules|dist|build)$/.test(entry.name))
  .flatMap(({ name }) => filesIn(name))
  .filter((name) => name.endsWith(".test.ts"));

/** Each text between the pattern's brackets, once. */
const findAll = (text: string, pattern: RegExp): string[] => [
  ...new Set([...text.matchAll(pattern)].map(([, found = ""]) => found)),
];

describe.each(documents)("%s", (name) => {
  const text = readFileSync(name, "utf8");

  it("leads to files that are there", () => {
    const links = findAll(text, /\]\((?!https?:|mailto:|#|\/)([^)#\s]+)/g);
    expect(links.filter((link) => !existsSync(path.join(path.dirname(name), link)))).toEqual([]);
  });

  it("names tests that are there", () => {
    const patterns = findAll(text, /`npx jest ([^`]+)`/g).flatMap((given) => given.split(" "));
    expect(patterns.filter((pattern) => !testFiles.some((file) => file.includes(pattern)))).toEqual([]);
  });

  it("names scripts that are there", () => {
    const names = findAll(text, /\bnpm run (?:--silent )?([a-z][\w:-]*)/g);
    expect(names.filter((each) => !Object.hasOwn(scripts, each))).toEqual([]);
  });
});
