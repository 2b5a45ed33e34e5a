/** What the workflows of .github may do, and what they need. Nobody can run them here. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse as parseYaml } from "yaml";
import packageJson from "../../package.json";
import { at, parseJson, toArray, toObject, toText, type JsonObject } from "../support/arm-template";

const folder = path.join(".github", "workflows");
const textOf = (name: string): string => readFileSync(path.join(folder, name), "utf8");
const read = (text: string): JsonObject => parseJson(JSON.stringify(parseYaml(text)));
const workflows = readdirSync(folder).map((name) => {
  const workflow = read(textOf(name));
  const jobs = Object.values(toObject(workflow["jobs"]));
  const steps = jobs.flatMap((job) => toArray(at(job, "steps")));
  const scripts = steps.map((step) => toText(at(step, "run") ?? ""));
  return { name, text: textOf(name), workflow, jobs, scripts };
});

describe.each(workflows)("$name", ({ text, workflow, jobs, scripts }) => {
  it("uses each action by the hash of a release, which the line names", () => {
    const used = [...text.matchAll(/uses: (.*)/g)].map(([, action = ""]) => action);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual(
      [],
    );
  });

  it("says what its token may do, and ends by itself", () => {
    expect(["{}", '{"contents":"read"}']).toContain(JSON.stringify(workflow["permissions"]));
    expect(jobs.filter((job) => !(Number(at(job, "timeout-minutes")) <= 60))).toEqual([]);
  });

  it("has scripts that a shell can read, and no expression in them, which would run what somebody else wrote", () => {
    expect(scripts.filter((script) => script.includes("${{"))).toEqual([]);
    for (const script of scripts) {
      expect(spawnSync("bash", ["-n", "-c", script], { encoding: "utf8" }).stderr).toBe("");
    }
  });
});

describe("each workflow", () => {
  it("runs scripts and tests that are there: jest would call it a success to find none of that name", () => {
    const all = workflows.flatMap(({ scripts }) => scripts).join("\n");
    const names = [...all.matchAll(/npm run ([\w:-]+)/g)].map(([, name = ""]) => name);
    expect(names.filter((name) => !Object.hasOwn(packageJson.scripts, name))).toEqual([]);
    const tests = [...all.matchAll(/jest (\S+) --testNamePattern "(.+)"/g)];
    expect(tests.length).toBeGreaterThan(0);
    for (const [, file = "", name = ""] of tests) {
      expect(readFileSync(`${file}.test.ts`, "utf8")).toContain(`describe("${name}"`);
    }
  });
});

describe("a release", () => {
  const jobs = toObject(read(textOf("release.yml"))["jobs"]);
  const stepsOfJob = (job: string): readonly string[] =>
    toArray(at(jobs, job, "steps")).map((step) => toText(at(step, "run") ?? at(step, "uses") ?? ""));

  it("is packed from a commit of main that CI passed, and attested", () => {
    const steps = stepsOfJob("build");
    const order = ["--is-ancestor HEAD origin/main", "gh run list", "npm run package", "actions/attest@"];
    const places = order.map((part) => steps.findIndex((step) => step.includes(part)));
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(places).not.toContain(-1);
  });

  it("is deployed from the kept archive, after its attestation was checked and somebody approved, without a secret", () => {
    const steps = stepsOfJob("deploy");
    const order = ["gh release download", "gh attestation verify", "Azure/login@", "config-zip"];
    expect(order.map((part) => steps.findIndex((step) => step.includes(part)))).toEqual([0, 1, 2, 3]);
    expect(at(jobs, "deploy", "environment")).toBe("production");
    expect(JSON.stringify(jobs)).not.toMatch(/secrets\.|creds|publish-profile/);
    expect(steps.join("\n")).not.toContain("npm ");
  });

  it("says what is in it: the packages of the deployed file, and none of the tools", () => {
    const bom = parseJson(execFileSync(process.execPath, ["tools/sbom.mjs"], { encoding: "utf8" }));
    expect(bom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
    const components = toArray(bom["components"]);
    const names = components.map((component) => toText(at(component, "name")));
    expect(names).toEqual(expect.arrayContaining(["@azure/cosmos", "@azure/functions", "fp-ts", "io-ts"]));
    expect(names).not.toContain("jest");
    const hashes = components.map((component) => toText(at(component, "hashes", 0, "content") ?? ""));
    expect(hashes.filter((hash) => !/^[0-9a-f]{128}$/.test(hash))).toEqual([]);
  });
});
