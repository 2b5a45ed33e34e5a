/**
 * `npm run test:soak` and `npm run test:fuzz`: the long forms of tests that look for what nobody thought of. They run the
 * same test files for longer; what is set in the environment already stays.
 */
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";

const forms = {
  soak: {
    files: ["tests/guarantees/model", "tests/guarantees/histories", "tests/guarantees/races"],
    settings: { MODEL_RUNS: "2000", HISTORY_SECONDS: "60", RACE_ROUNDS: "100" },
  },
  fuzz: {
    files: ["tests/guarantees/fuzz"],
    settings: { FUZZ_REQUESTS: "100000", FUZZ_SEED: String(randomInt(2 ** 31)) },
  },
};

const form = forms[process.argv[2]];
if (form === undefined || process.argv.length > 3) {
  console.error(`node tools/long-tests.mjs ${Object.keys(forms).join("|")}`);
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  ["node_modules/jest/bin/jest.js", "--runInBand", ...form.files],
  { stdio: "inherit", env: { ...form.settings, ...process.env } },
);
process.exit(status ?? 1);
