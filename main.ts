import { app } from "@azure/functions";
import * as E from "fp-ts/Either";
import { makeFunctions } from "./functions";
import { decodeConfig } from "./shared/config";
import { makeCosmosStore } from "./shared/cosmos-store";

const config = decodeConfig(process.env);
if (E.isLeft(config)) {
  throw new Error(config.left);
}

for (const { name, ...options } of makeFunctions(config.right, makeCosmosStore(config.right.cosmos))) {
  app.http(name, options);
}
