import * as E from "fp-ts/Either";
import { name } from "../package.json";
import { json } from "../shared/http/answer";
import type { FunctionDefinition } from "../shared/http/function";
import type { CheckHealth } from "../shared/health";
import { version } from "../shared/version";

interface Dependencies {
  readonly checkHealth: CheckHealth;
}

/** Called by monitoring: 200 when the service can keep its promises. */
export const info: FunctionDefinition<Dependencies> = {
  name: "Info",
  route: "api/v1/info",
  methods: ["GET", "HEAD"],
  authLevel: "anonymous",
  audience: "developer",
  make:
    ({ checkHealth }) =>
    async (_, { onStoreCall }) =>
      E.map(() => json({ name, version }))(await checkHealth(onStoreCall)),
};
