import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  target: "node22",
  format: "cjs",
  sourcemap: true,
  loader: { ".yaml": "text" },
  logLevel: "warning",
};

// What is deployed: one file, complete but for the module that the Functions worker itself provides.
await build({
  ...common,
  entryPoints: ["main.ts"],
  outfile: "dist/main.js",
  external: ["@azure/functions-core"],
});

// What runs and tries it on a developer's machine, where node_modules is at hand.
await build({
  ...common,
  entryPoints: ["local/start.ts", "local/start-store.ts", "tests/fuzz-main.ts"],
  entryNames: "[name]",
  outdir: "build",
  packages: "external",
});
