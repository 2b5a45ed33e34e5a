import config from "./jest.config.mjs";

/**
 * `npm run test:unit`: the tests that lie beside what they test. Those that need a build, another process or a browser lie in
 * tests/.
 *
 * @type {import("jest").Config}
 */
export default {
  ...config,
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/tests/", "<rootDir>/tools/"],
  // One more than a small machine has cores: some of their time is waiting, and each starts with half a second of loading.
  maxWorkers: 3,
};
