import config from "./jest.config.mjs";

/**
 * `npm run test:tools`: what tests the tools, the parts that tests stand on, and the clients that others generate.
 *
 * @type {import("jest").Config}
 */
export default {
  ...config,
  testMatch: ["<rootDir>/tools/**/*.test.ts", "<rootDir>/tests/{clients,support}/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
};
