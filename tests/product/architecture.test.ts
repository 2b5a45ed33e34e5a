import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { functions } from "../../functions";
import { scripts } from "../../package.json";

const folders = readdirSync(".", { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^\.|^(node_modules|dist|build)$/.test(entry.name))
  .map(({ name }) => name);

const sources = [
  "main.ts",
  "functions.ts",
  ...folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((name) => path.join(folder, name))
      .filter((name) => name.endsWith(".ts")),
  ),
];

/** The files of the project that each file imports, types included. */
const imports = new Map(
  sources.map((source) => [
    source,
    ts
      .preProcessFile(readFileSync(source, "utf8"))
      .importedFiles.map(({ fileName }) => fileName)
      .filter((name) => name.startsWith("."))
      .map((name) => path.join(path.dirname(source), `${name}.ts`))
      .filter((name) => sources.includes(name)),
  ]),
);

/** The files of an import cycle that leads back to a file. Undefined when there is no cycle. */
const findCycle = (
  source: string,
  way: readonly string[],
  done: Set<string>,
): readonly string[] | undefined => {
  if (way.includes(source)) {
    return [...way.slice(way.indexOf(source)), source];
  }
  if (done.has(source)) {
    return undefined;
  }
  for (const imported of imports.get(source) ?? []) {
    const cycle = findCycle(imported, [...way, source], done);
    if (cycle !== undefined) {
      return cycle;
    }
  }
  done.add(source);
  return undefined;
};

describe("the imports", () => {
  it("are found: the project has several rooms", () => {
    expect(imports.get("main.ts")).toContain("functions.ts");
    expect(imports.get("functions.ts")).toContain("GenerateOtp/generate-otp.ts");
  });

  it("form no cycle", () => {
    const done = new Set<string>();
    expect(
      sources.map((source) => findCycle(source, [], done)).filter((cycle) => cycle !== undefined),
    ).toEqual([]);
  });

  // `npm run lint:check` checks what each room may import. This test checks what lint cannot see.
  it("of the deployed code reach neither tests nor local tools, and only one room uses the SDK", () => {
    const reached = new Set<string>();
    const reach = (source: string): void => {
      if (!reached.has(source)) {
        reached.add(source);
        imports.get(source)?.forEach(reach);
      }
    };
    reach("main.ts");
    const usesSdk = (source: string): boolean =>
      /from "@azure\/(cosmos|core-)/.test(readFileSync(source, "utf8"));
    expect([...reached].filter(usesSdk).filter((source) => !source.startsWith("shared/cosmos/"))).toEqual([]);
    expect([...reached].filter((source) => /^(tests|local|site|playground|tools)\//.test(source))).toEqual(
      [],
    );
  });
});

describe("the functions", () => {
  // The configuration of lint and of the mutation test finds the functions by their folders.
  it("have each a folder of its own, and no other folder begins with a capital letter", () => {
    const names = functions.map(({ name }) => name);
    expect(folders.filter((folder) => /^[A-Z]/.test(folder)).sort()).toEqual(names.sort());
  });
});

describe("the npm scripts", () => {
  it("run programs that the build makes", () => {
    const build = readFileSync("tools/build.mjs", "utf8");
    const made = [...build.matchAll(/"(?:local|tools)\/(?:[\w-]+\/)?([\w-]+)\.ts"/g)].map(([, name]) => name);
    const run = Object.values(scripts).flatMap((script) =>
      [...script.matchAll(/build\/([\w-]+)\.js/g)].map(([, name]) => name),
    );
    expect(run.length).toBeGreaterThan(0);
    expect(run.filter((name) => !made.includes(name))).toEqual([]);
  });
});
