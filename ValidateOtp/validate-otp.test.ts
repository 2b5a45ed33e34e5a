import * as t from "io-ts";
import { makeApiKey } from "../shared/domain/api-key";
import { MerchantId } from "../shared/domain/identifiers";
import { expectProblem } from "../tests/support/expect-problem";
import { discount, discountId, fiscalCode } from "../tools/support/api";
import type { Reply } from "../tools/support/api";
import { decode, right } from "../tools/support/either";
import { readItems, startBehindFaults, startService } from "../tools/support/service";
import type { Service } from "../tools/support/service";

const day = 86_400;

describe("ValidateOtp", () => {
  let service: Service;
  let apiKey: string;
  beforeEach(async () => {
    service = await startService();
    apiKey = await service.newApiKey();
  });
  afterEach(() => service.stop());

  const ask = { invalidate_otp: false };

  describe("asking", () => {
    it("tells the expiry and the discount of a live OTP", async () => {
      const reply = await service.ask(apiKey, await service.newCode());
      expect(reply.status).toBe(200);
      expect(reply.headers.get("content-type")).toBe("application/json");
      expect(reply.json).toEqual({ expires_at: "2026-03-01T10:10:00.000Z", discount_id: discountId });
    });

    it("is what a missing invalidate_otp means", async () => {
      const code = await service.newCode();
      expect((await service.validate(apiKey, { otp_code: code })).status).toBe(200);
      expect((await service.use(apiKey, code)).status).toBe(200);
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
    it("tells the instant of use in place of the expiry", async () => {
      const code = await service.newCode();
      service.clock.advance(42);
      const reply = await service.use(apiKey, code);
      expect(reply.status).toBe(200);
      expect(reply.json).toEqual({ expires_at: "2026-03-01T10:00:42.000Z", discount_id: discountId });
    });

    it("works to the last millisecond of the OTP's life, and no longer", async () => {
      const [first, second] = [await service.newCode(), await service.newCode("AAAAAA00A00A000B")];
      service.clock.advance(599.999);
      expect((await service.use(apiKey, first)).status).toBe(200);
      service.clock.advance(0.001);
      expectProblem(await service.use(apiKey, second), 404, "otp-expired");
    });

    it("works once", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code);
      expectProblem(await service.use(apiKey, code), 404, "otp-already-used");
      expectProblem(await service.ask(apiKey, code), 404, "otp-already-used");
    });

    it("answers the same again to the same Idempotency-Key, even after the OTP's life", async () => {
      const code = await service.newCode();
      const first = await service.use(apiKey, code, "cart 42");
      service.clock.advance(3600);
      const second = await service.use(apiKey, code, "cart 42");
      expect([second.status, second.text]).toEqual([200, first.text]);
    });

    it("takes another Idempotency-Key, or none, for another call", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code, "cart 42");
      expectProblem(await service.use(apiKey, code, "cart 43"), 404, "otp-already-used");
      expectProblem(await service.use(apiKey, code), 404, "otp-already-used");
    });

    it("tells a mere question with the Idempotency-Key of the use that the OTP is used", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code, "cart 42");
      const reply = await service.validate(
        apiKey,
        { otp_code: code, ...ask },
        { "Idempotency-Key": "cart 42" },
      );
      expectProblem(reply, 404, "otp-already-used");
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
      ["otp_code", "missing", {}],
      ["otp_code", "a number", { otp_code: 12345678901 }],
      ["otp_code", "null", { otp_code: null }],
      ["invalidate_otp", "a string", { otp_code: "AAAAAAAAAAA", invalidate_otp: "true" }],
      ["invalidate_otp", "null", { otp_code: "AAAAAAAAAAA", invalidate_otp: null }],
      ["invalidate_otp", "a number", { otp_code: "AAAAAAAAAAA", invalidate_otp: 1 }],
    ])("refuses a %s that is %s, and names the field", async (field, _, body) => {
      for (const language of ["it", "en"]) {
        const reply = await service.validate(apiKey, body, { "Accept-Language": language });
        expectProblem(reply, 400, "invalid-request");
        expect(reply.text).toContain(field);
      }
    });

    it.each(["", "AAAAAAAAAA", "AAAAAAAAAAAA", "aaaaaaaaaaa", "AAAAA-AAAAA", "AAAAAAAAAA\n", "ÀAAAAAAAAAA"])(
      "tells that %j is not written as a code is",
      async (code) => {
        expectProblem(await service.ask(apiKey, code), 400, "otp-invalid");
      },
    );

    it.each([
      ["empty", ""],
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

    it("takes an Idempotency-Key of one and of 255 characters", async () => {
      expect((await service.use(apiKey, await service.newCode(), "~")).status).toBe(200);
      expect((await service.use(apiKey, await service.newCode(), "x".repeat(255))).status).toBe(200);
    });

    it("refuses a body larger than 4 KiB", async () => {
      const reply = await service.validate(apiKey, { otp_code: "x".repeat(4096) });
      expectProblem(reply, 413, "request-too-large");
    });
  });

  describe("the API key", () => {
    const unknownKey = makeApiKey(right(MerchantId.decode("nobody")), "primary");

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

    it("is refused when of a merchant that exists, but not one of its keys", async () => {
      const forged = makeApiKey(right(MerchantId.decode("shop-1")), "primary");
      expectProblem(await service.ask(forged, await service.newCode()), 401, "unauthorized");
    });

    it("is asked of whoever sends none", async () => {
      const reply = await fetch(`${service.baseUrl}/api/v1/merchant/cgn/otp/validate`, {
        method: "POST",
        body: JSON.stringify({ otp_code: "AAAAAAAAAAA" }),
      });
      expect(reply.status).toBe(401);
      expect(reply.headers.has("www-authenticate")).toBe(true);
    });

    it("is refused from the moment another one replaced it, while the merchant's other key goes on", async () => {
      const secondary = await service.newApiKey("shop-1", "secondary");
      const code = await service.newCode();
      const renewed = await service.newApiKey();
      expectProblem(await service.ask(apiKey, code), 401, "unauthorized");
      expect((await service.ask(secondary, code)).status).toBe(200);
      expect((await service.ask(renewed, code)).status).toBe(200);
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
      expect((await service.ask(apiKey, await service.newCode())).status).toBe(200);
    });

    it("is refused if nobody made it, whatever the code", async () => {
      const forged = makeApiKey(right(MerchantId.decode("shop-1")), "test");
      expectProblem(await service.ask(forged, "TESTLIVE000"), 401, "unauthorized");
      const ofNobody = makeApiKey(right(MerchantId.decode("nobody")), "test");
      expectProblem(await service.ask(ofNobody, "TESTDOWN000"), 401, "unauthorized");
    });

    it("plays an outage that the log takes for none", async () => {
      await service.ask(testApiKey, "TESTDOWN000");
      expect(service.log.at(-1)?.level).toBe("information");
      expect(service.log.at(-1)?.text).toMatch(/"status":503.*"test":true/);
    });

    it("counts apart in the log", async () => {
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
      const { proxy, instance, stop } = await startBehindFaults(service, 5000);
      proxy.script(({ operation, index }) =>
        operation === "replace" && index < 4 ? { kind: "reset-after" } : undefined,
      );
      expect((await instance.use(apiKey, code, "cart 1")).status).toBe(200);
      expect(instance.log.at(-1)?.text).not.toContain("repetition");
      await stop();
    });

    it("names the merchant of a key that is in force, and that of another as claimed", async () => {
      const forged = makeApiKey(right(MerchantId.decode("shop-1")), "primary");
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
    it("is not found when it never existed", async () => {
      expectProblem(await service.ask(apiKey, "AAAAAAAAAAA"), 404, "otp-not-found");
    });

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

    it("is expired once its time is over, asked or used", async () => {
      const code = await service.newCode();
      service.clock.advance(600);
      expectProblem(await service.ask(apiKey, code), 404, "otp-expired");
      expectProblem(await service.use(apiKey, code), 404, "otp-expired");
    });

    it("still says that it expired 24 hours after its end, and then is not found", async () => {
      const code = await service.newCode();
      service.clock.advance(600 + day - 1);
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
        const { proxy, instance, stop } = await startBehindFaults(service, 2000);
        const code = await service.newCode();
        await service.use(apiKey, code);
        const isAsked = ({ path }: { readonly path: string }): boolean => path.includes(`/docs/${prefix}`);
        // The first read of an OTP is the one that it was asked about.
        proxy.script((request) =>
          isAsked(request) && proxy.requests.filter(isAsked).length > (prefix === "otp-" ? 1 : 0)
            ? { kind: "status", status: 429, retryAfterMs: 1 }
            : undefined,
        );
        expectProblem(await instance.ask(apiKey, code), 503, "service-unavailable");
        await stop();
      },
    );

    it("is in no conflict with an OTP for another discount or of another beneficiary", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code);
      await service.newCode(fiscalCode, { ...discount, discount_id: "discount-2" });
      await service.newCode("AAAAAA00A00A000B");
      expectProblem(await service.ask(apiKey, code), 404, "otp-already-used");
    });
  });

  describe("the store", () => {
    it("says when to try again while it is away", async () => {
      const code = await service.newCode();
      const { proxy, instance, stop } = await startBehindFaults(service, 200);
      proxy.script(() => ({ kind: "reset-before" }));
      const replies = [await instance.ask(apiKey, code), await instance.use(apiKey, code)];
      await stop();
      for (const reply of replies) {
        expectProblem(reply, 503, "service-unavailable");
        expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      }
    });

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

  it("speaks Italian unless English is preferred", async () => {
    const titleIn = async (acceptLanguage: string): Promise<[string | null, boolean]> => {
      const reply = await service.validate(
        apiKey,
        { otp_code: "AAAAAAAAAAA" },
        { "Accept-Language": acceptLanguage },
      );
      return [reply.headers.get("content-language"), reply.text.includes("Il codice sconto non esiste")];
    };
    for (const acceptLanguage of [
      "",
      "*",
      "it",
      "it-IT,it;q=0.9,en;q=0.8",
      "fr",
      "en;q=0",
      "en;q=0.1, it",
      ";;;",
    ]) {
      expect([acceptLanguage, ...(await titleIn(acceptLanguage))]).toEqual([acceptLanguage, "it", true]);
    }
    for (const acceptLanguage of ["en", "en-GB,en;q=0.9,it;q=0.8", "fr, en;q=0.5"]) {
      expect([acceptLanguage, ...(await titleIn(acceptLanguage))]).toEqual([acceptLanguage, "en", false]);
    }
  });

  describe("when the answer to its write is lost", () => {
    it.each([
      ["was applied", { kind: "reset-after" } as const],
      ["was not applied", { kind: "reset-before" } as const],
    ])("grants the use to the call that made it, whether the write %s", async (_, fault) => {
      const { proxy, instance, stop } = await startBehindFaults(service, 2000);
      const code = await service.newCode();
      let isBroken = false;
      proxy.script(({ operation }) => {
        if (operation === "replace" && !isBroken) {
          isBroken = true;
          return fault;
        }
        return undefined;
      });
      const reply = await instance.use(apiKey, code);
      expect([isBroken, reply.status]).toEqual([true, 200]);
      expect(reply.json).toEqual({ expires_at: "2026-03-01T10:00:00.000Z", discount_id: discountId });
      await stop();
    });

    it("answers 503 if it cannot look, and the same call again, with its Idempotency-Key, tells", async () => {
      const { proxy, instance, stop } = await startBehindFaults(service, 300);
      const code = await service.newCode();
      let isAway = false;
      proxy.script(({ operation }) => {
        if (operation === "replace" && !isAway) {
          isAway = true;
          return { kind: "reset-after" };
        }
        return isAway ? { kind: "reset-before" } : undefined;
      });
      expectProblem(await instance.use(apiKey, code, "cart 42"), 503, "service-unavailable");
      expect((await service.use(apiKey, code, "cart 42")).status).toBe(200);
      await stop();
    });
  });

  it("asks the store twice at once, a third time to use, and not at all for a key that cannot be one", async () => {
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    const code = await service.newCode();
    const costOf = async (call: Promise<unknown>): Promise<string[]> => {
      await proxy.reset();
      await call;
      return proxy.requests.map(({ operation }) => operation);
    };
    expect(await costOf(instance.ask(apiKey, code))).toEqual(["read", "read"]);
    expect(await costOf(instance.use(apiKey, code))).toEqual(["read", "read", "replace"]);
    expect(await costOf(instance.ask("no key", code))).toEqual([]);
    const another = await service.newCode();
    await service.use(apiKey, another, "cart 1");
    expect(await costOf(instance.use(apiKey, another, "cart 1"))).toEqual(["read", "read"]);
    expect(instance.log.map(({ text }) => text).join()).toContain('"merchant_id":"shop-1"');
    await stop();
  });

  it.each([
    ["the merchant's keys", "api-keys"],
    ["the OTP", "otps"],
  ])("gives up, and says why, when the store throttles the way to %s", async (_, container) => {
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    const code = await service.newCode();
    proxy.script((request) =>
      request.container === container ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
    );
    expectProblem(await instance.ask(apiKey, code), 503, "service-unavailable");
    expect(instance.log.map(({ text }) => text).join()).toContain('"cause":"store: 429"');
    await stop();
  });

  it("does not go on writing to a store that throttles", async () => {
    const [apiKey, code] = [await service.newApiKey(), await service.newCode()];
    const { proxy, instance, stop } = await startBehindFaults(service, 2000);
    proxy.script(({ operation }) =>
      operation === "replace" ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
    );
    expectProblem(await instance.use(apiKey, code), 503, "service-unavailable");
    await stop();
    // Once, and three times more, like each call that is throttled.
    expect(proxy.requests.filter(({ operation }) => operation === "replace")).toHaveLength(4);
    expect((await service.ask(apiKey, code)).status).toBe(200);
  });

  describe("after a use whose outcome is unknown", () => {
    /** The end of its life comes. */
    const reachItsEnd = (): Promise<void> => {
      service.clock.advance(600);
      return Promise.resolve();
    };
    const readUses = async (): Promise<unknown[]> =>
      (await readItems(service.otps)).flatMap((item) => ("use" in item ? [item.use] : []));

    it("refuses an OTP whose end came meanwhile only once the use can no longer be applied", async () => {
      const { proxy, instance, stop } = await startBehindFaults(service, 3000);
      const apiKey = await service.newApiKey();
      const code = await service.newCode();
      let writes = 0;
      proxy.script(({ operation }) => {
        if (operation === "replace") {
          writes += 1;
          if (writes === 1) {
            return { kind: "late", ms: 2000 };
          }
        }
        return operation === "read" && writes === 1 ? { kind: "rival", run: reachItsEnd } : undefined;
      });
      expectProblem(await instance.use(apiKey, code, "cart 1"), 404, "otp-expired");
      expect(writes).toBe(2);
      await proxy.settled();
      expect(await readUses()).toEqual([null]);
      expectProblem(await instance.use(apiKey, code, "cart 1"), 404, "otp-expired");
      // An OTP that nobody tried to use is refused without a write.
      expect(writes).toBe(2);
      await stop();
    });

    it("does not refuse it while the store answers no write", async () => {
      const { proxy, instance, stop } = await startBehindFaults(service, 900);
      const apiKey = await service.newApiKey();
      const code = await service.newCode();
      let hasWritten = false;
      proxy.script(({ operation }) => {
        if (operation === "replace") {
          hasWritten = true;
          return { kind: "hang" };
        }
        return operation === "read" && hasWritten ? { kind: "rival", run: reachItsEnd } : undefined;
      });
      expectProblem(await instance.use(apiKey, code, "cart 1"), 503, "service-unavailable");
      await stop();
    });

    it("grants it when the use was applied after all, though its end has come", async () => {
      const { proxy, instance, stop } = await startBehindFaults(service, 3000);
      const apiKey = await service.newApiKey();
      const code = await service.newCode();
      let writes = 0;
      proxy.script(({ operation }) => {
        if (operation === "replace") {
          writes += 1;
          return writes === 1 ? { kind: "late", ms: 1100 } : { kind: "delay", ms: 500 };
        }
        return operation === "read" && writes === 1 ? { kind: "rival", run: reachItsEnd } : undefined;
      });
      expect((await instance.use(apiKey, code, "cart 1")).status).toBe(200);
      expect(writes).toBe(2);
      expect((await service.use(apiKey, code, "cart 1")).status).toBe(200);
      await stop();
    });
  });

  describe("without a key in force", () => {
    const otherSecret = Buffer.from("another secret, of 32 bytes or more").toString("base64");

    it.each<[string, Record<string, string>]>([
      ["one secret", {}],
      ["two secrets", { OTP_SECRET_SECOND: otherSecret }],
    ])("is refused before the store has said anything of the OTP, with %s", async (_, settings) => {
      const { proxy, instance, stop } = await startBehindFaults(
        { ...service, settings: { ...service.settings, ...settings } },
        3000,
      );
      const apiKey = await service.newApiKey();
      await service.newApiKey();
      const code = await service.newCode();
      let looked = 0;
      proxy.script(({ container, operation }) => {
        looked += container === "otps" && operation === "read" ? 1 : 0;
        return container === "otps" ? { kind: "delay", ms: 1000 } : undefined;
      });
      for (const asked of [code, "BBBBBBBBBBB"]) {
        const start = performance.now();
        expectProblem(await instance.ask(apiKey, asked), 401, "unauthorized");
        expect(performance.now() - start).toBeLessThan(900);
      }
      await proxy.settled();
      // The second secret is looked under for a merchant only.
      expect(looked).toBe(2);
      await stop();
    });
  });
});
