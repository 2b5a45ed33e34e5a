import { randomBytes } from "node:crypto";
import { MerchantId } from "../../shared/domain/identifiers";
import { strangersPerSecond } from "../../shared/domain/key-gate";
import { makeKeyring } from "../../shared/domain/keyring";
import type { Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import {
  startBehindFaults,
  startService,
  type FaultyInstance,
  type Service,
} from "../../tools/support/service";
import { expectProblem } from "../support/expect-problem";

const calls = 400;
const readsPerCall = 2;

/** Keys that anybody can compute: well-formed, with a right checksum. */
const stranger = makeKeyring(randomBytes(32));
const madeUpKeys = (merchant: string): readonly string[] =>
  Array.from({ length: calls }, () => stranger.newApiKey(decode(MerchantId, merchant), "primary"));

describe("a flood of made-up API keys", () => {
  let service: Service;
  let flooded: FaultyInstance;
  beforeEach(async () => {
    service = await startService();
    flooded = await startBehindFaults(service, 30_000);
  });
  afterEach(() => service.stop());

  /** Asks with each of these keys, and between them with the merchant's. Returns the answers to each. */
  const flood = async (
    keys: readonly string[],
    apiKey: string,
  ): Promise<{ toMadeUp: readonly Reply[]; toMerchant: readonly Reply[]; admitted: number }> => {
    const code = await service.newCode();
    const start = performance.now();
    const toMerchant: Reply[] = [];
    const toMadeUp: Reply[] = [];
    for (let index = 0; index < keys.length; index += 40) {
      const some = keys.slice(index, index + 40).map((key) => flooded.instance.ask(key, code));
      toMerchant.push(await flooded.instance.ask(apiKey, code));
      toMadeUp.push(...(await Promise.all(some)));
    }
    const seconds = (performance.now() - start) / 1000;
    return { toMadeUp, toMerchant, admitted: strangersPerSecond * (1 + seconds) };
  };

  it("costs the store a few reads a second, and no merchant an answer", async () => {
    const apiKey = await service.newApiKey();
    // The client reads the account and the containers before its first call.
    await flooded.instance.ask(apiKey, "AAAAAAAAAAA");
    await flooded.proxy.reset();
    const { toMadeUp, toMerchant, admitted } = await flood(madeUpKeys("shop-1"), apiKey);
    expect(new Set(toMerchant.map(({ status }) => status))).toEqual(new Set([200]));
    const read = toMadeUp.filter(({ status }) => status === 401);
    expect(read.length).toBeLessThanOrEqual(admitted);
    expect(flooded.proxy.requests).toHaveLength(readsPerCall * (read.length + toMerchant.length));
    for (const reply of toMadeUp.filter((each) => !read.includes(each))) {
      expectProblem(reply, 429, "too-many-requests");
      expect(reply.headers.get("retry-after")).toBe("1");
    }
    expect(read.length).toBeLessThan(calls);
  });

  it.each([
    ["made under the second secret", true],
    ["in use since before the secret was replaced", false],
  ])("refuses no key that is %s", async (_, isKept) => {
    const apiKey = await service.newApiKey();
    const settings = {
      ...service.settings,
      OTP_SECRET: randomBytes(32).toString("base64"),
      ...(isKept ? { OTP_SECRET_SECOND: service.settings["OTP_SECRET"] ?? "" } : {}),
    };
    flooded = await startBehindFaults({ ...service, settings }, 30_000);
    await flooded.instance.ask(apiKey, "AAAAAAAAAAA");
    const { toMadeUp, toMerchant } = await flood(madeUpKeys("shop-1"), apiKey);
    // Without the second secret its codes are unknown.
    expect(new Set(toMerchant.map(({ status }) => status))).toEqual(new Set([isKept ? 200 : 404]));
    expect(toMadeUp.map(({ status }) => status)).toContain(429);
  });

  it("is no flood of a key that was replaced, which is told 401 each time", async () => {
    const former = await service.newApiKey();
    const apiKey = await service.newApiKey();
    const { toMadeUp } = await flood(
      Array.from({ length: calls }, () => former),
      apiKey,
    );
    expect(new Set(toMadeUp.map(({ status }) => status))).toEqual(new Set([401]));
  });
});
