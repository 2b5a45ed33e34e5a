/**
 * A jest reporter. At the end of a large run it lists the slowest files and tests, so that developers see where the
 * time goes.
 */
const path = require("node:path");

const count = 10;

const seconds = (ms) => `${(ms / 1000).toFixed(1).padStart(7)} s`;

/** The longest `count` of these pairs of a duration and a name, a line each. */
const longest = (entries) =>
  entries
    .toSorted(([a], [b]) => b - a)
    .slice(0, count)
    .map(([ms, name]) => `${seconds(ms)}  ${name}\n`)
    .join("");

module.exports = class {
  onRunComplete(_, { testResults }) {
    // For a run of a few files, jest already shows how long each took.
    if (testResults.length < count) {
      return;
    }
    const files = [];
    const tests = [];
    for (const { testFilePath, perfStats, testResults: results } of testResults) {
      const file = path.relative(process.cwd(), testFilePath);
      files.push([perfStats.runtime, file]);
      for (const { duration, fullName } of results) {
        tests.push([duration ?? 0, `${file}: ${fullName}`]);
      }
    }
    process.stderr.write(
      `\nThe ${count} slowest files\n${longest(files)}\nThe ${count} slowest tests\n${longest(tests)}`,
    );
  }
};
