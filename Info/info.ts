import * as E from "fp-ts/Either";
import { name, version } from "../package.json";
import { json } from "../shared/http/answer";
import { makeHttpFunction } from "../shared/http/function";
import type { FunctionDefinition, HttpFunction, Runtime } from "../shared/http/function";
import type { CheckHealth } from "../shared/http/health";

interface Dependencies {
  readonly runtime: Runtime;
  readonly checkHealth: CheckHealth;
}

export const infoDefinition: FunctionDefinition = {
  name: "Info",
  route: "api/v1/info",
  methods: ["GET"],
  authLevel: "anonymous",
  reader: "developer",
};

/** Called by whoever watches over the service: 200 when it can keep its promises. */
export const makeInfo = ({ runtime, checkHealth }: Dependencies): HttpFunction =>
  makeHttpFunction(infoDefinition, runtime, async (_, { onStoreCall }) =>
    E.map(() => json({ name, version }))(await checkHealth(onStoreCall)),
  );
