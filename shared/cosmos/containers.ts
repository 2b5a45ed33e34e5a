/** How the service creates its containers, and what it checks of those that it finds. */
import type { ContainerDefinition, ContainerResponse, IndexingPolicy } from "@azure/cosmos";

export type ContainerName = "otps" | "api-keys";

/** What the guarantees depend on. */
export interface ContainerShape {
  readonly partitionKeyPaths: readonly string[];
  /** -1: the store purges only items with a time to live of their own. Undefined: it purges none. */
  readonly defaultTtlSeconds: number | undefined;
}

export const containerShapes = {
  /** OTPs and slots, each with a time to live of its own. */
  otps: { partitionKeyPaths: ["/partitionKey"], defaultTtlSeconds: -1 },
  /** One item for each merchant, which the store never purges. */
  "api-keys": { partitionKeyPaths: ["/id"], defaultTtlSeconds: undefined },
} as const satisfies Readonly<Record<ContainerName, ContainerShape>>;

// The service makes no queries, but the time to live needs indexing.
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
