import { app } from "@azure/functions";
import * as E from "fp-ts/Either";
import { makeFunctions } from "./functions";
import { decodeConfig } from "./shared/config";
import { makeCosmosStore } from "./shared/cosmos-store";

const config = decodeConfig(process.env);
if (E.isLeft(config)) {
  throw new Error(config.left);
}

const store = makeCosmosStore(config.right.cosmos, config.right.requestDeadlineMs);
for (const { name, ...options } of makeFunctions(config.right, store.connect)) {
  app.http(name, options);
}

// The first request finds connections open, and what the client reads once already read. If it fails, nothing is lost.
const signal = AbortSignal.timeout(config.right.requestDeadlineMs);
void store.connect({ signal, onCall: () => undefined }).describeAccount();
