// The environment of mutation testing: one test that fails is enough for a mutant, and all after it are skipped.
const { TestEnvironment } = require("jest-environment-node");

// Outlives a test file, of which each has an environment of its own.
let killedMutant;

module.exports = class extends TestEnvironment {
  async handleTestEvent(event) {
    const mutant = this.global.__stryker__?.activeMutant ?? process.env.__STRYKER_ACTIVE_MUTANT__;
    if (event.name === "test_fn_failure" || event.name === "hook_failure") {
      killedMutant = mutant;
    }
    if (event.name === "test_start" && mutant !== undefined && mutant === killedMutant) {
      event.test.mode = "skip";
    }
  }
};
