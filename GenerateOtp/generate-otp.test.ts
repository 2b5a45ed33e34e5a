import * as t from "io-ts";
import { OtpBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { discount, discountId, fiscalCode, merchantId, send } from "../tools/support/api";
import { decode } from "../tools/support/either";
import type { StoreRequest } from "../tools/support/fault-proxy";
import { applyLate, every, firstOf, inOrder } from "../tools/support/fault-scripts";
import {
  readItems,
  startBehindFaults,
  startInstance,
  startService,
  type Instance,
  type Service,
} from "../tools/support/service";

describe("GenerateOtp", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  const Conflict = t.type({ otp: OtpBody });

  it("answers a new OTP with its expiry and its full lifetime", async () => {
    const reply = await service.generate();
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(Object.keys(decode(t.UnknownRecord, reply.json))).toEqual(["code", "expires_at", "ttl"]);
    expect(decode(OtpBody, reply.json)).toMatchObject({ expires_at: "2026-03-01T10:10:00.000Z", ttl: 600 });
    expect(decode(OtpBody, reply.json).code).toMatch(/^[A-Z0-9]{11}$/);
  });

  it("gives an OTP the lifetime that the settings say", async () => {
    const shortLived = await startService({ OTP_TTL_IN_SECONDS: "5" });
    service.stopFirst(() => shortLived.stop());
    const reply = await shortLived.generate();
    expect(reply.json).toMatchObject({ expires_at: "2026-03-01T10:00:05.000Z", ttl: 5 });
  });

  it.each([
    ["lower case", fiscalCode.toLowerCase()],
    ["a month that does not exist", "AAAAAA00F00A000A"],
    ["a line feed behind it", `${fiscalCode}\n`],
  ])("refuses a fiscal code with %s", async (_, beneficiary) => {
    const reply = await service.generate(beneficiary);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain(" fiscal_code.");
  });

  it("takes a fiscal code whose digits were replaced by omocodia letters", async () => {
    expect((await service.generate("AAAAAALMAPQARSTA")).status).toBe(200);
  });

  it.each([
    ["merchant_id", "missing", { discount_id: discountId }],
    ["merchant_id", "of 65 characters", { ...discount, merchant_id: "a".repeat(65) }],
    ["merchant_id", "outside its alphabet", { ...discount, merchant_id: "a_b" }],
    ["discount_id", "missing", { merchant_id: merchantId }],
    ["discount_id", "null", { ...discount, discount_id: null }],
  ])("refuses a %s that is %s, and names the field", async (field, _, body) => {
    const reply = await service.generate(fiscalCode, body);
    expectProblem(reply, 400, "invalid-request");
    expect(reply.text).toContain(field);
  });

  describe("with the fiscal code in the path, the deprecated form", () => {
    it("is the same call", async () => {
      const first = await service.generateByPath();
      expect(first.status).toBe(200);
      const second = await service.generate();
      expectProblem(second, 409, "otp-conflict");
      expect(decode(Conflict, second.json).otp).toEqual(first.json);
      expectProblem(await service.generateByPath(), 409, "otp-conflict");
    });

    it.each([
      ["fiscalcode", "not-a-fiscal-code", discount],
      ["fiscalcode", `${fiscalCode}%0A`, discount],
      ["fiscalcode", "%ZZ", discount],
      ["fiscal_code", fiscalCode, { ...discount, fiscal_code: fiscalCode }],
      ["fiscal_code", fiscalCode, { ...discount, fiscal_code: null }],
      ["merchant_id", fiscalCode, { discount_id: "discount-1" }],
      ["body: è JSON, ma non un oggetto", fiscalCode, []],
    ])("names %s where it refuses", async (field, beneficiary, body) => {
      const reply = await service.generateByPath(beneficiary, body);
      expectProblem(reply, 400, "invalid-request");
      expect(reply.text).toContain(` ${field}.`);
      expect(await readItems(service.otps)).toEqual([]);
    });

    it("is an address that does not exist once it is switched off, and the new form goes on", async () => {
      const without = await startInstance(
        { ...service.settings, GENERATE_OTP_PATH_FORM: "false" },
        service.clock,
      );
      service.stopFirst(() => without.stop());
      const gone = await send(`${without.baseUrl}/api/v1/cgn/otp/${fiscalCode}`, {
        method: "POST",
        body: JSON.stringify(discount),
      });
      expect([gone.status, gone.text]).toEqual([404, ""]);
      expect(without.log).toEqual([]);
      expect((await without.generate()).status).toBe(200);
      expect((await send(`${without.baseUrl}/api/v1/cgn/otp/`, { method: "POST", body: "{}" })).status).toBe(
        400,
      );
    });
  });

  it("tells the live OTP to whoever asks for another", async () => {
    const first = await service.generate();
    service.clock.advance(599);
    const second = await service.generate();
    expectProblem(second, 409, "otp-conflict");
    expect(decode(Conflict, second.json).otp).toEqual(first.json);
  });

  it.each([
    ["beneficiary", "AAAAAA00A00A000B", discount],
    ["discount", fiscalCode, { ...discount, discount_id: "discount-2" }],
    ["merchant", fiscalCode, { ...discount, merchant_id: "shop-2" }],
  ])("issues another OTP for another %s", async (_, beneficiary, body) => {
    const first = await service.newCode();
    const other = await service.generate(beneficiary, body);
    expect(other.status).toBe(200);
    expect(decode(OtpBody, other.json).code).not.toBe(first);
  });

  it.each(["used", "expired"])("issues another OTP as soon as the last is %s", async (end) => {
    const apiKey = await service.newApiKey();
    const first = await service.newCode();
    if (end === "used") {
      await service.use(apiKey, first);
    } else {
      service.clock.advance(600);
    }
    const second = await service.generate();
    expect(second.status).toBe(200);
    expect(decode(OtpBody, second.json).code).not.toBe(first);
  });

  it("refuses a body larger than 4 KiB, and takes one of just that size", async () => {
    const padded = (bytes: number): object => ({
      ...discount,
      padding: "x".repeat(
        bytes - JSON.stringify({ fiscal_code: fiscalCode, ...discount, padding: "" }).length,
      ),
    });
    expectProblem(await service.generate(fiscalCode, padded(4097)), 413, "request-too-large");
    expect((await service.generate(fiscalCode, padded(4096))).status).toBe(200);
  });

  it("takes a slot whose OTP is missing for a defect, not for a free one", async () => {
    await service.generate();
    const otp = (await readItems(service.otps)).find(({ id }) => id.startsWith("otp-"));
    await service.otps.item(otp?.id ?? "", otp?.partitionKey).delete();
    const before = await readItems(service.otps);
    expectProblem(await service.generate(), 500, "internal-error");
    expect(service.log.map(({ text }) => text).join()).toContain("a slot without its OTP");
    expect(await readItems(service.otps)).toEqual(before);
  });

  describe("when the answer to its write is lost", () => {
    it.each([
      ["was applied", { kind: "reset-after" } as const],
      ["was not applied", { kind: "reset-before" } as const],
    ])("answers the one OTP there is, whether the write %s", async (_, fault) => {
      const { instance } = await startBehindFaults(service, 5000, inOrder("batch", fault));
      const reply = await instance.generate();
      expect(reply.status).toBe(200);
      const conflict = await service.generate();
      expect(decode(Conflict, conflict.json).otp).toEqual(reply.json);
      expect((await readItems(service.otps)).filter(({ id }) => id.startsWith("otp-"))).toHaveLength(1);
    });

    it("issues another if the one it wrote is told by another call, and used, before it looks", async () => {
      const apiKey = await service.newApiKey();
      let used = "";
      const useUp = async (): Promise<void> => {
        used = decode(Conflict, (await service.generate()).json).otp.code;
        await service.use(apiKey, used);
      };
      const script = inOrder("any", { kind: "reset-after" }, { kind: "rival", run: useUp });
      const { instance } = await startBehindFaults(service, 5000, script);
      const code = await instance.newCode();
      expect(code).not.toBe(used);
      expect((await service.use(apiKey, code)).status).toBe(200);
    });

    it("answers the one OTP there is, though its first write is applied just before its second", async () => {
      let first: StoreRequest | undefined;
      const { proxy, instance } = await startBehindFaults(service, 5000, (request) => {
        const lost = (first ??= request);
        return request.index === 0
          ? { kind: "reset-before" }
          : request.index === 2
            ? { kind: "rival", run: () => applyLate(service.config.cosmos.endpoint, lost) }
            : undefined;
      });
      const reply = await instance.generate();
      const operations = proxy.requests.map(({ operation }) => operation);
      expect(operations).toEqual(["batch", "read", "batch", "read", "read"]);
      expect(reply.status).toBe(200);
      expect(decode(Conflict, (await service.generate()).json).otp).toEqual(reply.json);
    });

    it("answers 503 if it cannot look, and the next call tells the code", async () => {
      const away = every("any", { kind: "reset-before" });
      const script = firstOf(inOrder("any", { kind: "reset-after" }), away);
      const { instance } = await startBehindFaults(service, 300, script);
      expectProblem(await instance.generate(), 503, "service-unavailable");
      const apiKey = await service.newApiKey();
      const { code } = decode(Conflict, (await service.generate()).json).otp;
      expect((await service.use(apiKey, code)).status).toBe(200);
    });
  });

  it("asks the store once for a first OTP", async () => {
    const { proxy, instance } = await startBehindFaults(service, 5000);
    await instance.generate();
    expect(proxy.requests.map(({ operation }) => operation)).toEqual(["batch"]);
  });

  describe("while the secret is replaced", () => {
    let settings: Readonly<Record<string, string>>;
    let swapped: Instance;
    beforeEach(async () => {
      settings = {
        ...service.settings,
        OTP_SECRET: Buffer.alloc(32, "another").toString("base64"),
        OTP_SECRET_SECOND: service.settings["OTP_SECRET"] ?? "",
      };
      swapped = await startInstance(settings, service.clock);
      service.stopFirst(() => swapped.stop());
    });

    it("tells the live OTP that lies under the second secret", async () => {
      const issued = decode(OtpBody, (await service.generate()).json);
      const reply = await swapped.generate();
      expectProblem(reply, 409, "otp-conflict");
      expect(decode(Conflict, reply.json).otp).toEqual(issued);
    });

    it("issues a new OTP under the first once that one is used or expired", async () => {
      const apiKey = await service.newApiKey();
      const used = await service.newCode();
      expect((await swapped.use(apiKey, used)).status).toBe(200);
      const code = await swapped.newCode();
      expect((await swapped.ask(apiKey, code)).status).toBe(200);
      expectProblem(await service.ask(apiKey, code), 404, "otp-not-found");
      const expired = await service.newCode("AAAAAA00A00A000B");
      service.clock.advance(600);
      expect(await swapped.newCode("AAAAAA00A00A000B")).not.toBe(expired);
    });

    it("issues nothing while it cannot see what lies under the second secret", async () => {
      const script = every("read", { kind: "forbidden", substatus: 1008 });
      const { instance } = await startBehindFaults({ ...service, settings }, 300, script);
      const before = await readItems(service.otps);
      expectProblem(await instance.generate(), 503, "service-unavailable");
      expect(await readItems(service.otps)).toEqual(before);
    });
  });
});
