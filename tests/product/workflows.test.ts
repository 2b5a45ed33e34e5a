/** What the workflows of .github may do, and what they need. Nobody can run them here. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse as parseYaml } from "yaml";
import { at, parseJson, toArray, toObject, toText, type JsonObject } from "../support/arm-template";

const folder = path.join(".github", "workflows");
const textOf = (name: string): string => readFileSync(path.join(folder, name), "utf8");
const read = (text: string): JsonObject => parseJson(JSON.stringify(parseYaml(text)));
const workflows = readdirSync(folder).map((name) => ({
  name,
  text: textOf(name),
  workflow: read(textOf(name)),
}));
const stepsOf = (workflow: JsonObject): readonly JsonObject[] =>
  Object.values(toObject(workflow["jobs"])).flatMap((job) => toArray(at(job, "steps")).map(toObject));

describe.each(workflows)("$name", ({ text, workflow }) => {
  it("uses each action by the hash of a release, which the line names", () => {
    const used = [...text.matchAll(/uses: (.*)/g)].map(([, action = ""]) => action);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual(
      [],
    );
  });

  it("says what its token may do, and ends by itself", () => {
    expect(["{}", '{"contents":"read"}']).toContain(JSON.stringify(workflow["permissions"]));
    const limits = Object.values(toObject(workflow["jobs"])).map((job) => at(job, "timeout-minutes"));
    expect(limits.every((limit) => Number(limit) <= 60)).toBe(true);
  });

  it("hands no expression to a shell, which would run what somebody else wrote into it", () => {
    const scripts = stepsOf(workflow).map((step) => toText(step["run"] ?? ""));
    expect(scripts.filter((script) => script.includes("${{"))).toEqual([]);
  });

  it("has scripts that a shell can read", () => {
    for (const script of stepsOf(workflow).map((step) => toText(step["run"] ?? ""))) {
      expect(spawnSync("bash", ["-n", "-c", script], { encoding: "utf8" }).stderr).toBe("");
    }
  });
});

describe("CI", () => {
  it("installs what .ci/run needs and neither its image has nor it installs: the .NET SDK", () => {
    const steps = stepsOf(read(textOf("ci.yml")));
    const actions = steps.map((step) => toText(step["uses"] ?? step["run"] ?? ""));
    const place = (name: string): number => actions.findIndex((action) => action.startsWith(name));
    expect(readFileSync(".ci/run", "utf8")).toContain("dotnet restore");
    expect(place("actions/setup-dotnet@")).toBeGreaterThan(place("actions/checkout@"));
    expect(place("git config --global --add safe.directory")).toBeGreaterThan(place("actions/checkout@"));
    expect(place("bash .ci/run")).toBe(actions.length - 1);
  });
});

describe("a release", () => {
  const jobs = toObject(read(textOf("release.yml"))["jobs"]);

  it("is deployed from the kept archive, after its attestation was checked and somebody approved, without a secret", () => {
    const steps = toArray(at(jobs, "deploy", "steps")).map((step) =>
      toText(at(step, "run") ?? at(step, "uses") ?? ""),
    );
    const place = (part: string): number => steps.findIndex((step) => step.includes(part));
    const order = ["gh release download", "gh attestation verify", "Azure/login@", "config-zip"].map(place);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(at(jobs, "deploy", "environment")).toBe("production");
    expect(JSON.stringify(jobs)).not.toMatch(/secrets\.|creds|publish-profile/);
    expect(JSON.stringify(at(jobs, "deploy"))).not.toContain("npm ");
  });

  it("is packed from a commit of main that CI passed, under the version of package.json", () => {
    const commands = toArray(at(jobs, "build", "steps")).map((step) => toText(at(step, "run") ?? ""));
    const checks = commands.findIndex((command) => command.includes("--is-ancestor HEAD origin/main"));
    expect(commands[checks]).toMatch(
      /require\("\.\/package\.json"\)\.version.*gh run list --workflow ci\.yml .*success/s,
    );
    expect(commands.indexOf("npm run package")).toBeGreaterThan(checks);
    expect(checks).toBeGreaterThan(0);
  });

  it("is attested with what is in it", () => {
    const steps = toArray(at(jobs, "build", "steps"));
    const attested = steps.filter((step) => toText(at(step, "uses") ?? "").startsWith("actions/attest@"));
    expect(attested.map((step) => at(step, "with"))).toEqual([
      { "subject-path": "build/cgn-otp.zip" },
      { "subject-path": "build/cgn-otp.zip", "sbom-path": "build/sbom.cdx.json" },
    ]);
  });

  it("says what is in it: the packages of the deployed file, and none of the tools", () => {
    const commands = toArray(at(jobs, "build", "steps")).map((step) => toText(at(step, "run") ?? ""));
    expect(commands).toContain("node tools/sbom.mjs > build/sbom.cdx.json");
    const { stdout } = spawnSync(process.execPath, ["tools/sbom.mjs"], { encoding: "utf8" });
    const bom = parseJson(stdout);
    expect(bom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
    const components = toArray(bom["components"]);
    const names = components.map((component) => toText(at(component, "name")));
    expect(names).toEqual(expect.arrayContaining(["@azure/cosmos", "@azure/functions", "fp-ts", "io-ts"]));
    expect(names).not.toContain("jest");
    const hashes = components.map((component) => toText(at(component, "hashes", 0, "content") ?? ""));
    expect(hashes.filter((hash) => !/^[0-9a-f]{128}$/.test(hash))).toEqual([]);
  });
});

describe("Dependabot", () => {
  it("looks after every kind of package, the Bicep compiler's too", () => {
    const { updates } = read(readFileSync(path.join(".github", "dependabot.yml"), "utf8"));
    const looked = toArray(updates).map((each) =>
      [at(each, "package-ecosystem"), at(each, "directory")].map((name) => toText(name ?? "")).join(" "),
    );
    expect(looked).toEqual(expect.arrayContaining(["npm /", "github-actions /", "nuget /infra"]));
    // It does not see PackageDownload.
    expect(readFileSync("infra/bicep.csproj", "utf8")).toMatch(/<PackageReference Include="Azure\.Bicep/);
  });
});
