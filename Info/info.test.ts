import type { ContainerDefinition } from "@azure/cosmos";
import { makeFunctions } from "../functions";
import { makeHost } from "../local/host";
import { close, listen } from "../local/server";
import { name, version } from "../package.json";
import { toDefinition, type ContainerName } from "../shared/cosmos/containers";
import { makeCosmosStore } from "../shared/cosmos/cosmos-store";
import { expectProblem } from "../tests/support/expect-problem";
import { makeApi, type Reply } from "../tools/support/api";
import { startFaultProxy } from "../tools/support/fault-proxy";
import { startService, type Service } from "../tools/support/service";

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
      const store = makeCosmosStore(config);
      const log: string[] = [];
      const host = makeHost(makeFunctions(config, store.forCall), (_, ...args) => {
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

    it.each(["Session"])("is unavailable with %s consistency, and logs why", async (level) => {
      const [reply, log] = await infoOn(consistency(level));
      expectProblem(reply, 503, "service-unavailable");
      expect(log).toContain("immediate revocation");
      expect(reply.text).not.toContain("revocation");
    });

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

  describe("on containers that somebody else created", () => {
    type Definition = Omit<ContainerDefinition, "id">;
    const good = { otps: toDefinition("otps"), "api-keys": toDefinition("api-keys") };
    const infoWith = async (name: ContainerName, definition: Definition): Promise<[Reply, string]> => {
      await (name === "otps" ? service.otps : service.apiKeys).delete();
      await service.otps.database.containers.create({ ...definition, id: name });
      const reply = await service.info();
      return [reply, service.log.map(({ text }) => text).join("\n")];
    };

    it.each<[ContainerName, Definition, string]>([
      [
        "otps",
        { ...good.otps, partitionKey: { paths: ["/id"] } },
        "the partition key of the container otps must be /partitionKey",
      ],
      ["otps", { partitionKey: { paths: ["/partitionKey"] } }, "the container otps must have a time to live"],
      [
        "api-keys",
        { ...good["api-keys"], defaultTtl: 3600 },
        "the container api-keys must have no default time to live",
      ],
    ])("is unavailable, and logs why: %s with %j", async (name, definition, cause) => {
      const [reply, log] = await infoWith(name, definition);
      expectProblem(reply, 503, "service-unavailable");
      expect(log).toContain(cause);
      expect(reply.text).not.toContain(name);
    });

    it.each<[ContainerName, Definition]>([
      ["otps", { ...good.otps, defaultTtl: 86_400 }],
      ["api-keys", { ...good["api-keys"], defaultTtl: -1 }],
    ])("is available with %s as the promises need it: %j", async (name, definition) => {
      expect((await infoWith(name, definition))[0].status).toBe(200);
    });
  });
});
