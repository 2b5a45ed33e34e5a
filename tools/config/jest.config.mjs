import { callLoopbackDirectly } from "../../local/direct-calls.mjs";

// The workers get this environment.
callLoopbackDirectly();

// What the workers are started with. The fault tests make much that is garbage at once: they collect it less often.
process.execArgv.push("--max-semi-space-size=64");
// Node.js 22 follows every promise for jest's AsyncLocalStorage, which takes a tenth of the processor's time, unless it is
// told of the way that Node.js 24 has by default.
if (process.allowedNodeEnvironmentFlags.has("--experimental-async-context-frame")) {
  process.execArgv.push("--experimental-async-context-frame");
}

/**
 * `npm test`: what proves the service. What tests the tools has a command of its own (jest.tools.config.mjs).
 *
 * @type {import("jest").Config}
 */
export default {
  rootDir: "../..",
  testEnvironment: "node",
  testMatch: ["**/*.test.ts"],
  testPathIgnorePatterns: [
    "/node_modules/",
    "<rootDir>/tools/",
    "<rootDir>/tests/clients/",
    "<rootDir>/tests/support/",
  ],
  modulePathIgnorePatterns: ["<rootDir>/dist", "<rootDir>/build"],
  transform: {
    "\\.yaml$": "<rootDir>/tools/config/text-transformer.cjs",
    "\\.ts$": ["@swc/jest", { jsc: { target: "es2023", parser: { syntax: "typescript" } } }],
  },
  setupFilesAfterEnv: ["<rootDir>/tests/support/left-open.ts"],
  testTimeout: 60_000,
  // Half of the time is waiting, so even a small machine has time for a second file. By itself jest would leave a core alone.
  maxWorkers: 2,
  // Cases of `it.concurrent` mostly wait, too. More of them at once would wait for the processor.
  maxConcurrency: 10,
  testSequencer: "<rootDir>/tools/config/longest-first.cjs",
  // The summary comes last.
  reporters: ["<rootDir>/tools/config/skipped-reporter.cjs", "default"],
};
