import * as E from "fp-ts/Either";
import { json } from "../shared/http/answer";
import type { FunctionDefinition } from "../shared/http/function";
import type { CheckHealth } from "../shared/health";

interface Dependencies {
  readonly checkHealth: CheckHealth;
}

/** Called by monitoring, at the path that the Italian interoperability guidelines (ModI) expect. */
export const status: FunctionDefinition<Dependencies> = {
  name: "Status",
  route: "api/v1/status",
  methods: ["GET", "HEAD"],
  authLevel: "anonymous",
  audience: "developer",
  make:
    ({ checkHealth }) =>
    async (_, { onStoreCall }) =>
      E.map(() => json({ status: "up" }))(await checkHealth(onStoreCall)),
};
