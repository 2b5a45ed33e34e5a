/** What the contract's guarantees need of the account. */
import { containerShapes, type ContainerName, type ContainerShape } from "./containers";

export interface StoreAccount {
  /** The default consistency level, in Azure Cosmos DB's words. */
  readonly consistencyLevel: string;
  readonly hasSeveralWriteRegions: boolean;
  /** One of them may take over from the write region, and may lag behind it. */
  readonly hasSeveralReadRegions: boolean;
  readonly containers: Readonly<Record<ContainerName, ContainerShape>>;
}

/** In fixed words for the log. */
export const missingGuarantee = (account: StoreAccount, isSingleCopy: boolean): string | undefined => {
  const { otps, "api-keys": apiKeys } = account.containers;
  const faults = [
    ...(isSingleCopy ? [] : faultsOfRegions(account)),
    ...faultsOfPartitioning("otps", otps),
    ...faultsOfPartitioning("api-keys", apiKeys),
    // Without any default, the store ignores an item's own time to live.
    ...(otps.defaultTtlSeconds === undefined
      ? ["forgetting: the container otps must have a time to live, such as -1"]
      : []),
    // With -1 the store purges only items that have a time to live of their own, and keys have none.
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
 * With another partition key a point read finds nothing, and a slot and its OTP share no transaction. Version 1 hashes the
 * first 100 bytes of a key; none here has more than 66.
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
