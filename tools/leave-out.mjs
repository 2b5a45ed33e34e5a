import { pathToFileURL } from "node:url";

/**
 * Parts of the SDK that the service never calls (docs/decisions/0009-load-time.md). The plugin replaces each with a
 * module that has the same exports. An export throws an error with its name as soon as code calls, constructs or reads
 * it.
 */
const leftOut = [
  // Queries, the change feed, bulk operations, client-side encryption, inference.
  /@azure\/cosmos\/dist\/esm\/(queryIterator|ChangeFeedIterator)\.js$/,
  /@azure\/cosmos\/dist\/esm\/(bulk|encryption|inference|queryExecutionContext|queryMetrics)\//,
  /@azure\/cosmos\/dist\/esm\/client\/(ChangeFeed|Conflict|Permission|Script|StoredProcedure|Trigger|UserDefinedFunction)\//,
  /@azure\/keyvault-keys\//,
  // The SDK sends no request through the proxies that need these.
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
    // Code may still derive a class from a stub, and use it with `instanceof`: neither needs the real class.
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
