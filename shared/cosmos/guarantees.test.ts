import { containerShapes, type ContainerName, type ContainerShape } from "./containers";
import { missingGuarantee } from "./guarantees";

describe("the guarantees that a store gives", () => {
  const sound = {
    consistencyLevel: "Strong",
    hasSeveralWriteRegions: false,
    hasSeveralReadRegions: false,
    containers: containerShapes,
  };

  it.each([
    ["Strong", false, false, undefined],
    ["Strong", false, true, undefined],
    ["BoundedStaleness", false, false, undefined],
    ["BoundedStaleness", false, true, "revocation"],
    ["Session", false, false, "revocation"],
    ["Strong", true, true, "single use"],
  ])(
    "names the guarantee that an account cannot give: %s, several write regions %s, several read regions %s",
    (consistencyLevel, hasSeveralWriteRegions, hasSeveralReadRegions, missing) => {
      const account = { ...sound, consistencyLevel, hasSeveralWriteRegions, hasSeveralReadRegions };
      const told = missingGuarantee(account, false);
      expect(told?.includes(missing ?? "nothing")).toBe(missing && true);
      // A single copy has no regions.
      expect(missingGuarantee(account, true)).toBeUndefined();
    },
  );

  it.each<[ContainerName, Partial<ContainerShape>, string | undefined]>([
    ["otps", {}, undefined],
    ["otps", { partitionKeyPaths: ["/partitionKey", "/id"] }, "partition key of the container otps"],
    ["otps", { partitionKeyPaths: ["/partitionkey"] }, "partition key of the container otps"],
    ["otps", { defaultTtlSeconds: 1 }, undefined],
    ["otps", { defaultTtlSeconds: undefined }, "otps must have a time to live"],
    ["api-keys", { partitionKeyPaths: ["/id", "/hash"] }, "partition key of the container api-keys"],
    ["api-keys", { defaultTtlSeconds: -1 }, undefined],
    ["api-keys", { defaultTtlSeconds: 2_147_483_647 }, "api-keys must have no default time to live"],
  ])(
    "names the container that cannot keep a promise, one copy or not: %s with %j",
    (name, shape, missing) => {
      const containers = { ...containerShapes, [name]: { ...containerShapes[name], ...shape } };
      for (const isSingleCopy of [true, false]) {
        const told = missingGuarantee({ ...sound, containers }, isSingleCopy);
        expect(told?.includes(missing ?? "nothing")).toBe(missing && true);
      }
    },
  );

  it("names everything that is missing", () => {
    const none = { partitionKeyPaths: [], defaultTtlSeconds: 1 };
    const told = missingGuarantee(
      {
        consistencyLevel: "Session",
        hasSeveralWriteRegions: true,
        hasSeveralReadRegions: true,
        containers: { otps: { ...none, defaultTtlSeconds: undefined }, "api-keys": none },
      },
      false,
    );
    expect(told?.split("; ").map((each) => each.split(":")[0])).toEqual([
      "single use",
      "immediate revocation",
      "single use",
      "single use",
      "forgetting",
      "keys in force",
    ]);
  });
});
