import { pathToFileURL } from "node:url";

/**
 * What the SDK brings along and the service never calls (docs/decisions/0009-load-time.md). In its place is put a module
 * with the same exports, each of which says by its name that it is left out as soon as it is called, constructed or read.
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

const stubs = "left-out";

/** An esbuild plugin. */
export const leaveOut = {
  name: "leave-out",
  setup({ onLoad, onResolve }) {
    const filter = new RegExp(leftOut.map(({ source }) => source.replaceAll("\\/", "[\\\\/]")).join("|"));
    onLoad({ filter }, async ({ path }) => {
      const names = Object.keys(await import(pathToFileURL(path)));
      const declarations = names.map(
        (name, index) => `const _${index} = /* @__PURE__ */ leaveOut("${name}");`,
      );
      const exports = names.map((name, index) => `_${index} as ${name}`);
      return {
        contents: [
          `import { leaveOut } from "${stubs}";`,
          ...declarations,
          `export { ${exports.join(", ")} };`,
        ].join("\n"),
      };
    });
    onResolve({ filter: new RegExp(`^${stubs}$`) }, () => ({ path: stubs, namespace: stubs }));
    // A class can be derived from what is left out, and an object be asked whether it is an instance of it: neither needs it.
    onLoad({ filter: /./, namespace: stubs }, () => ({
      contents: `export const leaveOut = (name) => {
        const fail = () => { throw new Error(name + " is left out of this build"); };
        return new Proxy(class {}, {
          apply: fail,
          construct: fail,
          get: (target, key) => (key === "prototype" || typeof key === "symbol" ? target[key] : fail()),
        });
      };`,
    }));
  },
};
