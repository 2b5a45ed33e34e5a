import { startProgram } from "../../tools/support/processes";

describe("a test that fails before it stops what it started", () => {
  it("still lets its run end, and the run names what was left open", async () => {
    const jest = startProgram(
      [
        "node_modules/jest/bin/jest.js",
        "--runInBand",
        "--testMatch",
        "**/tests/support/left-open.fixture.ts",
      ],
      {},
    );
    // Without that, an open server would keep the process alive until it is killed.
    expect(await jest.ended).toBe(1);
    const errors = jest.errors();
    expect(errors).toContain("fails too early");
    expect(errors).toContain('Expected: "that"');
    expect(errors).toContain("This file left open what follows.");
    for (const opened of [
      /a server: .*startService \(tests\/support\/service\.ts:\d+\) < .*\(tests\/support\/left-open\.fixture\.ts:\d+\)/,
      /a server: .*startFaultProxy .* < startBehindFaults .* < .*\(tests\/support\/left-open\.fixture\.ts:\d+\)/,
      /a server: .*startInstance .* < .*\(tests\/support\/left-open\.fixture\.ts:\d+\)/,
      /a server: listen .* < .*\(tests\/support\/left-open\.fixture\.ts:\d+\)/,
      /a process \(.*setInterval.*\): startProgram .* < .*\(tests\/support\/left-open\.fixture\.ts:\d+\)/,
    ]) {
      expect(errors).toMatch(opened);
    }
  });
});
