/** What a new clone says where something is missing. */
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startProgram } from "./support/processes";

describe("where the Node.js of a version is missing, a script says", () => {
  it.each([
    [{ platform: "linux", hasGlibc: false, isInstalled: true }, /needs glibc, .* node:22-alpine\.$/],
    [{ platform: "linux", hasGlibc: true, isInstalled: false }, /npm ci without --ignore-scripts\.$/],
    [{ platform: "win32", hasGlibc: false, isInstalled: true }, /npm ci installs it again\.$/],
  ])("what to do: %j", (facts, advice) => {
    const program = `import { explainRuntime } from "./tools/runtime.mjs"; process.stdout.write(explainRuntime(22, ${JSON.stringify(facts)}));`;
    const args = ["--input-type=module", "--eval", program];
    const said = execFileSync(process.execPath, args, { encoding: "utf8" });
    expect(said).toMatch(/^Node\.js 22 is not there: [^\n]*$/);
    expect(said).toMatch(advice);
  });
});

describe("npm run build", () => {
  let clone: string;
  beforeEach(async () => {
    clone = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
  });
  afterEach(() => rm(clone, { recursive: true }));

  it("says in one sentence that packages are missing", async () => {
    for (const name of [
      "tools/build.mjs",
      "tools/runtime.mjs",
      "tools/leave-out.mjs",
      "local/command-line.mjs",
    ]) {
      await cp(name, path.join(clone, name));
    }
    const program = startProgram(["tools/build.mjs"], {}, clone);
    expect([await program.ended, program.output(), program.errors()]).toEqual([
      1,
      "",
      "Packages are missing: npm ci installs them.\n",
    ]);
  });

  it("says in one sentence that it cannot write", async () => {
    // As on a read-only disk, which root could write to: no folder can be made where a file is.
    await mkdir(path.join(clone, "dist"));
    await writeFile(path.join(clone, "build"), "");
    const program = startProgram([path.resolve("tools/build.mjs")], {}, clone);
    expect([await program.ended, program.output()]).toEqual([1, ""]);
    expect(program.errors()).toMatch(/^The folder build cannot be written\. .*\.\n$/);
  });
});
