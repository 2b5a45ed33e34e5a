import * as t from "io-ts";
import { MerchantId } from "../shared/domain/identifiers";
import { strangersPerSecond } from "../shared/domain/key-gate";
import { makeKeyring } from "../shared/domain/keyring";
import { ProblemBody, ValidationBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { discountId, type Reply } from "../tools/support/api";
import { nameOf } from "../tools/support/document";
import { decode, right } from "../tools/support/either";
import type { Fault, StoreRequest } from "../tools/support/fault-proxy";
import { applyLate, countOf, firstOf, inOrder, type Script } from "../tools/support/fault-scripts";
import {
  readItems,
  startBehindFaults,
  startService,
  type FaultyInstance,
  type Service,
} from "../tools/support/service";

const day = 86_400;
/** With another secret than the service's. */
const strangeKeyring = makeKeyring(Buffer.alloc(32, 1));

describe("ValidateOtp", () => {
  let service: Service;
  let apiKey: string;
  beforeEach(async () => {
    service = await startService();
    apiKey = await service.newApiKey();
  });
  afterEach(() => service.stop());

  it("answers a question with the OTP's expiry, and its one use with the instant", async () => {
    const code = await service.newCode();
    const asked = await service.ask(apiKey, code);
    service.clock.advance(42);
    const used = await service.use(apiKey, code);
    expect([asked.status, used.status]).toEqual([200, 200]);
    expect(asked.json).toEqual({ expires_at: "2026-03-01T10:10:00.000Z", discount_id: discountId });
    expect(used.json).toEqual({ expires_at: "2026-03-01T10:00:42.000Z", discount_id: discountId });
    expectProblem(await service.use(apiKey, code), 404, "otp-already-used");
  });

  it("refuses what is not written as a code is", async () => {
    expectProblem(await service.ask(apiKey, "short"), 400, "otp-invalid");
  });

  it("gives up when the store tells of the keys, but not of the OTP", async () => {
    const { instance } = await startBehindFaults(service, 5000, ({ container }) =>
      container === "otps" ? { kind: "status", status: 403 } : undefined,
    );
    expectProblem(await instance.ask(apiKey, "AAAAAAAAAAA"), 503, "service-unavailable");
  });

  describe("the test key", () => {
    let testApiKey: string;
    beforeEach(async () => {
      testApiKey = await service.newApiKey("shop-1", "test");
    });

    it("knows the codes of the contract's table, and uses none up", async () => {
      const outcomeOf = ({ json }: Reply): string =>
        ValidationBody.is(json) ? json.expires_at : nameOf(decode(ProblemBody, json).type);
      const [end, now] = ["2026-03-01T10:10:00.000Z", "2026-03-01T10:00:00.000Z"];
      for (const [code, asked, used] of [
        ["TESTLIVE000", end, now],
        ["TESTLIVE000", end, now],
        ["TESTRACE000", end, "otp-already-used"],
        ["TESTEXPIRED", "otp-expired", "otp-expired"],
        ["TESTUSED000", "otp-already-used", "otp-already-used"],
        ["TESTNEWER00", "otp-conflict", "otp-conflict"],
        ["TESTDOWN000", "service-unavailable", "service-unavailable"],
        ["AAAAAAAAAAA", "otp-not-found", "otp-not-found"],
      ] as const) {
        const replies = [await service.ask(testApiKey, code), await service.use(testApiKey, code)];
        expect([code, ...replies.map(outcomeOf)]).toEqual([code, asked, used]);
      }
    });

    it("does nothing to an OTP, and the merchant's other keys do nothing with a test code", async () => {
      const code = await service.newCode();
      expectProblem(await service.ask(testApiKey, code), 404, "otp-not-found");
      expectProblem(await service.use(testApiKey, code), 404, "otp-not-found");
      for (const each of [apiKey, await service.newApiKey("shop-1", "secondary")]) {
        expectProblem(await service.ask(each, "TESTLIVE000"), 404, "otp-not-found");
        expectProblem(await service.use(each, "TESTLIVE000"), 404, "otp-not-found");
      }
      expect((await service.use(apiKey, code)).status).toBe(200);
    });

    it("counts apart in the log, which takes no outage that it plays for one", async () => {
      await service.ask(testApiKey, "TESTDOWN000");
      expect(service.log.at(-1)?.level).toBe("information");
      expect(service.log.at(-1)?.text).toMatch(/"status":503.*"test":true/);
      await service.ask(testApiKey, "TESTUSED000");
      await service.ask(apiKey, "AAAAAAAAAAA");
      const outcomes = service.log.map(({ text }) => text).filter((text) => text.includes('"status":404'));
      expect(outcomes.map((text): unknown => JSON.parse(text)).slice(-2)).toEqual([
        expect.objectContaining({ merchant_id: "shop-1", test: true, store_round_trips: 1 }),
        expect.objectContaining({ merchant_id: "shop-1", store_round_trips: 2 }),
      ]);
      expect(outcomes.at(-1)).not.toContain("test");
    });
  });

  describe("the log's last line", () => {
    const telling = [
      "status",
      "problem",
      "merchant_id",
      "claimed_merchant_id",
      "discount_id",
      "invalidate_otp",
      "repetition",
    ];
    const outcomeOf = async (call: () => Promise<Reply>): Promise<unknown> => {
      service.log.length = 0;
      await call();
      const line = decode(t.record(t.string, t.unknown), JSON.parse(service.log.at(-1)?.text ?? ""));
      return Object.fromEntries(Object.entries(line).filter(([name]) => telling.includes(name)));
    };

    it("tells a question from a use, and a use from its repetition", async () => {
      const code = await service.newCode();
      const known = { status: 200, merchant_id: "shop-1", discount_id: discountId };
      expect(await outcomeOf(() => service.ask(apiKey, code))).toEqual(known);
      expect(await outcomeOf(() => service.use(apiKey, code, "cart 1"))).toEqual({
        ...known,
        invalidate_otp: true,
      });
      expect(await outcomeOf(() => service.use(apiKey, code, "cart 1"))).toEqual({
        ...known,
        invalidate_otp: true,
        repetition: true,
      });
      expect(await outcomeOf(() => service.use(apiKey, code, "cart 2"))).toEqual({
        ...known,
        status: 404,
        problem: "otp-already-used",
        invalidate_otp: true,
      });
    });

    it("does not take a use whose answer the store lost for a repetition", async () => {
      const code = await service.newCode();
      const script = inOrder("replace", { kind: "reset-after" });
      const { instance } = await startBehindFaults(service, 5000, script);
      expect((await instance.use(apiKey, code, "cart 1")).status).toBe(200);
      expect(instance.log.at(-1)?.text).not.toContain("repetition");
    });

    it("names the merchant of a key that is in force, and that of another as claimed", async () => {
      for (const merchantId of ["shop-1", "nobody"]) {
        const forged = strangeKeyring.newApiKey(right(MerchantId.decode(merchantId)), "primary");
        expect(await outcomeOf(() => service.ask(forged, "AAAAAAAAAAA"))).toEqual({
          status: 401,
          problem: "unauthorized",
          claimed_merchant_id: merchantId,
        });
      }
      // The gate's clock stands still, however long a busy machine takes.
      const clock = jest.spyOn(performance, "now").mockReturnValue(performance.now());
      const flood = Array.from({ length: 2 * strangersPerSecond }, () => {
        return service.ask(
          strangeKeyring.newApiKey(right(MerchantId.decode("shop-1")), "primary"),
          "AAAAAAAAAAA",
        );
      });
      const refused = (await Promise.all(flood)).find(({ status }) => status === 429);
      clock.mockRestore();
      expect(refused?.headers.get("retry-after")).toBe("1");
      const lines = service.log.filter(({ text }) => text.includes('"status":429'));
      expect(lines[0]?.text).toContain('"problem":"too-many-requests"');
      expect(lines[0]?.text).toContain('"claimed_merchant_id":"shop-1"');
      expect(await outcomeOf(() => service.ask("not a key", "AAAAAAAAAAA"))).toEqual({
        status: 401,
        problem: "unauthorized",
      });
    });
  });

  describe("an OTP that cannot be used", () => {
    it("looks to another merchant just as one that never existed", async () => {
      const code = await service.newCode();
      const otherKey = await service.newApiKey("shop-2");
      const strip = (text: string): string => text.replace(/urn:uuid:[0-9a-f-]+/, "");
      for (const invalidate_otp of [false, true]) {
        const foreign = await service.validate(otherKey, { otp_code: code, invalidate_otp });
        const absent = await service.validate(otherKey, { otp_code: "AAAAAAAAAAA", invalidate_otp });
        expectProblem(foreign, 404, "otp-not-found");
        expect(strip(foreign.text)).toBe(strip(absent.text));
        const headersOf = (headers: Headers): unknown[] => [...headers].filter(([name]) => name !== "date");
        expect(headersOf(foreign.headers)).toEqual(headersOf(absent.headers));
      }
      expect((await service.use(apiKey, code)).status).toBe(200);
    });

    it("is in conflict with a newer one of its beneficiary, and does not tell which", async () => {
      const code = await service.newCode();
      service.clock.advance(600);
      const newer = await service.newCode();
      const reply = await service.ask(apiKey, code);
      expectProblem(reply, 409, "otp-conflict");
      expect(reply.text).not.toContain(newer);
      await service.use(apiKey, newer);
      expectProblem(await service.ask(apiKey, code), 404, "otp-expired");
      service.clock.advance(day);
      expectProblem(await service.ask(apiKey, code), 404, "otp-not-found");
    });

    it("tells why it cannot be used when its slot has been forgotten before it", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code);
      for (const { id, partitionKey } of await readItems(service.otps)) {
        if (id.startsWith("slot-")) {
          await service.otps.item(id, partitionKey).delete();
        }
      }
      expectProblem(await service.ask(apiKey, code), 404, "otp-already-used");
    });
  });

  it("has the store keep an OTP, used or not, for its life, its retention and more than clocks can differ", async () => {
    const code = await service.newCode();
    const ttls = async (): Promise<unknown> =>
      Object.fromEntries((await readItems(service.otps)).map(({ id, ttl }) => [id.replace(/-.*/, ""), ttl]));
    expect(await ttls()).toEqual({ otp: 600 + day + 300, slot: 600 + 300 });
    service.clock.advance(100);
    await service.use(apiKey, code);
    expect(await ttls()).toEqual({ otp: 500 + day + 300, slot: 600 + 300 });
  });

  it("asks the store nothing for a key that cannot be one, and does not write for a repetition", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    const code = await service.newCode();
    await instance.ask("no key", code);
    expect(proxy.requests).toEqual([]);
    await service.use(apiKey, code, "cart 1");
    await instance.use(apiKey, code, "cart 1");
    expect(proxy.requests.map(({ operation }) => operation)).toEqual(["read", "read"]);
  });

  describe("after a use whose outcome is unknown", () => {
    const readUses = async (): Promise<unknown[]> =>
      (await readItems(service.otps)).flatMap((item) => ("use" in item ? [item.use] : []));

    /** The first write does not arrive yet, and the OTP's end comes before the service looks. */
    const startWithLostWrite = async (
      meetLater: (lost: StoreRequest) => Fault | undefined,
    ): Promise<FaultyInstance & { readonly writes: readonly StoreRequest[] }> => {
      const writes: StoreRequest[] = [];
      const reachItsEnd = (): Promise<void> => {
        service.clock.advance(600);
        return Promise.resolve();
      };
      const faulty = await startBehindFaults(service, 5000, (request) => {
        const [lost] = writes;
        if (request.operation === "replace") {
          writes.push(request);
          return lost === undefined ? { kind: "reset-before" } : meetLater(lost);
        }
        return lost === undefined ? undefined : { kind: "rival", run: reachItsEnd };
      });
      return { ...faulty, writes };
    };

    it.each([undefined, "cart 1"])(
      "refuses an OTP whose end came meanwhile only once the use can no longer be applied (Idempotency-Key: %s)",
      async (idempotencyKey) => {
        const { instance, writes } = await startWithLostWrite(() => undefined);
        const code = await service.newCode();
        expectProblem(await instance.use(apiKey, code, idempotencyKey), 404, "otp-expired");
        const [lost, ...later] = writes;
        expect(later).toHaveLength(1);
        expect(lost && (await applyLate(service.config.cosmos.endpoint, lost))).toBe(412);
        expect(await readUses()).toEqual([null]);
      },
    );

    it("refuses it to the same call again only once the use of the first can no longer be applied", async () => {
      const code = await service.newCode();
      const { proxy, instance } = await startBehindFaults(service, 5000);
      const afterwards: Script = () =>
        countOf(proxy, "write") > 0 ? { kind: "status", status: 403 } : undefined;
      proxy.script(firstOf(inOrder("write", { kind: "reset-before" }), afterwards));
      expectProblem(await instance.use(apiKey, code, "cart 1"), 503, "service-unavailable");
      service.clock.advance(600);
      expectProblem(await service.use(apiKey, code, "cart 1"), 404, "otp-expired");
      const lost = proxy.requests.find(({ operation }) => operation === "replace");
      expect(lost && (await applyLate(service.config.cosmos.endpoint, lost))).toBe(412);
      expect(await readUses()).toEqual([null]);
    });

    it("refuses without a write an expired OTP to a question, and to a use without an Idempotency-Key", async () => {
      const code = await service.newCode();
      service.clock.advance(600);
      const { proxy, instance } = await startBehindFaults(service, 5000);
      expectProblem(await instance.ask(apiKey, code), 404, "otp-expired");
      expectProblem(await instance.use(apiKey, code), 404, "otp-expired");
      expect(countOf(proxy, "write")).toBe(0);
    });

    it("grants it when the use was applied after all, though its end has come", async () => {
      const { instance, writes } = await startWithLostWrite((lost) => ({
        kind: "rival",
        run: () => applyLate(service.config.cosmos.endpoint, lost),
      }));
      const code = await service.newCode();
      expect((await instance.use(apiKey, code, "cart 1")).status).toBe(200);
      expect(writes).toHaveLength(2);
      expect((await service.use(apiKey, code, "cart 1")).status).toBe(200);
    });
  });

  describe("without a key in force", () => {
    const otherSecret = Buffer.from("another secret, of 32 bytes or more").toString("base64");

    it.each<[string, Record<string, string>]>([
      ["one secret", {}],
      ["two secrets", { OTP_SECRET_SECOND: otherSecret }],
    ])("is refused before the store has said anything of the OTP, with %s", async (_, settings) => {
      await service.newApiKey();
      const code = await service.newCode();
      let tell = (): void => undefined;
      const isAsked = new Promise<void>((resolve) => (tell = resolve));
      let looked = 0;
      const { proxy, instance } = await startBehindFaults(
        { ...service, settings: { ...service.settings, ...settings } },
        5000,
        ({ container }) => {
          if (container !== "otps") {
            return undefined;
          }
          looked += 1;
          return { kind: "rival", run: () => isAsked };
        },
      );
      for (const asked of [code, "BBBBBBBBBBB"]) {
        expectProblem(await instance.ask(apiKey, asked), 401, "unauthorized");
      }
      tell();
      await proxy.settled();
      // The second secret is looked under for a merchant only.
      expect(looked).toBe(2);
    });
  });
});
