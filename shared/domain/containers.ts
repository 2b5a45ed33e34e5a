/** The containers of the database, as data: whoever creates or checks them reads it here. */

export type ContainerName = "otps" | "api-keys";

/** How a container splits and forgets its items: what cannot be left to whoever creates it. */
export interface ContainerShape {
  /** Several are the levels of a hierarchical partition key. */
  readonly partitionKeyPaths: readonly string[];
  /**
   * After how many seconds the store forgets an item that does not say so itself; -1: never. Undefined: it forgets none,
   * not even one that says so itself.
   */
  readonly defaultTtlSeconds: number | undefined;
}

/** The containers as the service creates them. */
export const containerShapes = {
  /** OTPs and slots; each item says itself when it is to be forgotten. */
  otps: { partitionKeyPaths: ["/partitionKey"], defaultTtlSeconds: -1 },
  /** The keys of each merchant, in one item whose id is the merchant's. They are never forgotten. */
  "api-keys": { partitionKeyPaths: ["/id"], defaultTtlSeconds: undefined },
} as const satisfies Readonly<Record<ContainerName, ContainerShape>>;
