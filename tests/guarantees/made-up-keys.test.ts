import { randomBytes } from "node:crypto";
import { MerchantId } from "../../shared/domain/identifiers";
import { strangersPerSecond } from "../../shared/domain/key-gate";
import { makeKeyring } from "../../shared/domain/keyring";
import type { Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import { startBehindFaults, startService, type Service } from "../../tools/support/service";
import { expectProblem } from "../support/expect-problem";

const calls = 80;
const readsPerCall = 2;

describe("a flood of made-up API keys", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());
  afterEach(() => jest.restoreAllMocks());

  /** Asks within one second with many keys that anybody can compute, and between them with the merchant's. */
  const flood = async (
    settings: Readonly<Record<string, string>>,
  ): Promise<Record<"toMadeUp" | "toMerchant", readonly Reply[]> & { reads: number }> => {
    const [apiKey, code] = [await service.newApiKey(), await service.newCode()];
    const { proxy, instance } = await startBehindFaults(
      { ...service, settings: { ...service.settings, ...settings } },
      30_000,
    );
    await instance.ask(apiKey, code);
    await proxy.reset();
    // Well-formed, with a right checksum.
    const stranger = makeKeyring(randomBytes(32));
    // The gate's clock stands still, however long a busy machine takes.
    jest.spyOn(performance, "now").mockReturnValue(performance.now());
    const toMerchant: Reply[] = [];
    const toMadeUp: Reply[] = [];
    for (let made = 0; made < calls; made += 40) {
      const some = Array.from({ length: 40 }, () =>
        instance.ask(stranger.newApiKey(decode(MerchantId, "shop-1"), "primary"), code),
      );
      toMerchant.push(await instance.ask(apiKey, code));
      toMadeUp.push(...(await Promise.all(some)));
    }
    return { toMadeUp, toMerchant, reads: proxy.requests.length };
  };

  it("costs the store a few reads a second, and no merchant an answer", async () => {
    const { toMadeUp, toMerchant, reads } = await flood({});
    expect(new Set(toMerchant.map(({ status }) => status))).toEqual(new Set([200]));
    const refused = toMadeUp.filter(({ status }) => status !== 401);
    expect(toMadeUp.length - refused.length).toBe(strangersPerSecond);
    expect(reads).toBe(readsPerCall * (strangersPerSecond + toMerchant.length));
    for (const reply of refused) {
      expectProblem(reply, 429, "too-many-requests");
      expect(reply.headers.get("retry-after")).toBe("1");
    }
  });

  it("refuses no key that is in use since before the secret was replaced", async () => {
    const { toMerchant } = await flood({ OTP_SECRET: randomBytes(32).toString("base64") });
    // Without the second secret its codes are unknown.
    expect(new Set(toMerchant.map(({ status }) => status))).toEqual(new Set([404]));
  });
});
