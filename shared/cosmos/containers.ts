/** The containers of the database: how the service creates them, and what it checks of those that it finds. */
import type { ContainerDefinition, ContainerResponse, IndexingPolicy } from "@azure/cosmos";

export type ContainerName = "otps" | "api-keys";

/** How a container partitions and purges its items. The guarantees depend on both. */
export interface ContainerShape {
  readonly partitionKeyPaths: readonly string[];
  /** -1: the store purges only items with a time to live of their own. Undefined: it purges none. */
  readonly defaultTtlSeconds: number | undefined;
}

export const containerShapes = {
  /** OTPs and slots. Each item has a time to live of its own. */
  otps: { partitionKeyPaths: ["/partitionKey"], defaultTtlSeconds: -1 },
  /** The keys of each merchant, in one item whose id is the merchant's. The store never purges them. */
  "api-keys": { partitionKeyPaths: ["/id"], defaultTtlSeconds: undefined },
} as const satisfies Readonly<Record<ContainerName, ContainerShape>>;

// The service reaches every item by its id. The time to live needs indexing to stay on.
const indexingPolicy = {
  indexingMode: "consistent",
  includedPaths: [],
  excludedPaths: [{ path: "/*" }],
} satisfies IndexingPolicy;

export const toDefinition = (name: ContainerName): ContainerDefinition => {
  const { partitionKeyPaths, defaultTtlSeconds } = containerShapes[name];
  return {
    id: name,
    partitionKey: { paths: [...partitionKeyPaths] },
    ...(defaultTtlSeconds === undefined ? {} : { defaultTtl: defaultTtlSeconds }),
    indexingPolicy,
  };
};

export const toShape = ({ resource }: ContainerResponse): ContainerShape => ({
  partitionKeyPaths: resource?.partitionKey?.paths ?? [],
  // REST also says null for none.
  defaultTtlSeconds: resource?.defaultTtl ?? undefined,
});
