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

/**
 * What the SDK brings along and the service never calls (docs/decisions/0009-load-time.md). In its place is put a module
 * of which anything can be imported, but nothing constructed: a call that comes to need it fails at once, and by name.
 */
const leftOut = [
  // Queries, the change feed, bulk operations, client-side encryption, inference.
  /@azure\/cosmos\/dist\/esm\/(queryIterator|ChangeFeedIterator)\.js$/,
  /@azure\/cosmos\/dist\/esm\/(bulk|encryption|inference|queryExecutionContext|queryMetrics)\//,
  /@azure\/cosmos\/dist\/esm\/client\/(ChangeFeed|Conflict|Permission|Script|StoredProcedure|Trigger|UserDefinedFunction)\//,
  /@azure\/keyvault-keys\//,
  // The SDK sends nothing through the proxies that these are for.
  /\/https?-proxy-agent\//,
];

const leaveOut = {
  name: "leave-out",
  setup({ onLoad }) {
    const filter = new RegExp(leftOut.map(({ source }) => source.replaceAll("\\/", "[\\\\/]")).join("|"));
    onLoad({ filter }, () => ({
      contents: `module.exports = new Proxy({}, {
        get: (_, name) => class { constructor() { throw new Error(\`\${String(name)} is left out of this build\`); } },
      });`,
    }));
  },
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
    "tests/fuzz-main.ts",
    "tests/screenshots-main.ts",
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
    "local/playground/index.html",
    "local/playground/main.ts",
    "local/playground/playground.css",
    "local/playground/icon.svg",
    "node_modules/bootstrap-italia/dist/svg/sprites.svg",
  ],
  entryNames: "[name]",
  assetNames: "[name]",
  outdir: "build/playground",
  loader: { ".html": "copy", ".svg": "copy", ".woff2": "file" },
});
