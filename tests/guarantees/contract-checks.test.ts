import type { Api } from "../../tools/support/api";
import { unpackArchive, type UnpackedArchive } from "../support/archive";
import { startFunctionsHost } from "../support/functions-host";
import { startService, type Service } from "../../tools/support/service";
import { contractChecks } from "../../tools/verify/contract-checks";

const lifetimeSeconds = 600;
/** What the checks that wait for the end of an OTP have to wait. */
const shortLifetimeSeconds = 2;

describe("the contract is kept", () => {
  let service: Service;
  let archive: UnpackedArchive;
  beforeAll(async () => {
    service = await startService();
    archive = await unpackArchive();
  });
  afterAll(async () => {
    await archive.remove();
    await service.stop();
  });

  describe.each([
    ["started", false],
    ["specialized", true],
  ])("by the deployed archive, %s on the platform", (_, isSpecialized) => {
    const hosts = new Map<number, Promise<Api & { stop(): Promise<void> }>>();
    const hostWith = (ttlSeconds: number): Promise<Api> => {
      const started =
        hosts.get(ttlSeconds) ??
        startFunctionsHost({
          folder: archive.folder,
          placeholder: isSpecialized ? archive.placeholder : undefined,
          settings: { ...service.settings, OTP_TTL_IN_SECONDS: String(ttlSeconds) },
        });
      hosts.set(ttlSeconds, started);
      return started;
    };
    afterAll(async () => {
      for (const host of hosts.values()) {
        await (await host).stop();
      }
    });

    it.each(contractChecks)("$promise", async ({ run, takesLifetime }) => {
      const ttlSeconds = takesLifetime ? shortLifetimeSeconds : lifetimeSeconds;
      await run(await hostWith(ttlSeconds), ttlSeconds);
    });
  });
});
