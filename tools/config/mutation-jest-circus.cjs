// Runs test files for mutation testing. One failed test is enough to detect a mutant, so the rest is skipped.
const { createEmptyTestResult } = require("@jest/test-result");
const { default: runTestFile } = require("jest-circus/runner");

// This outlives a test file. Mutants are tested one at a time.
let killedMutant;

module.exports = async (globalConfig, config, environment, runtime, testPath, ...rest) => {
  const mutant = process.env.__STRYKER_ACTIVE_MUTANT__;
  const isKilled = () => mutant !== undefined && mutant === killedMutant;
  if (isKilled()) {
    // A file without a test would pass for one that cannot be run.
    const skipped = { ancestorTitles: [], failureDetails: [], failureMessages: [], fullName: "", title: "" };
    return {
      ...createEmptyTestResult(),
      numPendingTests: 1,
      testFilePath: testPath,
      testResults: [{ ...skipped, status: "pending" }],
    };
  }
  const handleTestEvent = environment.handleTestEvent?.bind(environment);
  environment.handleTestEvent = async (event, state) => {
    await handleTestEvent?.(event, state);
    if (event.name === "test_fn_failure" || event.name === "hook_failure") {
      killedMutant = mutant;
    }
    if (event.name === "test_start" && isKilled()) {
      event.test.mode = "skip";
    }
  };
  return await runTestFile(globalConfig, config, environment, runtime, testPath, ...rest);
};
