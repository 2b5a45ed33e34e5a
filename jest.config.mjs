/** @type {import("jest").Config} */
export default {
  testEnvironment: "node",
  testMatch: ["**/*.test.ts"],
  modulePathIgnorePatterns: ["<rootDir>/dist", "<rootDir>/build"],
  transform: {
    "\\.yaml$": "<rootDir>/tests/support/text-transformer.cjs",
    "\\.ts$": ["@swc/jest", { jsc: { target: "es2023", parser: { syntax: "typescript" } } }],
  },
  setupFilesAfterEnv: ["<rootDir>/tests/support/left-open.ts"],
  testTimeout: 60_000,
  // Half of the time is waiting, so even a small machine has time for a second file. By itself jest would leave a core alone.
  maxWorkers: 2,
  // The summary comes last.
  reporters: ["<rootDir>/tests/support/slowest-reporter.cjs", "default"],
};
