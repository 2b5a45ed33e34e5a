import * as E from "fp-ts/Either";
import { json } from "../shared/http/answer";
import { makeHttpFunction } from "../shared/http/function";
import type { FunctionDefinition, HttpFunction, Runtime } from "../shared/http/function";
import type { CheckHealth } from "../shared/http/health";

interface Dependencies {
  readonly runtime: Runtime;
  readonly checkHealth: CheckHealth;
}

export const statusDefinition: FunctionDefinition = {
  name: "Status",
  route: "api/v1/status",
  methods: ["GET"],
  authLevel: "anonymous",
  reader: "developer",
};

/** Called by whoever watches over the service, at the path that the Italian interoperability guidelines (ModI) expect. */
export const makeStatus = ({ runtime, checkHealth }: Dependencies): HttpFunction =>
  makeHttpFunction(statusDefinition, runtime, async (_, { onStoreCall }) =>
    E.map(() => json({ status: "up" }))(await checkHealth(onStoreCall)),
  );
