/** `npm run test:fuzz`: sends `FUZZ_REQUESTS` generated requests from the seed `FUZZ_SEED`, or from a random one. */
import { randomInt } from "node:crypto";
import { fuzz } from "../tests/guarantees/fuzz";

const run = async (): Promise<void> => {
  const requests = Number(process.env["FUZZ_REQUESTS"] ?? 100_000);
  const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
  console.log(`${requests} requests from seed ${seed}`);
  const { passed, findings, counts } = await fuzz(requests, seed);
  const rows: Record<string, Record<string, number>> = {};
  for (const [label, count] of [...counts].sort()) {
    const [, operation = "", answer = ""] = /^(\D+) (.+)$/.exec(label) ?? [];
    rows[answer] = { ...rows[answer], [operation]: count };
  }
  console.table(rows);
  console.log([...findings, `${passed} passed, ${findings.length} failed`].join("\n"));
  process.exitCode = findings.length === 0 ? 0 : 1;
};

void run();
