import type { HttpFunction } from "../shared/http/function";
import type { StoreKind } from "./page/store-kind";

/**
 * Tells the playground which store the service uses: in a store that the settings name, the playground makes no key
 * before the user asks for it. This function is not part of the contract. Only the local host mounts it.
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
