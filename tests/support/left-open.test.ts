import { startProgram } from "../../tools/support/processes";

describe("a test that fails before it stops what it started", () => {
  it("still lets its run end, and the run names what was left open", async () => {
    const fixture = "**/tests/support/left-open.fixture.ts";
    const jest = startProgram(
      [
        "node_modules/jest/bin/jest.js",
        "--runInBand",
        "--testPathIgnorePatterns=/node_modules/",
        "--testMatch",
        fixture,
      ],
      {},
    );
    // Without that, an open server would keep the process alive until it is killed.
    expect(await jest.ended).toBe(1);
    const errors = jest.errors();
    expect(errors).toContain('Expected: "that"');
    expect(errors).toContain("This file left open what follows.");
    expect(errors).toMatch(/a server: listen .* < .*\(tests\/support\/left-open\.fixture\.ts:\d+\)/);
    expect(errors).toMatch(/a process \(.*setInterval.*\): startProgram .* < .*left-open\.fixture\.ts:\d+\)/);
  });
});
