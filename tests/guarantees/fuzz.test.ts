import { fuzz } from "./fuzz";

/** `npm run test:fuzz` sends fifty times as many, from another seed each time. */
const requests = Number(process.env["FUZZ_REQUESTS"] ?? 2000);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

it(`${requests} requests generated from seed ${seed} get the contract's answers, and all of them`, async () => {
  const { passed, findings, counts } = await fuzz(requests, seed);
  expect(findings).toEqual([]);
  expect(passed).toBe(requests);
  // Only a flood is answered 429: made-up-keys.test.ts.
  expect([...counts].filter(([answer, count]) => count === 0 && !answer.includes(" 429 "))).toEqual([]);
}, 3_600_000);
