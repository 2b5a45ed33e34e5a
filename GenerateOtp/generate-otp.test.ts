import * as t from "io-ts";
import { OtpBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { discount, fiscalCode, send, type Reply } from "../tools/support/api";
import { decode } from "../tools/support/either";
import type { StoreRequest } from "../tools/support/fault-proxy";
import { applyLate, every, firstOf, inOrder, type Script } from "../tools/support/fault-scripts";
import {
  readItems,
  startBehindFaults,
  startInstance,
  startService,
  type FaultyInstance,
  type Service,
} from "../tools/support/service";

describe("GenerateOtp", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  const Conflict = t.type({ otp: OtpBody });

  it("answers a new OTP with its expiry and its full lifetime, and later the same as long as it is live", async () => {
    const first = await service.generate();
    expect(first.status).toBe(200);
    expect(service.log.at(-1)?.text).toContain('"store_round_trips":1,');
    expect(Object.keys(decode(t.UnknownRecord, first.json))).toEqual(["code", "expires_at", "ttl"]);
    expect(decode(OtpBody, first.json)).toMatchObject({ expires_at: "2026-03-01T10:10:00.000Z", ttl: 600 });
    service.clock.advance(599.999);
    for (const again of [await service.generate(), await service.generateByPath()]) {
      expectProblem(again, 409, "otp-conflict");
      expect(decode(Conflict, again.json).otp).toEqual(first.json);
    }
    service.clock.advance(0.001);
    const second = await service.generateByPath();
    expect(second.status).toBe(200);
    expect(decode(OtpBody, second.json).code).not.toBe(decode(OtpBody, first.json).code);
  });

  it("has no address with a fiscal code in it once the deprecated form is switched off", async () => {
    const settings = { ...service.settings, GENERATE_OTP_PATH_FORM: "false" };
    const without = await startInstance(settings, service.clock);
    service.stopFirst(() => without.stop());
    const post = (path: string, body: object): Promise<Reply> =>
      send(`${without.baseUrl}/api/v1/cgn/otp/${path}`, { method: "POST", body: JSON.stringify(body) });
    const gone = await post(fiscalCode, discount);
    expect([gone.status, gone.text, without.log]).toEqual([404, "", []]);
    expect((await without.generate()).status).toBe(200);
    expect((await post("", {})).status).toBe(400);
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
  });

  /** An instance whose second secret is the service's. */
  const startSwapped = (script?: Script): Promise<FaultyInstance> => {
    const settings = {
      ...service.settings,
      OTP_SECRET: Buffer.alloc(32, "another").toString("base64"),
      OTP_SECRET_SECOND: service.settings["OTP_SECRET"] ?? "",
    };
    return startBehindFaults({ ...service, settings }, 5000, script);
  };

  it("tells the live OTP that lies under the second secret, and issues one under the first only after it", async () => {
    const { proxy, instance: swapped } = await startSwapped();
    const issued = decode(OtpBody, (await service.generate()).json);
    const reply = await swapped.generate();
    expectProblem(reply, 409, "otp-conflict");
    expect(decode(Conflict, reply.json).otp).toEqual(issued);

    const apiKey = await service.newApiKey();
    expect((await swapped.use(apiKey, issued.code)).status).toBe(200);
    const before = await readItems(service.otps);
    proxy.script(every("read", { kind: "status", status: 429, retryAfterMs: 60_000 }));
    expectProblem(await swapped.generate(), 503, "service-unavailable");
    expect(await readItems(service.otps)).toEqual(before);

    proxy.script(() => undefined);
    const code = await swapped.newCode();
    expect((await swapped.ask(apiKey, code)).status).toBe(200);
    expectProblem(await service.ask(apiKey, code), 404, "otp-not-found");
  });

  it("does not tell of an OTP under the second secret while its own write may still be applied", async () => {
    const script = firstOf(
      inOrder("batch", { kind: "reset-before" }),
      inOrder("read", undefined, undefined, { kind: "rival", run: () => service.generate() }),
    );
    const { proxy, instance } = await startSwapped(script);
    expectProblem(await instance.generate(), 503, "service-unavailable");
    expect(instance.log.at(-1)?.text).toContain('"cause":"unknown write"');
    // It arrives.
    const lost = proxy.requests.find(({ operation }) => operation === "batch");
    expect(lost && (await applyLate(service.config.cosmos.endpoint, lost))).toBe(200);
  });

  it("tells of one that came while it tried again, once its own write can no longer be applied", async () => {
    const apiKey = await service.newApiKey();
    const { instance: rival } = await startSwapped();
    const takeSlot = async (): Promise<void> => {
      await rival.use(apiKey, await rival.newCode());
    };
    const script = firstOf(
      inOrder("batch", { kind: "reset-before" }),
      inOrder("read", undefined, { kind: "rival", run: takeSlot }, undefined, {
        kind: "rival",
        run: () => service.generate(),
      }),
    );
    const { instance } = await startSwapped(script);
    const reply = await instance.generate();
    expectProblem(reply, 409, "otp-conflict");
    expect(decode(Conflict, reply.json).otp).toEqual(decode(Conflict, (await service.generate()).json).otp);
  });
});
