import * as t from "io-ts";
import { hashApiKey } from "../shared/domain/api-key";
import { MerchantId } from "../shared/domain/identifiers";
import { makeKeyring } from "../shared/domain/keyring";
import { ApiKeyBody } from "../shared/http/bodies";
import { expectProblem } from "../tests/support/expect-problem";
import { merchantId, type Reply } from "../tools/support/api";
import { decode } from "../tools/support/either";
import type { Fault, FaultProxy } from "../tools/support/fault-proxy";
import { applyLate, firstOf, inOrder, type Script } from "../tools/support/fault-scripts";
import {
  readItems,
  startBehindFaults,
  startInstance,
  startService,
  type LogLine,
  type Service,
} from "../tools/support/service";

/** With another secret than the service's. */
const strangeKeyring = makeKeyring(Buffer.alloc(32, 1));

describe("RegenerateApiKey", () => {
  const changesIn = (log: readonly LogLine[]): unknown[] =>
    log.flatMap(({ text }) => {
      const { change, merchant_id, key_type, hint, former_hint, changed_at } = decode(
        t.record(t.string, t.unknown),
        JSON.parse(text),
      );
      return change === undefined ? [] : [[change, merchant_id, key_type, hint, former_hint, changed_at]];
    });

  const press = "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96";

  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  const works = async (apiKey: string): Promise<boolean> =>
    (await service.ask(apiKey, "AAAAAAAAAAA")).status === 404;

  it("puts no key in force again that a rival ended before the call knew that it had been", async () => {
    await service.newApiKey();
    const script = firstOf(
      inOrder("read", undefined, { kind: "rival", run: () => service.revoke() }),
      inOrder("write", { kind: "reset-after" }),
    );
    const { proxy, instance } = await startBehindFaults(service, 5000, script);
    expect(await works(await instance.newApiKey())).toBe(true);
    const hashes = proxy.requests.flatMap(({ operation, body }) =>
      operation === "read"
        ? []
        : [decode(t.type({ primary: t.type({ hash: t.string }) }), JSON.parse(body)).primary.hash],
    );
    expect([hashes.length, new Set(hashes).size]).toEqual([2, 2]);
  });

  describe("with an Idempotency-Key", () => {
    const regenerate = (idempotencyKey: string): Promise<Reply> =>
      service.regenerate(merchantId, "primary", idempotencyKey);
    const expectRefused = (reply: Reply): void => {
      expectProblem(reply, 400, "invalid-request");
      expect(reply.text).toContain("Idempotency-Key");
      expect(reply.text).not.toContain(press);
    };

    it("tells the same key again, byte for byte, as long as it is in force, and writes nothing", async () => {
      const told = await regenerate(press);
      const stored = await readItems(service.apiKeys);
      service.clock.advance(3 * 86_400);
      const again = await regenerate(press);
      expect([again.status, again.text]).toEqual([200, told.text]);
      const { api_key: apiKey, ...rest } = decode(ApiKeyBody, again.json);
      expect(rest).toEqual({
        merchant_id: merchantId,
        key_type: "primary",
        created_at: "2026-03-01T10:00:00.000Z",
      });
      expect(await works(apiKey)).toBe(true);
      expect(await readItems(service.apiKeys)).toEqual(stored);
    });

    it("tells it under whichever secret derived it, and under no other, which leaves it in force", async () => {
      const told = await regenerate(press);
      const under = async (secrets: Record<string, string>): Promise<Reply> => {
        const other = await startInstance({ ...service.settings, ...secrets }, service.clock);
        service.stopFirst(() => other.stop());
        return other.regenerate(merchantId, "primary", press);
      };
      const OTP_SECRET = Buffer.from("another secret, of 32 bytes or more").toString("base64");
      const again = await under({ OTP_SECRET, OTP_SECRET_SECOND: service.settings["OTP_SECRET"] ?? "" });
      expect([again.status, again.text]).toEqual([200, told.text]);
      expectRefused(await under({ OTP_SECRET }));
      expect(await works(decode(ApiKeyBody, told.json).api_key)).toBe(true);
    });

    it.each([
      ["replaced by another call", () => regenerate("x".repeat(255))],
      ["replaced by a call without the header", () => service.regenerate()],
      ["revoked", () => service.revoke()],
    ])("refuses a repetition when its key was %s, and changes nothing", async (_, end) => {
      const { api_key: apiKey } = decode(ApiKeyBody, (await regenerate(press)).json);
      await end();
      const stored = await readItems(service.apiKeys);
      expectRefused(await regenerate(press));
      service.clock.advance(86_399);
      expectRefused(await regenerate(press));
      expect(await readItems(service.apiKeys)).toEqual(stored);
      expect(await works(apiKey)).toBe(false);
      // After 24 hours it is a call like any other, and makes another key.
      service.clock.advance(1);
      const renewed = decode(ApiKeyBody, (await regenerate(press)).json).api_key;
      expect([renewed === apiKey, await works(renewed), await works(apiKey)]).toEqual([false, true, false]);
    });
  });

  describe("the log", () => {
    it("tells of each key that is made, replaced or revoked, once, by the ends of the keys", async () => {
      const first = (await service.newApiKey()).slice(-4);
      service.clock.advance(1);
      const second = (await service.newApiKey(merchantId, "primary", press)).slice(-4);
      // It changes nothing, but somebody sees the key again.
      await service.regenerate(merchantId, "primary", press);
      // Neither of these changes anything.
      await service.revoke(merchantId, "secondary");
      await service.revoke();
      await service.regenerate(merchantId, "primary", press);
      const [start, next] = ["2026-03-01T10:00:00.000Z", "2026-03-01T10:00:01.000Z"];
      expect(changesIn(service.log)).toEqual([
        ["made", merchantId, "primary", first, undefined, start],
        ["replaced", merchantId, "primary", second, first, next],
        ["repetition", merchantId, "primary", second, undefined, next],
        ["revoked", merchantId, "primary", undefined, second, next],
      ]);
    });

    it("tells once of a key whose write had its answer lost, and of one that was revoked so", async () => {
      const former = (await service.newApiKey()).slice(-4);
      const { proxy, instance } = await startBehindFaults(service, 5000);
      const loseNextAnswer = (): void => {
        proxy.script(inOrder("replace", { kind: "reset-after" }));
      };
      loseNextAnswer();
      const renewed = (await instance.newApiKey()).slice(-4);
      loseNextAnswer();
      await instance.revoke();
      const changes = decode(t.array(t.array(t.unknown)), changesIn(instance.log));
      expect(changes.map(([change, , , hint, formerHint]) => [change, hint, formerHint])).toEqual([
        ["replaced", renewed, former],
        ["revoked", undefined, renewed],
      ]);
    });
  });

  describe("when the answers to its writes are lost", () => {
    /** The first two, and a rival comes before the call looks. */
    const rivalled = (run: () => Promise<unknown>): Script => {
      const lost: Fault = { kind: "reset-after" };
      return firstOf(inOrder("read", undefined, { kind: "rival", run }), inOrder("write", lost, lost));
    };
    /** The first write is applied just before the second. */
    const late = ({ requests }: FaultProxy): Script => {
      const arrive = async (): Promise<void> => {
        const lost = requests.find(({ operation }) => operation === "replace");
        expect(lost && (await applyLate(service.config.cosmos.endpoint, lost))).toBe(200);
      };
      return inOrder("write", { kind: "reset-before" }, { kind: "rival", run: arrive });
    };
    const ways: readonly [string, (proxy: FaultProxy) => Script][] = [
      ["a rival regenerates", () => rivalled(() => service.newApiKey())],
      ["a rival revokes", () => rivalled(() => service.revoke())],
      ["the first comes late", late],
    ];
    const cases = ways.flatMap(([way, script]) => [
      [`regenerate, while ${way}`, undefined, script] as const,
      [`regenerate with an Idempotency-Key, while ${way}`, press, script] as const,
      [`revoke, while ${way}`, "revoke", script] as const,
    ]);

    it.each(cases)("has one line for each change: %s", async (_, header, script) => {
      const former = (await service.newApiKey()).slice(-4);
      const { proxy, instance } = await startBehindFaults(service, 5000);
      proxy.script(script(proxy));
      const reply =
        header === "revoke"
          ? await instance.revoke()
          : await instance.regenerate(merchantId, "primary", header);
      const lines = decode(t.array(t.array(t.unknown)), changesIn([...instance.log, ...service.log])).map(
        ([change, , , hint, formerHint]) => ({ change, hint, formerHint }),
      );
      // Each key that was in force has a line that began it and one that ended it, but for the one in force now.
      const began = lines.flatMap(({ hint }) => (hint === undefined ? [] : [hint]));
      const ended = lines.flatMap(({ formerHint }) => (formerHint === undefined ? [] : [formerHint]));
      const inForce = decode(
        t.type({ api_keys: t.array(t.type({ hint: t.string })) }),
        (await service.list()).json,
      );
      expect(began.toSorted()).toEqual([...ended, ...inForce.api_keys.map(({ hint }) => hint)].toSorted());
      expect(ended).toContain(former);
      if (header === "revoke") {
        expect(reply.status).toBe(204);
        expect(inForce.api_keys).toEqual([]);
      } else {
        expect(decode(ApiKeyBody, reply.json).api_key.slice(-4)).toBe(inForce.api_keys[0]?.hint);
      }
    });
  });

  it("goes on with keys that an earlier version stored, with those that they replaced", async () => {
    const [apiKey, replaced] = [
      strangeKeyring.newApiKey(decode(MerchantId, merchantId), "primary"),
      strangeKeyring.newApiKey(decode(MerchantId, merchantId), "primary"),
    ];
    const createdAt = "2026-02-01T10:00:00.000Z";
    await service.apiKeys.items.create({
      id: merchantId,
      primary: { hash: hashApiKey(apiKey), createdAt, replaced: [{ hash: hashApiKey(replaced), createdAt }] },
    });
    // It has no hint.
    expect((await service.list()).json).toEqual({
      merchant_id: merchantId,
      api_keys: [{ key_type: "primary", created_at: createdAt, hint: "" }],
    });
    expect([await works(apiKey), await works(replaced)]).toEqual([true, false]);
    const renewed = await service.newApiKey();
    expect([await works(renewed), await works(apiKey)]).toEqual([true, false]);
    expect(JSON.stringify(await readItems(service.apiKeys))).not.toContain("replaced");
  });
});
