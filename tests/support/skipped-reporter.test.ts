/** A real run of jest, whose tests were made for this. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

describe("the end of a run", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cgn-otp-"));
    const config = {
      testEnvironment: "node",
      reporters: [path.resolve("tools/config/skipped-reporter.cjs")],
    };
    writeFileSync(path.join(folder, "jest.config.json"), JSON.stringify(config));
    writeFileSync(
      path.join(folder, "a.test.js"),
      `console.warn("there is no browser");
       it("is tried", () => undefined);
       it.skip("shows a page (there is no browser)", () => undefined);`,
    );
    writeFileSync(path.join(folder, "b.test.js"), `it("is tried too", () => undefined);`);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const run = (...args: readonly string[]): string =>
    spawnSync(process.execPath, [path.resolve("node_modules/jest/bin/jest.js"), "--runInBand", ...args], {
      cwd: folder,
      encoding: "utf8",
    }).stderr;

  it("names what was not tried, and why", () => {
    expect(run()).toBe(
      "\nNot tried\n  a.test.js: 1 tests skipped\n    there is no browser\n    shows a page (there is no browser)\n",
    );
  });

  it("names nothing where somebody named the tests that are wanted", () => {
    expect(run("--testNamePattern", "is tried")).toBe("");
  });
});
