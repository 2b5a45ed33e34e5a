import { contractChecks } from "../../tools/verify/contract-checks";
import { startService, type Service } from "../../tools/support/service";
import { unpackArchive, type UnpackedArchive } from "../support/archive";
import { startFunctionsHost, type FunctionsHost } from "../support/functions-host";

const lifetimeSeconds = 600;
/** What the checks that wait for the end of an OTP have to wait. */
const shortLifetimeSeconds = 2;

/** `tests/product/bundle.test.ts` calls an archive that is started there. Most instances on Azure are specialized. */
describe("the contract is kept by the deployed archive, specialized on the platform", () => {
  let service: Service;
  let archive: UnpackedArchive;
  let long: FunctionsHost;
  let short: FunctionsHost;
  beforeAll(async () => {
    [service, archive] = await Promise.all([startService(), unpackArchive()]);
    const { folder, placeholder } = archive;
    const start = (ttlSeconds: number): Promise<FunctionsHost> =>
      startFunctionsHost({
        folder,
        placeholder,
        settings: { ...service.settings, OTP_TTL_IN_SECONDS: String(ttlSeconds) },
      });
    [long, short] = await Promise.all([start(lifetimeSeconds), start(shortLifetimeSeconds)]);
  });
  afterAll(async () => {
    await Promise.all([long.stop(), short.stop()]);
    await Promise.all([archive.remove(), service.stop()]);
  });

  it.concurrent.each(contractChecks)("$promise", ({ run, takesLifetime }) =>
    takesLifetime ? run(short, shortLifetimeSeconds) : run(long, lifetimeSeconds),
  );
});
