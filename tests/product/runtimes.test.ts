import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { devDependencies } from "../../package.json";

const versionOf = (program: string): string =>
  execFileSync(program, ["--version"], { encoding: "utf8" }).trim();

describe("the Node.js that", () => {
  // Both packages offer a program `node`. `npm ci` links that of `node`; an update of `node24` alone links its own.
  it("the scripts run on is the one that is deployed: if not, npm ci puts it right", () => {
    expect(versionOf("node_modules/.bin/node")).toBe(`v${devDependencies.node}`);
  });

  it("a version manager takes is the same major version", () => {
    expect(devDependencies.node).toMatch(new RegExp(`^${readFileSync(".nvmrc", "utf8").trim()}\\.`));
  });

  it("the unit tests run on, too, is the next one", () => {
    expect(`npm:node@${versionOf("node_modules/node24/bin/node").slice(1)}`).toBe(devDependencies.node24);
    expect(devDependencies.node24).toMatch(/^npm:node@24\./);
  });
});
