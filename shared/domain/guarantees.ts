/** What the contract's guarantees rest on, held against what the store says of itself. */
import { containerShapes } from "./containers";
import type { ContainerName, ContainerShape } from "./containers";
import type { StoreAccount } from "./store";

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
