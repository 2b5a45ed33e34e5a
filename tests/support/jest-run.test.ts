/** A real run of jest, whose tests were made for this, with the parts that this project's configuration adds. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startProgram } from "../../tools/support/processes";

const files = {
  "jest.config.json": JSON.stringify({
    testEnvironment: "node",
    setupFilesAfterEnv: [path.resolve("tests/support/left-open.ts")],
    transform: { "\\.ts$": path.resolve("node_modules/@swc/jest") },
    reporters: ["default", path.resolve("tools/config/skipped-reporter.cjs")],
  }),
  ".swcrc": JSON.stringify({ jsc: { parser: { syntax: "typescript" } } }),
  "skipped.test.js": `
    console.warn("there is no browser");
    it("is tried", () => undefined);
    it.skip("shows a page (there is no browser)", () => undefined);`,
  "left-open.test.js": `
    it("fails before it stops what it started", async () => {
      const server = require("node:net").createServer();
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
      const client = require("node:net").connect(server.address().port, "127.0.0.1");
      await new Promise((resolve) => client.once("connect", resolve));
      require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => undefined, 1000)"]);
      expect("this").toBe("that");
    });`,
};

describe("a run of tests", () => {
  let folder: string;
  let errors: string;
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cgn-otp-"));
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(path.join(folder, name), text);
    }
    const jest = startProgram([path.resolve("node_modules/jest/bin/jest.js"), "--runInBand"], {}, folder);
    // An open server or process would keep it alive until it is killed.
    expect(await jest.ended).toBe(1);
    errors = jest.errors();
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it("ends though a test fails before it stops what it started, and names what was left open", () => {
    expect(errors).toContain('Expected: "that"');
    expect(errors).toMatch(
      /This file left open what follows\..*\n +- a server\n +- a process \(-e setInterval/,
    );
  });

  it("names what was not tried, and why", () => {
    expect(errors).toContain(
      "\nNot tried\n  skipped.test.js: 1 tests skipped\n    there is no browser\n    shows a page (there is no browser)\n",
    );
  });
});
