/**
 * The order of jest's test files, so that all workers end together: the longest first, as jest knows them from the last run.
 * In a new clone it knows none, and takes the largest files for the longest. There the guarantees come first.
 */
const { default: Sequencer } = require("@jest/test-sequencer");

const isGuarantee = ({ path }) => /[\\/]guarantees[\\/]/.test(path);

module.exports = class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    return sorted.some(({ duration }) => duration !== undefined)
      ? sorted
      : [...sorted.filter(isGuarantee), ...sorted.filter((test) => !isGuarantee(test))];
  }
};
