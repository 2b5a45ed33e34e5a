/** `npm run test:soak`, `test:fuzz` and `test:unit:24`: forms of the tests that a shell could not start on every system. */
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { readCommandLine, refuseCommandLine } from "../local/command-line.mjs";
import { explainRuntime, readFacts } from "./runtime.mjs";

/** What is set in the environment already stays. */
const forms = {
  soak: {
    args: [
      "--runInBand",
      ...["model", "histories", "races", "faults", "secret-replacement"].map(
        (name) => `tests/guarantees/${name}`,
      ),
    ],
    settings: {
      ...{ MODEL_RUNS: "2000", HISTORY_SECONDS: "60", RACE_ROUNDS: "100" },
      ...{ FAULTS_OF_A_KIND: "100", REPLACEMENT_ROUNDS: "10" },
    },
  },
  fuzz: {
    args: ["--runInBand", "tests/guarantees/fuzz"],
    settings: { FUZZ_REQUESTS: "100000", FUZZ_SEED: String(randomInt(2 ** 31)) },
  },
  "unit-24": {
    args: ["--config", "tools/config/jest.unit.config.mjs"],
    runtime: `node_modules/node24/bin/node${process.platform === "win32" ? ".exe" : ""}`,
  },
};

const program = {
  command: "node tools/run-tests.mjs",
  what: `Runs tests in another form than npm test:

  soak     those that look for what nobody thought of, for longer
  fuzz     a hundred thousand requests that nobody would send
  unit-24  the unit tests on Node.js 24; the names of test files may follow`,
  operands: `${Object.keys(forms).join("|")} [FILE…]`,
};
const { operands } = readCommandLine(program);
const [name, ...files] = operands;
if (!Object.hasOwn(forms, name ?? "")) {
  refuseCommandLine(program, `Expected one of ${Object.keys(forms).join(", ")}`);
}
if (files.length > 0 && name !== "unit-24") {
  refuseCommandLine(program, `${name} has its own files`);
}
const { args, settings = {}, runtime = process.execPath } = forms[name];
if (spawnSync(runtime, ["--version"]).status !== 0) {
  console.error(explainRuntime(24, readFacts(runtime)));
  process.exit(1);
}
const { status } = spawnSync(runtime, ["node_modules/jest/bin/jest.js", ...args, ...files], {
  stdio: "inherit",
  env: { ...settings, ...process.env },
});
process.exit(status ?? 1);
