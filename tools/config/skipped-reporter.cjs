/**
 * A jest reporter. At the end it lists what was not tried on this machine, and why: the tests that were skipped, and what
 * their file warned of.
 */
const path = require("node:path");

module.exports = class {
  constructor({ testNamePattern }) {
    // Who names tests wants the others to be skipped.
    this.isWanted = testNamePattern !== undefined && testNamePattern !== "";
    this.files = [];
  }

  onTestResult(_, { testFilePath, testResults, console: printed = [] }) {
    const names = testResults.filter(({ status }) => status === "pending").map(({ fullName }) => fullName);
    const reasons = (printed ?? []).filter(({ type }) => type === "warn").map(({ message }) => message);
    if (names.length + reasons.length > 0) {
      this.files.push([path.relative(process.cwd(), testFilePath), reasons, names]);
    }
  }

  onRunComplete() {
    if (this.isWanted || this.files.length === 0) {
      return;
    }
    const lines = this.files.flatMap(([file, reasons, names]) => [
      `${file}: ${names.length} tests skipped`,
      ...[...reasons, ...names].map((text) => `  ${text}`),
    ]);
    process.stderr.write(`\nNot tried\n${lines.map((line) => `  ${line}\n`).join("")}`);
  }
};
