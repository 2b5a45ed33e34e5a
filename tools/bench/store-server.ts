/**
 * A store in a process of its own, so that it does not share the event loop of the measured code. `startStore` starts
 * it with a number of items. It ends with the process that started it.
 */
import { BulkOperationType, CosmosClient } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { decodeConfig } from "../../shared/config";
import { makeCosmosStore } from "../../shared/cosmos/cosmos-store";

const batchSize = 100;

const run = async (items: number): Promise<void> => {
  const { server, settings } = await startEmbeddedCosmosDb();
  const config = decodeConfig(settings);
  if (E.isLeft(config)) {
    throw new Error(config.left.message);
  }
  const store = makeCosmosStore(config.right);
  await store.createContainers();
  store.dispose();

  const client = new CosmosClient({
    endpoint: config.right.cosmos.endpoint,
    // It takes any.
    key: "a2V5",
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const otps = client.database(config.right.cosmos.databaseName).container("otps");
  for (let first = 0; first < items; first += batchSize) {
    const partitionKey = `filler-${(first / batchSize) % 360}`;
    const operations = Array.from({ length: Math.min(batchSize, items - first) }, (_, index) => ({
      operationType: BulkOperationType.Create,
      resourceBody: {
        id: `otp-${first + index}`,
        partitionKey,
        discountId: "filler",
        slotId: `slot-${first + index}`,
        expiresAt: new Date(0).toISOString(),
        use: null,
        ttl: 86_400,
      },
    }));
    await otps.items.batch(operations, partitionKey);
  }
  client.dispose();

  let requests = 0;
  server.on("request", () => {
    requests += 1;
  });
  process.on("message", () => {
    process.send?.({ requests });
  });
  process.on("disconnect", () => {
    process.exit();
  });
  process.send?.({ settings });
};

void run(Number(process.argv[2]));
