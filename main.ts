import { app } from "@azure/functions";
import * as E from "fp-ts/Either";
import { makeFunctions, makeFunctionsWithoutConfig } from "./functions";
import { decodeConfig } from "./shared/config";
import type { Config } from "./shared/config";
import { makeCosmosStore } from "./shared/cosmos/cosmos-store";
import type { HttpFunction } from "./shared/http/function";

const makeConfiguredFunctions = (config: Config): readonly HttpFunction[] => {
  const store = makeCosmosStore(config);
  // The first request finds connections open, and what the client reads once already read. If it fails, nothing is lost.
  const signal = AbortSignal.timeout(config.requestDeadlineMs);
  store
    .forCall({ signal, onCall: () => undefined })
    .checkGuarantees()
    .catch(() => undefined);
  return makeFunctions(config, store.forCall);
};

const config = decodeConfig(process.env);
if (E.isLeft(config)) {
  // The host takes what is printed now into its log.
  console.error(config.left.message);
}
const functions = E.isLeft(config)
  ? makeFunctionsWithoutConfig(config.left)
  : makeConfiguredFunctions(config.right);
for (const { name, ...options } of functions) {
  app.http(name, options);
}
