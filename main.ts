import { app } from "@azure/functions";
import * as E from "fp-ts/Either";
import { makeFunctions, makeFunctionsWithoutConfig } from "./functions";
import { decodeConfig, type Config } from "./shared/config";
import { makeCosmosStore } from "./shared/cosmos/cosmos-store";
import type { HttpFunction } from "./shared/http/function";

const makeConfiguredFunctions = (config: Config): readonly HttpFunction[] => {
  const store = makeCosmosStore(config);
  // Opens the connections before the first request needs them.
  const signal = AbortSignal.timeout(config.requestDeadlineMs);
  store
    .forCall({ signal, onCall: () => undefined })
    .checkGuarantees()
    .catch(() => undefined);
  return makeFunctions(config, store.forCall);
};

const config = decodeConfig(process.env);
if (E.isLeft(config)) {
  // The host makes an entry of each line of standard error, and an error of one that has the word "error" and not "warn"
  // (azure-functions-host, WorkerProcess.cs, ParseErrorMessageAndLog).
  console.error(`Error: ${config.left.message.replace(/\n\s*/, " ").replaceAll(/\n\s*/g, "; ")}`);
}
const functions = E.isLeft(config)
  ? makeFunctionsWithoutConfig(config.left)
  : makeConfiguredFunctions(config.right);
for (const { name, ...options } of functions) {
  app.http(name, options);
}
