/** `npm run build`: the deployed file, the programs of this repository, and what its pages load. */
import { spawnSync } from "node:child_process";
import { access, constants, mkdir, writeFile } from "node:fs/promises";
import { readCommandLine } from "../local/command-line.mjs";
import { leaveOut } from "./leave-out.mjs";
import { explainRuntime, readFacts } from "./runtime.mjs";

readCommandLine({
  command: "npm run build",
  what: "Makes the deployed file in dist, and in build the programs of this repository and what its pages load.",
});

const stop = (message) => {
  console.error(message);
  process.exit(1);
};

// What is missing in a new clone shows here first, because nearly every script builds.
if (Number.parseInt(process.versions.node, 10) < 22) {
  stop(explainRuntime(22, readFacts("node_modules/node/bin/node")));
}
const esbuild = await import("esbuild").catch(() => stop("Packages are missing: npm ci installs them."));
for (const folder of ["dist", "build"]) {
  await mkdir(folder, { recursive: true })
    .then(() => access(folder, constants.W_OK))
    .catch(() => stop(`The folder ${folder} cannot be written. Build in a copy that you may write to.`));
}

/** esbuild has printed what is wrong. */
const build = (options) => esbuild.build(options).catch(() => process.exit(1));

const common = {
  bundle: true,
  platform: "node",
  target: "node22",
  format: "cjs",
  sourcemap: true,
  loader: { ".yaml": "text" },
  logLevel: "warning",
};

// Which commit it is: `Info` and the first line of a process say it. An unpacked archive of the sources has none.
const described = spawnSync(
  "git",
  ["describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=.modified"],
  {
    encoding: "utf8",
  },
);
const commit = described.status === 0 ? described.stdout.trim() : undefined;

// The deployed code is one file. It lacks only the module that the Functions worker provides. Each cold start reads,
// parses and runs it, so it must be small.
const { metafile } = await build({
  ...common,
  metafile: true,
  entryPoints: ["main.ts"],
  outfile: "dist/main.js",
  external: ["@azure/functions-core"],
  // esbuild can leave out unused parts of ECMAScript modules only.
  mainFields: ["module", "main"],
  plugins: [leaveOut],
  define: commit === undefined ? {} : { COMMIT: JSON.stringify(commit) },
  minifyWhitespace: true,
  minifySyntax: true,
  // The names stay, because developers read stacks in the log by them. The sources are in the repository.
  minifyIdentifiers: false,
  sourcesContent: false,
});

// What it is made of, for tools/sbom.mjs.
await writeFile("build/main.meta.json", JSON.stringify(metafile));

// Programs for a developer's machine, which has node_modules.
await build({
  ...common,
  entryPoints: [
    "local/start.ts",
    "local/start-store.ts",
    "tools/load/load.ts",
    "tools/screenshots.ts",
    "tools/site.ts",
    "tools/verify/verify.ts",
  ],
  entryNames: "[name]",
  outdir: "build",
  packages: "external",
});

// As in the deployed file, fp-ts and io-ts are inside it, as ECMAScript modules: what comes from outside is looked up anew at
// each use.
await build({
  ...common,
  entryPoints: ["tools/bench/bench.ts"],
  outfile: "build/bench.js",
  packages: "external",
  mainFields: ["module", "main"],
  alias: { "fp-ts": "./node_modules/fp-ts", "io-ts": "./node_modules/io-ts" },
});

// What the playground's page loads: Astro makes the other pages (local/site-build.ts).
await build({
  bundle: true,
  format: "esm",
  target: "es2023",
  sourcemap: true,
  logLevel: "warning",
  entryPoints: ["playground/page/main.tsx", "playground/page/playground.css"],
  entryNames: "[name]",
  outdir: "build/playground",
});
