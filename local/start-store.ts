/** `npm run start:store`: only the embedded store, with its containers, for a service that runs in another process. */
import * as E from "fp-ts/Either";
import { decodeConfig } from "../shared/config";
import { makeCosmosStore } from "../shared/cosmos/cosmos-store";
import { readCommandLine } from "./command-line.mjs";
import { startEmbeddedCosmosDb } from "./embedded-cosmos-db";
import { close, decodePort, describeListenError, fail, untilStopped } from "./server";

const run = async (): Promise<void> => {
  readCommandLine({
    command: "npm run start:store",
    what: "Runs only the embedded store, with its containers, for a service that runs in another process.",
    more: "PORT in the environment: 8081 unless given, 0 for any that is free.",
  });
  const port = decodePort(process.env["PORT"], 8081);
  if (port === undefined) {
    fail("PORT is malformed: expected a whole number from 0 to 65535");
    return;
  }
  const embedded = await startEmbeddedCosmosDb(port).catch((error: unknown) => {
    fail(describeListenError(error, port));
  });
  if (embedded === undefined) {
    return;
  }
  const config = decodeConfig(embedded.settings);
  if (E.isRight(config)) {
    const store = makeCosmosStore(config.right);
    await store.createContainers();
    store.dispose();
  }
  console.log(`COSMOSDB_ENDPOINT=${embedded.settings["COSMOSDB_ENDPOINT"] ?? ""}\n\nCtrl-C stops it.`);
  await untilStopped();
  await close(embedded.server);
};

void run();
