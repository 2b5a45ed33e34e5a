import * as E from "fp-ts/Either";
import { name, version } from "../package.json";
import { json, makeHttpFunction } from "../shared/http";
import type { FunctionDefinition, HttpFunction, Runtime } from "../shared/http";
import { containerShapes } from "../shared/store";
import type { ContainerName, ContainerShape, StoreAccount } from "../shared/store";

interface Dependencies {
  readonly runtime: Runtime;
  /** The store is one copy of the data: neither its consistency nor its regions matter. */
  readonly isSingleCopy: boolean;
}

export const infoDefinition: FunctionDefinition = {
  name: "Info",
  route: "api/v1/info",
  methods: ["GET"],
  authLevel: "anonymous",
};

/** Called by whoever watches over the service: 200 when it can keep its promises. */
export const makeInfo = ({ runtime, isSingleCopy }: Dependencies): HttpFunction =>
  makeHttpFunction(infoDefinition, runtime, async (_, { store }) => {
    const account = await store.describeAccount();
    if (E.isLeft(account)) {
      return account;
    }
    const missing = missingGuarantee(account.right, isSingleCopy);
    return missing === undefined
      ? E.right(json({ name, version }))
      : E.left({ tag: "service-unavailable", retryAfterSeconds: 60, cause: missing });
  });

/**
 * What keeps the store from giving the guarantees that the contract rests on, all of it, in fixed words for the log;
 * undefined when nothing does.
 */
export const missingGuarantee = (account: StoreAccount, isSingleCopy: boolean): string | undefined => {
  const { otps, "api-keys": apiKeys } = account.containers;
  const faults = [
    ...(isSingleCopy ? [] : faultsOfRegions(account)),
    ...faultsOfPartitioning("otps", otps),
    ...faultsOfPartitioning("api-keys", apiKeys),
    // Without one the store ignores what an item says of itself. Any number will do, since each item here says it.
    ...(otps.defaultTtlSeconds === undefined
      ? ["forgetting: the container otps must have a time to live, such as -1"]
      : []),
    // With -1 an item is forgotten only if it says so itself, and no keys do.
    ...((apiKeys.defaultTtlSeconds ?? -1) === -1
      ? []
      : ["keys in force: the container api-keys must have no default time to live, or it forgets them"]),
  ];
  return faults.length === 0 ? undefined : faults.join("; ");
};

const faultsOfRegions = (account: StoreAccount): readonly string[] => {
  const { consistencyLevel, hasSeveralWriteRegions, hasSeveralReadRegions } = account;
  return [
    ...(hasSeveralWriteRegions
      ? ["single use: two write regions can both accept a conditional write, so there must be only one"]
      : []),
    ...(consistencyLevel === "Strong"
      ? []
      : hasSeveralReadRegions
        ? ["immediate revocation: with several regions to read from, the default consistency must be Strong"]
        : consistencyLevel === "BoundedStaleness"
          ? []
          : ["immediate revocation: the default consistency must be Strong or BoundedStaleness"]),
  ];
};

/**
 * Under another partition key a point read finds nothing, and a slot and its OTP are in no transaction. The version of the
 * hash does not matter: version 1 tells keys apart by their first 100 bytes, and none here has more than 66.
 */
const faultsOfPartitioning = (
  name: ContainerName,
  { partitionKeyPaths }: ContainerShape,
): readonly string[] => {
  const expected = containerShapes[name].partitionKeyPaths.join();
  return partitionKeyPaths.join() === expected
    ? []
    : [`single use: the partition key of the container ${name} must be ${expected}`];
};
