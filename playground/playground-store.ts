import { randomUUID } from "node:crypto";
import type { HttpFunction } from "../shared/http/function";

/** `own` ends with the local host. `named` is the account in the settings, where others may have keys. */
export type StoreKind = "own" | "named";

/**
 * Tells the playground which store the service uses: in a store that the settings name, the playground makes no key
 * before the user asks for it. `since` differs at each start of the local host: what a browser kept before is of no use
 * then. This function is not part of the contract. Only the local host mounts it.
 */
export const makePlaygroundStore = (store: StoreKind, since = randomUUID()): HttpFunction => ({
  name: "PlaygroundStore",
  route: "playground/store.json",
  methods: ["GET"],
  authLevel: "anonymous",
  handler: () =>
    Promise.resolve({
      status: 200,
      headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
      body: JSON.stringify({ store, since }),
    }),
});
