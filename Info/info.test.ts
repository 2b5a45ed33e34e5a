import { name, version } from "../package.json";
import { makeFunctions } from "../functions";
import { makeHost } from "../local/host";
import { close, listen } from "../local/server";
import { makeCosmosStore } from "../shared/cosmos-store";
import { startFaultProxy } from "../tests/fault-proxy";
import { expectProblem, makeApi, startBehindFaults, startService } from "../tests/support";
import type { Reply, Service } from "../tests/support";
import { missingGuarantee } from "./info";

describe("Info", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it("tells the name and the version of a service that can keep its promises", async () => {
    const reply = await service.info();
    expect(reply.status).toBe(200);
    expect(reply.json).toEqual({ name, version });
  });

  it("is unavailable while the store is away", async () => {
    const { proxy, instance, stop } = await startBehindFaults(service, 200);
    proxy.script(() => ({ kind: "reset-before" }));
    const reply = await instance.info();
    await stop();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  });

  it.each(["otps", "api-keys"] as const)(
    "is unavailable while the container %s is missing",
    async (container) => {
      await (container === "otps" ? service.otps : service.apiKeys).delete();
      expectProblem(await service.info(), 503, "service-unavailable");
    },
  );

  describe("on an account with regions", () => {
    const infoOn = async (account: Record<string, unknown>): Promise<[Reply, string]> => {
      const proxy = await startFaultProxy(service.config.cosmos.endpoint, account);
      const config = {
        ...service.config,
        cosmos: { ...service.config.cosmos, endpoint: proxy.endpoint, isSingleCopy: false },
      };
      const store = makeCosmosStore(config.cosmos, config.requestDeadlineMs);
      const log: string[] = [];
      const host = makeHost(makeFunctions(config, store.connect), (_, ...args) => {
        log.push(args.map(String).join(" "));
      });
      const api = makeApi(`http://127.0.0.1:${await listen(host, 0)}`);
      service.stopFirst(async () => {
        await close(host);
        store.dispose();
        await proxy.close();
      });
      const reply = await api.info();
      return [reply, log.join("\n")];
    };
    const consistency = (defaultConsistencyLevel: string): Record<string, unknown> => ({
      userConsistencyPolicy: { defaultConsistencyLevel },
    });

    it.each(["Strong", "BoundedStaleness"])("is available with %s consistency", async (level) => {
      const [reply] = await infoOn(consistency(level));
      expect(reply.status).toBe(200);
    });

    it.each(["Session", "ConsistentPrefix", "Eventual"])(
      "is unavailable with %s consistency, and logs why",
      async (level) => {
        const [reply, log] = await infoOn(consistency(level));
        expectProblem(reply, 503, "service-unavailable");
        expect(log).toContain("immediate revocation");
        expect(reply.text).not.toContain("revocation");
      },
    );

    it("is unavailable with several regions to read from, unless each of them sees the last write", async () => {
      const regions = ["Italy North", "West Europe"].map((region) => ({
        name: region,
        databaseAccountEndpoint: service.config.cosmos.endpoint,
      }));
      const [strong] = await infoOn({ ...consistency("Strong"), readableLocations: regions });
      expect(strong.status).toBe(200);
      const [reply, log] = await infoOn({ ...consistency("BoundedStaleness"), readableLocations: regions });
      expectProblem(reply, 503, "service-unavailable");
      expect(log).toContain("several regions to read from");
    });

    it("is unavailable with several write regions, and logs why", async () => {
      const [reply, log] = await infoOn({ ...consistency("Strong"), enableMultipleWriteLocations: true });
      expectProblem(reply, 503, "service-unavailable");
      expect(log).toContain("single use");
    });
  });

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
      const told = missingGuarantee({ consistencyLevel, hasSeveralWriteRegions, hasSeveralReadRegions });
      expect(told?.includes(missing ?? "nothing")).toBe(missing && true);
    },
  );
});
