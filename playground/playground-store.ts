import type { HttpFunction } from "../shared/http/function";
import type { StoreKind } from "./page/store-kind";

/**
 * Tells the playground whose store the service uses, since it makes no key in one that the settings name before somebody
 * asks for it. It is no part of the contract: the local host alone mounts it.
 */
export const makePlaygroundStore = (kind: StoreKind): HttpFunction => ({
  name: "PlaygroundStore",
  route: "playground/store.json",
  methods: ["GET"],
  authLevel: "anonymous",
  handler: () =>
    Promise.resolve({
      status: 200,
      headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
      body: JSON.stringify({ store: kind }),
    }),
});
