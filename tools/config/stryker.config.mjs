/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  mutate: [
    "shared/**/*.ts",
    // The functions' folders.
    "[A-Z]*/*.ts",
    "!**/*.{test,d}.ts",
  ],
  testRunner: "jest",
  // The tests beside the code are quick, and cover all of it; those in tests/ that take a minute would take days here.
  jest: {
    configFile: "tools/config/jest.config.mjs",
    config: {
      testRunner: "<rootDir>/tools/config/mutation-jest-circus.cjs",
      testPathIgnorePatterns: ["<rootDir>/tests/", "<rootDir>/tools/"],
      testTimeout: 3000,
    },
  },
  coverageAnalysis: "perTest",
  // What only a module's loading runs would call for every test, each time.
  ignoreStatic: true,
  concurrency: 2,
  timeoutMS: 4000,
  timeoutFactor: 1.2,
  thresholds: { high: 95, low: 90, break: 90 },
  reporters: ["clear-text", "progress-append-only", "html", "json"],
  htmlReporter: { fileName: "build/mutation.html" },
  jsonReporter: { fileName: "build/mutation.json" },
  tempDirName: "build/stryker",
  allowEmpty: false,
};
