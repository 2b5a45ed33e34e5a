import { fuzz } from "./fuzz";

/** `npm run test:fuzz` sends fifty times as many, from another seed each time. */
const requests = 2000;
const seed = 1;

it(`${requests} requests generated from seed ${seed} get the contract's answers, and all of them`, async () => {
  const { passed, findings, counts } = await fuzz(requests, seed, () => undefined);
  expect(findings).toEqual([]);
  expect(passed).toBe(requests);
  expect([...counts].filter(([, count]) => count === 0)).toEqual([]);
});
