/** The store on Azure Cosmos DB for NoSQL: point operations only, each on one logical partition. */
import type { Container, ContainerResponse, DatabaseResponse, ItemDefinition } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type * as t from "io-ts";
import type { Config } from "../config";
import type { ItemRef } from "../domain/keyring";
import type { Store, StoreForCall, StoreResult, Versioned } from "../domain/store";
import { accountTiming, type AccountTiming } from "./account-watch";
import { callStore, runRead, runWrite } from "./calls";
import { makeRegionalClient } from "./client";
import { toDefinition, toShape, type ContainerName } from "./containers";
import { toUnavailable, unforeseen } from "./error";
import { missingGuarantee } from "./guarantees";
import { makePooledHttpClient } from "./http-client";
import {
  ApiKeysItem,
  decodeBatch,
  decodeItem,
  decodeWritten,
  ifMatch,
  OtpItem,
  putOperation,
  SlotItem,
  toItem,
} from "./items";
import type { NameLookup } from "./name-lookup";
import { hasSeveralWriteRegions } from "./regions";

const containerNames: readonly ContainerName[] = ["otps", "api-keys"];

export interface CosmosStore {
  /** The store, for one call of a function. It opens nothing: all calls share the client's connections. */
  readonly forCall: StoreForCall;
  /** Creates what is missing. A managed identity cannot: the failure then names what is missing. */
  createContainers(): StoreResult<void>;
  /** Ends all timers and connections; no more requests are made. */
  dispose(): void;
}

/** What differs from the deployed service in a test. */
export interface StoreOptions {
  readonly timing?: Partial<AccountTiming>;
  readonly names?: NameLookup;
}

export const makeCosmosStore = (
  { cosmos, requestDeadlineMs }: Pick<Config, "cosmos" | "requestDeadlineMs">,
  { timing = {}, names }: StoreOptions = {},
): CosmosStore => {
  const patienceMs = Math.floor(requestDeadlineMs / 3);
  const { client, readAccount, countForRead, dispose } = makeRegionalClient(cosmos, {
    patienceMs,
    timing: { ...accountTiming, ...timing },
    connections: makePooledHttpClient(names),
  });
  const database = client.database(cosmos.databaseName);
  const otps = database.container("otps" satisfies ContainerName);
  const apiKeys = database.container("api-keys" satisfies ContainerName);

  return {
    forCall: ({ signal, onCall }) => {
      const options = { abortSignal: signal };
      const caller = { signal, onCall, patienceMs, countForRead, hasUnknownWrite: false };
      const readItem = <A>(
        operation: keyof Store,
        container: Container,
        { id, partitionKey }: ItemRef,
        codec: t.Decoder<unknown, A>,
      ): StoreResult<Versioned<A> | undefined> =>
        runRead(
          operation,
          () => container.item(id, partitionKey).read<ItemDefinition>(options),
          (response) => decodeItem(response, codec),
          caller,
        );
      return {
        findOtp: (ref) => readItem("findOtp", otps, ref, OtpItem),
        findSlot: (ref) => readItem("findSlot", otps, ref, SlotItem),
        putOtp: (otp, slot, slotEtag) =>
          runWrite(
            "putOtp",
            () => {
              const operations = [
                // The write that can fail comes first: the embedded server stops at a failure, but undoes nothing.
                putOperation(toItem(slot, SlotItem), slotEtag),
                putOperation(toItem(otp, OtpItem), undefined),
              ];
              return otps.items.batch(operations, slot.ref.partitionKey, options);
            },
            decodeBatch,
            caller,
          ),
        replaceOtp: (otp, etag) =>
          runWrite(
            "replaceOtp",
            () =>
              otps
                .item(otp.ref.id, otp.ref.partitionKey)
                .replace(toItem(otp, OtpItem), { ...options, ...ifMatch(etag) }),
            decodeWritten,
            caller,
          ),
        findApiKeys: (merchantId) =>
          readItem("findApiKeys", apiKeys, { partitionKey: merchantId, id: merchantId }, ApiKeysItem),
        putApiKeys: (merchantId, keys, etag) =>
          runWrite(
            "putApiKeys",
            () => {
              const item = { id: merchantId, ...ApiKeysItem.encode(keys) };
              return etag === undefined
                ? apiKeys.items.create(item, options)
                : apiKeys.item(merchantId, merchantId).replace(item, { ...options, ...ifMatch(etag) });
            },
            decodeWritten,
            caller,
          ),
        checkGuarantees: async () => {
          const account = await runRead(
            "checkGuarantees",
            async () => {
              const [account, ofOtps, ofApiKeys] = await Promise.all([
                readAccount(),
                otps.read(options),
                apiKeys.read(options),
              ]);
              return { resource: account.resource, ofOtps, ofApiKeys, diagnostics: account.diagnostics };
            },
            ({ resource, ofOtps, ofApiKeys }) =>
              [ofOtps, ofApiKeys].some((container) => container.resource?.id === undefined)
                ? E.left(unforeseen(ofOtps.statusCode))
                : E.right({
                    consistencyLevel: resource?.consistencyPolicy ?? "unknown",
                    hasSeveralWriteRegions: resource === undefined || hasSeveralWriteRegions(resource),
                    hasSeveralReadRegions: (resource?.readableLocations.length ?? 0) > 1,
                    containers: { otps: toShape(ofOtps), "api-keys": toShape(ofApiKeys) },
                  }),
            caller,
          );
          if (E.isLeft(account)) {
            return account;
          }
          const missing = missingGuarantee(account.right, cosmos.isSingleCopy);
          return missing === undefined
            ? E.right(undefined)
            : E.left({ tag: "service-unavailable", retryAfterSeconds: 60, cause: missing });
        },
      };
    },
    createContainers: async () => {
      const mayCreate = cosmos.credential.kind === "key";
      const steps = [
        {
          name: `the database ${cosmos.databaseName}`,
          find: () => database.read(),
          create: () => client.databases.createIfNotExists({ id: cosmos.databaseName }),
        },
        ...containerNames.map((name) => ({
          name: `the container ${name}`,
          find: () => database.container(name).read(),
          create: () => database.containers.createIfNotExists(toDefinition(name)),
        })),
      ];
      const { signal } = new AbortController();
      const caller = { signal, onCall: () => undefined, patienceMs, countForRead, hasUnknownWrite: false };
      for (const { name, find, create } of steps) {
        const result = await callStore(
          {
            name: "checkGuarantees",
            send: (): Promise<DatabaseResponse | ContainerResponse> => (mayCreate ? create() : find()),
            decode: (answer) => answer,
            mayRetry: () => false,
          },
          caller,
        );
        if (E.isLeft(result)) {
          const failure = toUnavailable(result.left);
          const isMissing = !mayCreate && result.left.status === 404;
          return E.left(
            isMissing
              ? { ...failure, cause: `${name} is missing, and a managed identity cannot create it` }
              : failure,
          );
        }
      }
      return E.right(undefined);
    },
    dispose,
  };
};
