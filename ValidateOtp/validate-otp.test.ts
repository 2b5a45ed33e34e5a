import * as t from "io-ts";
import { MerchantId } from "../shared/domain/identifiers";
import { makeKeyring } from "../shared/domain/keyring";
import { expectProblem } from "../tests/support/expect-problem";
import { call, discountId, fiscalCode, type Reply } from "../tools/support/api";
import { decode, right } from "../tools/support/either";
import type { Fault, StoreRequest } from "../tools/support/fault-proxy";
import { applyLate, countOf, every, inOrder, throttled } from "../tools/support/fault-scripts";
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

  describe("asking", () => {
    it("tells the expiry and the discount of a live OTP", async () => {
      const reply = await service.ask(apiKey, await service.newCode());
      expect(reply.status).toBe(200);
      expect(reply.headers.get("content-type")).toBe("application/json");
      expect(reply.json).toEqual({ expires_at: "2026-03-01T10:10:00.000Z", discount_id: discountId });
    });

    it("never uses the OTP, however often", async () => {
      const code = await service.newCode();
      const before = await readItems(service.otps);
      for (let count = 0; count < 5; count++) {
        expect((await service.ask(apiKey, code)).status).toBe(200);
      }
      expect(await readItems(service.otps)).toEqual(before);
    });
  });

  describe("using", () => {
    const longest = "x".repeat(255);

    it("tells the instant of use in place of the expiry", async () => {
      const code = await service.newCode();
      service.clock.advance(42);
      const reply = await service.use(apiKey, code);
      expect(reply.status).toBe(200);
      expect(reply.json).toEqual({ expires_at: "2026-03-01T10:00:42.000Z", discount_id: discountId });
    });

    it("works once, and to the last millisecond of the OTP's life", async () => {
      const code = await service.newCode();
      service.clock.advance(599.999);
      expect((await service.use(apiKey, code)).status).toBe(200);
      expectProblem(await service.use(apiKey, code), 404, "otp-already-used");
      expectProblem(await service.ask(apiKey, code), 404, "otp-already-used");
    });

    it("answers the same again to the same Idempotency-Key, even after the OTP's life", async () => {
      const code = await service.newCode();
      const first = await service.use(apiKey, code, longest);
      service.clock.advance(3600);
      const second = await service.use(apiKey, code, longest);
      expect([second.status, second.text]).toEqual([200, first.text]);
    });

    it("takes another Idempotency-Key, none, or a mere question for another call", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code, "cart 42");
      const replies = [
        await service.use(apiKey, code, "cart 43"),
        await service.use(apiKey, code),
        await service.validate(
          apiKey,
          { otp_code: code, invalidate_otp: false },
          { "Idempotency-Key": "cart 42" },
        ),
      ];
      for (const reply of replies) {
        expectProblem(reply, 404, "otp-already-used");
      }
    });

    it("does not take one merchant's Idempotency-Key for another's", async () => {
      const other = { merchant_id: "shop-2", discount_id: discountId };
      const otherKey = await service.newApiKey("shop-2");
      const [code, otherCode] = [await service.newCode(), await service.newCode(fiscalCode, other)];
      await service.use(apiKey, code, "cart 42");
      expect((await service.use(otherKey, otherCode, "cart 42")).status).toBe(200);
      expectProblem(await service.use(otherKey, code, "cart 42"), 404, "otp-not-found");
    });
  });

  describe("bad input", () => {
    it.each([
      ["otp_code", "missing", { invalidate_otp: true }],
      ["otp_code", "null", { otp_code: null, invalidate_otp: true }],
      ["invalidate_otp", "missing", { otp_code: "AAAAAAAAAAA" }],
      ["invalidate_otp", "misspelt", { otp_code: "AAAAAAAAAAA", invalidateOtp: true }],
      ["invalidate_otp", "a string", { otp_code: "AAAAAAAAAAA", invalidate_otp: "true" }],
      ["invalidate_otp", "null", { otp_code: "AAAAAAAAAAA", invalidate_otp: null }],
    ])("refuses a %s that is %s, and names the field in the caller's language", async (field, _, body) => {
      for (const language of ["it", "en"]) {
        const reply = await service.validate(apiKey, body, { "Accept-Language": language });
        expectProblem(reply, 400, "invalid-request");
        expect(reply.text).toMatch(new RegExp(`(?:controllare|look at) ${field}\\."`));
        expect(reply.headers.get("content-language")).toBe(language);
      }
    });

    it.each(["AAAAAAAAAA", "AAAAAAAAAAAA", "aaaaaaaaaaa", "AAAAAAAAAA\n"])(
      "tells that %j is not written as a code is",
      async (code) => {
        expectProblem(await service.ask(apiKey, code), 400, "otp-invalid");
      },
    );

    it.each([
      ["of 256 characters", "x".repeat(256)],
      // In UTF-8, as the platform reads it: `fetch` has a byte for each character.
      ["outside printable ASCII", Buffer.from("caffè").toString("latin1")],
    ])("refuses an Idempotency-Key that is %s", async (_, idempotencyKey) => {
      const code = await service.newCode();
      const reply = await service.use(apiKey, code, idempotencyKey);
      expectProblem(reply, 400, "invalid-request");
      expect(reply.text).toContain("Idempotency-Key");
      expect((await service.ask(apiKey, code)).status).toBe(200);
    });

    it("takes an empty Idempotency-Key for none", async () => {
      const code = await service.newCode();
      expect((await service.use(apiKey, code, "")).status).toBe(200);
      expectProblem(await service.use(apiKey, code, ""), 404, "otp-already-used");
    });

    it("refuses a body larger than 4 KiB", async () => {
      const reply = await service.validate(apiKey, { otp_code: "x".repeat(4096) });
      expectProblem(reply, 413, "request-too-large");
    });
  });

  describe("the API key", () => {
    const unknownKey = strangeKeyring.newApiKey(right(MerchantId.decode("nobody")), "primary");

    it.each([
      ["empty", ""],
      ["malformed", "secret"],
      ["unknown", unknownKey],
      ["with a wrong checksum", unknownKey.slice(0, -1) + (unknownKey.endsWith("0") ? "1" : "0")],
      ["sent twice", `${unknownKey}, ${unknownKey}`],
    ])("is refused when %s, with a challenge", async (_, presented) => {
      const reply = await service.ask(presented, await service.newCode());
      expectProblem(reply, 401, "unauthorized");
      expect(reply.headers.get("www-authenticate")).toBe(
        'ApiKey realm="cgn-otp", header="Ocp-Apim-Subscription-Key"',
      );
    });

    it("is refused when the merchant exists, but never had it, and asked for when there is none", async () => {
      const forged = strangeKeyring.newApiKey(right(MerchantId.decode("shop-1")), "primary");
      expectProblem(await service.ask(forged, await service.newCode()), 401, "unauthorized");
      const url = `${service.baseUrl}/api/v1/merchant/cgn/otp/validate`;
      const body = JSON.stringify({ otp_code: "AAAAAAAAAAA", invalidate_otp: false });
      expectProblem(await call(url, { method: "POST", body }), 401, "unauthorized");
    });

    it("is not needed to learn that a request is not valid", async () => {
      expectProblem(await service.ask("", "short"), 400, "otp-invalid");
    });
  });

  describe("the test key", () => {
    let testApiKey: string;
    beforeEach(async () => {
      testApiKey = await service.newApiKey("shop-1", "test");
    });

    const live = { status: 200, problem: undefined };
    const expired = { status: 404, problem: "otp-expired" };
    const used = { status: 404, problem: "otp-already-used" };
    const newer = { status: 409, problem: "otp-conflict" };
    const down = { status: 503, problem: "service-unavailable" };
    const notFound = { status: 404, problem: "otp-not-found" };
    it.each([
      ["TESTLIVE000", live, live],
      ["TESTRACE000", live, used],
      ["TESTEXPIRED", expired, expired],
      ["TESTUSED000", used, used],
      ["TESTNEWER00", newer, newer],
      ["TESTDOWN000", down, down],
      ["TESTLIVE001", notFound, notFound],
      ["AAAAAAAAAAA", notFound, notFound],
    ])("answers %s as the contract's table says, as often as one likes", async (code, asked, usedUp) => {
      const check = (reply: Reply, { status, problem }: typeof asked, expiresInSeconds: number): void => {
        if (problem !== undefined) {
          expectProblem(reply, status, problem);
          expect(reply.headers.get("retry-after")).toBe(status === 503 ? "1" : null);
          return;
        }
        const expiresAt = new Date(service.clock().getTime() + expiresInSeconds * 1000).toISOString();
        expect([reply.status, reply.json]).toEqual([
          200,
          { expires_at: expiresAt, discount_id: "test-discount" },
        ]);
      };
      for (let round = 0; round < 2; round++) {
        check(await service.ask(testApiKey, code), asked, 600);
        check(await service.use(testApiKey, code, "cart 1"), usedUp, 0);
        service.clock.advance(1);
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

    it("is refused once it was replaced or revoked, while the merchant's other keys go on", async () => {
      const renewed = await service.newApiKey("shop-1", "test");
      expectProblem(await service.ask(testApiKey, "TESTLIVE000"), 401, "unauthorized");
      expect((await service.ask(renewed, "TESTLIVE000")).status).toBe(200);
      await service.revoke("shop-1", "test");
      expectProblem(await service.ask(renewed, "TESTLIVE000"), 401, "unauthorized");
      const neverMade = strangeKeyring.newApiKey(right(MerchantId.decode("nobody")), "test");
      expectProblem(await service.ask(neverMade, "TESTDOWN000"), 401, "unauthorized");
      expect((await service.ask(apiKey, await service.newCode())).status).toBe(200);
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
      const forged = strangeKeyring.newApiKey(right(MerchantId.decode("shop-1")), "primary");
      expect(await outcomeOf(() => service.ask(forged, "AAAAAAAAAAA"))).toEqual({
        status: 401,
        problem: "unauthorized",
        claimed_merchant_id: "shop-1",
      });
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

    it("is expired once its time is over, for 24 hours, and then is not found", async () => {
      const code = await service.newCode();
      service.clock.advance(600);
      expectProblem(await service.use(apiKey, code), 404, "otp-expired");
      service.clock.advance(day - 1);
      expectProblem(await service.ask(apiKey, code), 404, "otp-expired");
      service.clock.advance(1);
      expectProblem(await service.ask(apiKey, code), 404, "otp-not-found");
    });

    it("still says that it was used 24 hours after its use, and at some time is not found", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code);
      service.clock.advance(day);
      expectProblem(await service.ask(apiKey, code), 404, "otp-already-used");
      service.clock.advance(600);
      expectProblem(await service.ask(apiKey, code), 404, "otp-not-found");
    });

    it.each(["used", "expired"])(
      "is in conflict when it is %s and its beneficiary has another, live one",
      async (end) => {
        const code = await service.newCode();
        if (end === "used") {
          await service.use(apiKey, code);
        } else {
          service.clock.advance(600);
        }
        const newer = await service.newCode();
        for (const reply of [await service.ask(apiKey, code), await service.use(apiKey, code)]) {
          expectProblem(reply, 409, "otp-conflict");
          // A merchant is told that there is a newer code, never which.
          expect(reply.text).not.toContain(newer);
        }
        expect((await service.use(apiKey, newer)).status).toBe(200);
        expectProblem(
          await service.ask(apiKey, code),
          404,
          `otp-${end === "used" ? "already-used" : "expired"}`,
        );
      },
    );

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

    it.each(["slot-", "otp-"])(
      "is not told from one with a newer OTP when the store does not tell of an item %s",
      async (prefix) => {
        const code = await service.newCode();
        await service.use(apiKey, code);
        // The first read of an OTP is the one that it was asked about.
        let forwarded = prefix === "otp-" ? 1 : 0;
        const { instance } = await startBehindFaults(service, 5000, ({ path }) =>
          path.includes(`/docs/${prefix}`) && forwarded-- <= 0 ? throttled : undefined,
        );
        expectProblem(await instance.ask(apiKey, code), 503, "service-unavailable");
      },
    );
  });

  describe("the store", () => {
    it("makes a defect of an item that does not decode, and not an OTP that is free or not found", async () => {
      const code = await service.newCode();
      const otp = (await readItems(service.otps)).find(({ id }) => id.startsWith("otp-"));
      await service.otps.items.upsert({ ...otp, use: { usedAt: "yesterday" } });
      for (const reply of [await service.ask(apiKey, code), await service.use(apiKey, code)]) {
        expectProblem(reply, 500, "internal-error");
      }
      expect(service.log.filter(({ level }) => level === "error")).toHaveLength(2);
      expect(service.log.map(({ text }) => text).join()).not.toContain("yesterday");
      expectProblem(await service.generate(), 500, "internal-error");
    });

    it("keeps an OTP, used or not, for its life, its retention and more than clocks can differ", async () => {
      const code = await service.newCode();
      const ttls = async (): Promise<Record<string, number | undefined>> =>
        Object.fromEntries(
          (await readItems(service.otps)).map(({ id, ttl }) => [id.replace(/-.*/, ""), ttl]),
        );
      expect(await ttls()).toEqual({ otp: 600 + day + 300, slot: 600 + 300 });
      service.clock.advance(100);
      await service.use(apiKey, code);
      expect(await ttls()).toEqual({ otp: 500 + day + 300, slot: 600 + 300 });
    });
  });

  describe("when the answer to its write is lost", () => {
    it.each([
      ["was applied", { kind: "reset-after" } as const],
      ["was not applied", { kind: "reset-before" } as const],
    ])("grants the use to the call that made it, whether the write %s", async (_, fault) => {
      const { proxy, instance } = await startBehindFaults(service, 5000, inOrder("replace", fault));
      const reply = await instance.use(apiKey, await service.newCode());
      expect([reply.status, countOf(proxy, "replace")]).toEqual([200, fault.kind === "reset-after" ? 1 : 2]);
      expect(reply.json).toEqual({ expires_at: "2026-03-01T10:00:00.000Z", discount_id: discountId });
    });

    it("answers 503 if it cannot look, and the same call again, with its Idempotency-Key, tells", async () => {
      const { proxy, instance } = await startBehindFaults(service, 300);
      const code = await service.newCode();
      proxy.script(({ operation }) => {
        if (operation !== "replace") {
          return undefined;
        }
        proxy.script(every("any", { kind: "reset-before" }));
        return { kind: "reset-after" };
      });
      expectProblem(await instance.use(apiKey, code, "cart 42"), 503, "service-unavailable");
      expect((await service.use(apiKey, code, "cart 42")).status).toBe(200);
    });
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

  it.each(["api-keys", "otps"])(
    "gives up when the store throttles the way to %s alone",
    async (container) => {
      const code = await service.newCode();
      const { instance } = await startBehindFaults(service, 5000, (request) =>
        request.container === container ? throttled : undefined,
      );
      expectProblem(await instance.ask(apiKey, code), 503, "service-unavailable");
    },
  );

  describe("after a use whose outcome is unknown", () => {
    const readUses = async (): Promise<unknown[]> =>
      (await readItems(service.otps)).flatMap((item) => ("use" in item ? [item.use] : []));

    /** The first write does not arrive yet, and the OTP's end comes before the service looks. */
    const startWithLostWrite = async (
      deadlineMs: number,
      meetLater: (lost: StoreRequest) => Fault | undefined,
    ): Promise<FaultyInstance & { readonly writes: readonly StoreRequest[] }> => {
      const writes: StoreRequest[] = [];
      const reachItsEnd = (): Promise<void> => {
        service.clock.advance(600);
        return Promise.resolve();
      };
      const faulty = await startBehindFaults(service, deadlineMs, (request) => {
        const [lost] = writes;
        if (request.operation === "replace") {
          writes.push(request);
          return lost === undefined ? { kind: "reset-before" } : meetLater(lost);
        }
        return lost === undefined ? undefined : { kind: "rival", run: reachItsEnd };
      });
      return { ...faulty, writes };
    };

    it("refuses an OTP whose end came meanwhile only once the use can no longer be applied", async () => {
      const { instance, writes } = await startWithLostWrite(5000, () => undefined);
      const code = await service.newCode();
      expectProblem(await instance.use(apiKey, code, "cart 1"), 404, "otp-expired");
      const [lost, ...later] = writes;
      expect(later).toHaveLength(1);
      expect(lost && (await applyLate(service.config.cosmos.endpoint, lost))).toBe(412);
      expect(await readUses()).toEqual([null]);
    });

    it("refuses it to the same call again only once the use of the first can no longer be applied", async () => {
      const { instance, writes } = await startWithLostWrite(300, () => ({ kind: "reset-before" }));
      const code = await service.newCode();
      expectProblem(await instance.use(apiKey, code, "cart 1"), 503, "service-unavailable");
      expectProblem(await service.use(apiKey, code, "cart 1"), 404, "otp-expired");
      const [lost] = writes;
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

    it("does not refuse it while the store answers no write", async () => {
      const { instance } = await startWithLostWrite(300, () => ({ kind: "reset-before" }));
      expectProblem(
        await instance.use(apiKey, await service.newCode(), "cart 1"),
        503,
        "service-unavailable",
      );
    });

    it("grants it when the use was applied after all, though its end has come", async () => {
      const { instance, writes } = await startWithLostWrite(5000, (lost) => ({
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
