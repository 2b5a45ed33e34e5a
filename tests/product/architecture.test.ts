/** What lint cannot see of the tree and of the imports. `npm run lint:check` checks what each room may import. */
import { readdirSync, readFileSync } from "node:fs";
import * as t from "io-ts";
import { functions } from "../../functions";
import { scripts } from "../../package.json";
import { decode } from "../../tools/support/either";

const Metafile = t.type({
  inputs: t.record(t.string, t.type({ imports: t.readonlyArray(t.type({ path: t.string })) })),
});

/** What each file of the deployed code imports, as the build found it. */
const imports = new Map(
  Object.entries(decode(Metafile, JSON.parse(readFileSync("build/main.meta.json", "utf8"))).inputs)
    .filter(([file]) => !/node_modules|left-out/.test(file))
    .map(([file, input]) => [file, input.imports.map(({ path }) => path)]),
);

describe("the imports of the deployed code", () => {
  it("are found: the project has several rooms", () => {
    expect(imports.get("main.ts")).toContain("functions.ts");
    expect(imports.get("functions.ts")).toContain("GenerateOtp/generate-otp.ts");
  });

  it("form no cycle", () => {
    const left = new Map(imports);
    // A file that imports none of those that are left is in no cycle.
    const isDone = ([, imported]: readonly [string, readonly string[]]): boolean =>
      !imported.some((each) => left.has(each));
    for (let done = [...left].filter(isDone); done.length > 0; done = [...left].filter(isDone)) {
      done.forEach(([file]) => left.delete(file));
    }
    expect([...left.keys()]).toEqual([]);
  });

  it("reach neither tests nor local tools, and only one room uses the SDK", () => {
    expect([...imports.keys()].filter((file) => /^(tests|local|site|playground|tools)\//.test(file))).toEqual(
      [],
    );
    const usingSdk = [...imports].filter(([, imported]) =>
      imported.some((each) => /node_modules\/@azure\/(cosmos|core-)/.test(each)),
    );
    expect(usingSdk.length).toBeGreaterThan(0);
    expect(usingSdk.map(([file]) => file).filter((file) => !file.startsWith("shared/cosmos/"))).toEqual([]);
  });
});

describe("the functions", () => {
  // The configuration of lint and of the mutation test finds the functions by their folders.
  it("have each a folder of its own, and no other folder begins with a capital letter", () => {
    const folders = readdirSync(".", { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const names = functions.map(({ name }) => name);
    expect(
      folders
        .map(({ name }) => name)
        .filter((name) => /^[A-Z]/.test(name))
        .sort(),
    ).toEqual(names.sort());
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
