/** The store on Azure Cosmos DB for NoSQL: point operations only, each on one logical partition. */
import { CosmosClient } from "@azure/cosmos";
import type {
  Container,
  IndexingPolicy,
  ItemDefinition,
  JSONObject,
  OperationInput,
  RequestOptions,
} from "@azure/cosmos";
import * as E from "fp-ts/Either";
import * as TE from "fp-ts/TaskEither";
import * as t from "io-ts";
import { ApiKeyHash } from "./api-key";
import type { CosmosConfig } from "./config";
import { errorToWriteOutcome, toUnavailable, toWriteOutcome, unavailable } from "./cosmos-error";
import { DiscountId } from "./identifiers";
import type { ItemRef } from "./otp-keyring";
import type { Entry, Store, StoreResult, Versioned, WriteOutcome } from "./store";

// Every item is reached by its id: an index would only make each write dearer. (Indexing cannot be switched off
// altogether, because the time to live needs it.)
const indexingPolicy = {
  indexingMode: "consistent",
  includedPaths: [],
  excludedPaths: [{ path: "/*" }],
} satisfies IndexingPolicy;

/** OTPs and slots; each item says itself when it is to be forgotten. */
const otpsContainer = {
  id: "otps",
  partitionKey: { paths: ["/partitionKey"] },
  defaultTtl: -1,
  indexingPolicy,
};

/** The keys of each merchant, in one item whose id is the merchant's. */
const apiKeysContainer = { id: "api-keys", partitionKey: { paths: ["/id"] }, indexingPolicy };

const DateFromISOString = new t.Type<Date, string>(
  "DateFromISOString",
  (input): input is Date => input instanceof Date,
  (input, context) => {
    const date = new Date(typeof input === "string" ? input : NaN);
    return Number.isNaN(date.getTime()) ? t.failure(input, context) : t.success(date);
  },
  (date) => date.toISOString(),
);

const nullable = <C extends t.Mixed>(codec: C): t.UnionC<[C, t.NullC]> => t.union([codec, t.null]);

const OtpItem = t.type({
  discountId: DiscountId,
  slotId: t.string,
  expiresAt: DateFromISOString,
  use: nullable(
    t.type({ usedAt: DateFromISOString, attemptId: t.string, idempotencyKeyHash: nullable(t.string) }),
  ),
});

const SlotItem = t.type({ nonce: t.string });

const StoredApiKeyItem = t.type({ hash: ApiKeyHash, createdAt: DateFromISOString });
const ApiKeysItem = t.partial({ primary: StoredApiKeyItem, secondary: StoredApiKeyItem });

export interface CosmosStore extends Store {
  /** Creates the database and the containers that are missing; leaves the others as they are. */
  createContainers(): StoreResult<void>;
  /** Ends the client's timers. */
  dispose(): void;
}

export const makeCosmosStore = (config: CosmosConfig): CosmosStore => {
  const client = new CosmosClient({
    endpoint: config.endpoint,
    key: config.key,
    // A single copy has no regions to discover, and may name itself by an address that is not its own.
    connectionPolicy: { enableEndpointDiscovery: !config.isSingleCopy },
  });
  const database = client.database(config.databaseName);
  const otps = database.container(otpsContainer.id);
  const apiKeys = database.container(apiKeysContainer.id);

  return {
    findOtp: (ref) => readItem(otps, ref, OtpItem),
    findSlot: (ref) => readItem(otps, ref, SlotItem),
    putOtp: (otp, slot, slotEtag) =>
      runBatch(otps, slot.ref.partitionKey, [
        // The write that can fail comes first: the embedded server stops at a failure, but undoes nothing.
        putOperation(toItem(slot, SlotItem), slotEtag),
        putOperation(toItem(otp, OtpItem), undefined),
      ]),
    replaceOtp: (otp, etag) =>
      runWrite(() =>
        otps.item(otp.ref.id, otp.ref.partitionKey).replace(toItem(otp, OtpItem), ifMatch(etag)),
      ),
    findApiKeys: (merchantId) => readItem(apiKeys, { partitionKey: merchantId, id: merchantId }, ApiKeysItem),
    putApiKeys: (merchantId, keys, etag) => {
      const item = { id: merchantId, ...ApiKeysItem.encode(keys) };
      return runWrite(() =>
        etag === undefined
          ? apiKeys.items.create(item)
          : apiKeys.item(merchantId, merchantId).replace(item, ifMatch(etag)),
      );
    },
    describeAccount: TE.tryCatch(async () => {
      const [account] = await Promise.all([client.getDatabaseAccount(), otps.read(), apiKeys.read()]);
      return {
        consistencyLevel: account.resource?.consistencyPolicy ?? "unknown",
        hasSeveralWriteRegions: account.resource?.enableMultipleWritableLocations ?? true,
      };
    }, toUnavailable),
    createContainers: TE.tryCatch(async () => {
      await client.databases.createIfNotExists({ id: config.databaseName });
      await database.containers.createIfNotExists(otpsContainer);
      await database.containers.createIfNotExists(apiKeysContainer);
    }, toUnavailable),
    dispose: () => {
      client.dispose();
    },
  };
};

const readItem = async <A>(
  container: Container,
  ref: ItemRef,
  codec: t.Decoder<unknown, A>,
): StoreResult<Versioned<A> | undefined> => {
  const response = await TE.tryCatch(
    () => container.item(ref.id, ref.partitionKey).read<ItemDefinition>(),
    toUnavailable,
  )();
  if (E.isLeft(response)) {
    return response;
  }
  const { statusCode, substatus, resource, etag } = response.right;
  if (statusCode === 404) {
    // With a substatus it is not the item that is missing: 1003 says that the container is.
    return substatus ? E.left(unavailable(`store: 404/${substatus}`)) : E.right(undefined);
  }
  const value = codec.decode(resource);
  if (E.isLeft(value)) {
    throw new Error("malformed item");
  }
  return E.right({ value: value.right, etag });
};

type Item = JSONObject & { id: string; partitionKey: string; ttl: number };

const toItem = <A>(entry: Entry<A>, codec: t.Encoder<A, JSONObject>): Item => ({
  ...codec.encode(entry.value),
  ...entry.ref,
  ttl: entry.ttlSeconds,
});

const ifMatch = (etag: string): RequestOptions => ({
  accessCondition: { type: "IfMatch", condition: etag },
});

const putOperation = (item: Item, etag: string | undefined): OperationInput =>
  etag === undefined
    ? { operationType: "Create", resourceBody: item }
    : {
        operationType: "Replace",
        id: item.id,
        // The batch has one partition key for all; the embedded server wants to read it here too.
        partitionKey: item.partitionKey,
        ifMatch: etag,
        resourceBody: item,
      };

const runWrite = (write: () => Promise<{ statusCode: number }>): Promise<WriteOutcome> =>
  write().then(({ statusCode }) => toWriteOutcome(statusCode), errorToWriteOutcome);

const runBatch = (
  container: Container,
  partitionKey: string,
  operations: OperationInput[],
): Promise<WriteOutcome> =>
  container.items.batch(operations, partitionKey).then(({ result = [] }) => {
    // A failed batch answers for each operation; 424 marks those that another one's failure undid.
    const statuses = result.map(({ statusCode }) => statusCode);
    const failure = statuses.find((status) => status >= 400 && status !== 424);
    return toWriteOutcome(failure ?? statuses[0] ?? "no result");
  }, errorToWriteOutcome);
