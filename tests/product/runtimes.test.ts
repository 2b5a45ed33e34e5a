import { execFileSync } from "node:child_process";
import * as t from "io-ts";
import { devDependencies } from "../../package.json";
import { decode } from "../../tools/support/either";

const versionOf = (program: string): string =>
  execFileSync(program, ["--version"], { encoding: "utf8" }).trim();

const { header } = decode(
  t.type({ header: t.partial({ glibcVersionRuntime: t.string }) }),
  process.report.getReport(),
);
const isMusl = process.platform === "linux" && header.glibcVersionRuntime === undefined;
const itWithGlibc = isMusl ? it.skip : it;
const why = isMusl ? " (this system has musl, where the scripts run on its own Node.js)" : "";

describe("the Node.js that", () => {
  // Both packages offer a program `node`. `npm ci` links that of `node`; an update of `node24` alone links its own.
  itWithGlibc(`runs the scripts is the deployed version; if not, npm ci repairs it${why}`, () => {
    expect(versionOf("node_modules/.bin/node")).toBe(`v${devDependencies.node}`);
  });

  itWithGlibc(`also runs the unit tests is the next version${why}`, () => {
    expect(`npm:node@${versionOf("node_modules/node24/bin/node").slice(1)}`).toBe(devDependencies.node24);
    expect(devDependencies.node24).toMatch(/^npm:node@24\./);
  });
});
