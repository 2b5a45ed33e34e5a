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

// What is deployed: one file, complete but for the module that the Functions worker itself provides. It is read,
// parsed and run at each cold start, so there is as little of it as can be.
await build({
  ...common,
  entryPoints: ["main.ts"],
  outfile: "dist/main.js",
  external: ["@azure/functions-core"],
  // Only ECMAScript modules can be left out where nothing of them is used.
  mainFields: ["module", "main"],
  plugins: [leaveOut],
  minifyWhitespace: true,
  minifySyntax: true,
  // Names stay as they are: a stack in the log is read by them. The sources are in the repository.
  minifyIdentifiers: false,
  sourcesContent: false,
});

// What runs and tries it on a developer's machine, where node_modules is at hand.
await build({
  ...common,
  entryPoints: [
    "local/start.ts",
    "local/start-store.ts",
    "scripts/fuzz.ts",
    "scripts/record-hostile.ts",
    "scripts/screenshots.ts",
    "bench/bench.ts",
    "bench/store-server.ts",
  ],
  entryNames: "[name]",
  outdir: "build",
  packages: "external",
});

// The page that the local host shows at its root: a browser gets these files and no others.
await build({
  bundle: true,
  format: "esm",
  target: "es2023",
  sourcemap: true,
  logLevel: "warning",
  entryPoints: [
    "playground/page/index.html",
    "playground/page/main.ts",
    "playground/page/playground.css",
    "playground/page/icon.svg",
    "node_modules/bootstrap-italia/dist/svg/sprites.svg",
  ],
  entryNames: "[name]",
  assetNames: "[name]",
  outdir: "build/playground",
  loader: { ".html": "copy", ".svg": "copy", ".woff2": "file" },
});
