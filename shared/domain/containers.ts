/** The containers of the database, as data. The code that creates them and the code that checks them read it here. */

export type ContainerName = "otps" | "api-keys";

/** How a container partitions and purges its items. The guarantees depend on both, so nobody may choose them freely. */
export interface ContainerShape {
  /** Several paths are the levels of a hierarchical partition key. */
  readonly partitionKeyPaths: readonly string[];
  /**
   * After how many seconds the store purges an item that has no time to live of its own; -1: never. Undefined: the
   * store purges no item, even if the item has a time to live of its own.
   */
  readonly defaultTtlSeconds: number | undefined;
}

/** The containers as the service creates them. */
export const containerShapes = {
  /** OTPs and slots. Each item has a time to live of its own. */
  otps: { partitionKeyPaths: ["/partitionKey"], defaultTtlSeconds: -1 },
  /** The keys of each merchant, in one item whose id is the merchant's. The store never purges them. */
  "api-keys": { partitionKeyPaths: ["/id"], defaultTtlSeconds: undefined },
} as const satisfies Readonly<Record<ContainerName, ContainerShape>>;
