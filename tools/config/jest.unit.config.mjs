import config from "./jest.config.mjs";

/**
 * `npm run test:unit`: the tests that lie beside what they test. They need no build, no other process and no browser. Those
 * that do lie in tests/, and run with `npm test`.
 *
 * @type {import("jest").Config}
 */
export default {
  ...config,
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/tests/", "<rootDir>/tools/"],
  // Twice as many as a small machine has cores: half of their time is waiting.
  maxWorkers: 4,
};
