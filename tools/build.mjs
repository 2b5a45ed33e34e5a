import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
import { leaveOut } from "./leave-out.mjs";

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
mkdirSync("build", { recursive: true });
writeFileSync("build/main.meta.json", JSON.stringify(metafile));

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
    "tools/bench/bench.ts",
    "tools/bench/write-capacity.ts",
  ],
  entryNames: "[name]",
  outdir: "build",
  packages: "external",
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
