/**
 * With `NODE_USE_ENV_PROXY=1` Node.js sends what `fetch` asks for to a proxy, which cannot reach this machine's loopback. A
 * proxy that drops connections even makes it connect anew without a pause. `fetch` reads `NO_PROXY` at each call.
 */
export const callLoopbackDirectly = () => {
  // What is named in small letters counts alone.
  const name = process.env.no_proxy === undefined ? "NO_PROXY" : "no_proxy";
  const named = process.env[name] ?? "";
  process.env[name] = [...(named === "" ? [] : [named]), "127.0.0.1", "localhost", "[::1]"].join(",");
};
