import { execFileSync } from "node:child_process";
import { devDependencies } from "../../package.json";

const versionOf = (program: string): string =>
  execFileSync(program, ["--version"], { encoding: "utf8" }).trim();

describe("the Node.js that", () => {
  // Both packages offer a program `node`. `npm ci` links that of `node`; an update of `node24` alone links its own.
  it("runs the scripts is the deployed version; if not, npm ci repairs it", () => {
    expect(versionOf("node_modules/.bin/node")).toBe(`v${devDependencies.node}`);
  });

  it("also runs the unit tests is the next version", () => {
    expect(`npm:node@${versionOf("node_modules/node24/bin/node").slice(1)}`).toBe(devDependencies.node24);
    expect(devDependencies.node24).toMatch(/^npm:node@24\./);
  });
});
