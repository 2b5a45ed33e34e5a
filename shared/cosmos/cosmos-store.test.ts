import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import { close, listen } from "../../local/server";
import { watchConnections } from "../../tests/support/connections";
import { right } from "../../tools/support/either";
import { startFaultProxy } from "../../tools/support/fault-proxy";
import type { Fault, FaultProxy, StoreRequest } from "../../tools/support/fault-proxy";
import { readItems, startService } from "../../tools/support/service";
import type { Service } from "../../tools/support/service";
import { hashApiKey } from "../domain/api-key";
import { DiscountId, MerchantId } from "../domain/identifiers";
import type { Otp, Slot } from "../domain/otp";
import type { Entry, Store, StoreCall } from "../domain/store";
import { makeCosmosStore } from "./cosmos-store";
import type { CosmosStore } from "./cosmos-store";

const otp: Otp = {
  discountId: right(DiscountId.decode("discount-1")),
  slotId: "slot-1",
  expiresAt: new Date("2026-03-01T10:10:00.000Z"),
  use: undefined,
};
const used: Otp = {
  ...otp,
  use: { usedAt: new Date("2026-03-01T10:01:00.123Z"), callId: "call-1", idempotencyKeyHash: undefined },
};
const otpEntry = (id = "otp-1", partitionKey = "shop-1:A"): Entry<Otp> => ({
  ref: { id, partitionKey },
  value: otp,
  ttlSeconds: 87_000,
});
const slotEntry = (nonce = "nonce-1", partitionKey = "shop-1:A"): Entry<Slot> => ({
  ref: { id: "slot-1", partitionKey },
  value: { nonce },
  ttlSeconds: 900,
});
const shop = right(MerchantId.decode("shop-1"));
const keys = { primary: { hash: hashApiKey("key-1"), createdAt: new Date("2026-03-01T10:00:00.000Z") } };

/** What every store must do, whichever server is behind it. */
describe("the store", () => {
  let service: Service;
  let store: Store;
  let calls: StoreCall[];
  const connect = (timeMs: number): Store =>
    service.store.forCall({ signal: AbortSignal.timeout(timeMs), onCall: (call) => calls.push(call) });
  beforeEach(async () => {
    service = await startService();
    calls = [];
    store = connect(30_000);
  });
  afterEach(() => service.stop());

  const etagOfSlot = async (): Promise<string> =>
    right(await store.findSlot({ id: "slot-1", partitionKey: "shop-1:A" }))?.etag ?? "";
  const etagOfOtp = async (id = "otp-1"): Promise<string> =>
    right(await store.findOtp({ id, partitionKey: "shop-1:A" }))?.etag ?? "";

  it("finds nothing where nothing was put", async () => {
    expect(right(await store.findOtp(otpEntry().ref))).toBeUndefined();
    expect(right(await store.findSlot(slotEntry().ref))).toBeUndefined();
    expect(right(await store.findApiKeys(shop))).toBeUndefined();
  });

  it("gives back an OTP and its slot as they were put", async () => {
    expect(await store.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("written"));
    expect(right(await store.findOtp(otpEntry().ref))?.value).toMatchObject(otp);
    expect(right(await store.findSlot(slotEntry().ref))?.value).toMatchObject({ nonce: "nonce-1" });
  });

  it("gives back a used OTP as it was put", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    expect(await store.replaceOtp({ ...otpEntry(), value: used }, await etagOfOtp())).toEqual(
      E.right("written"),
    );
    expect(right(await store.findOtp(otpEntry().ref))?.value).toMatchObject(used);
  });

  it("puts nothing of an OTP whose slot is taken", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    expect(await store.putOtp(otpEntry("otp-2"), slotEntry("nonce-2"), undefined)).toEqual(
      E.right("conflict"),
    );
    expect(right(await store.findOtp(otpEntry("otp-2").ref))).toBeUndefined();
    expect(right(await store.findSlot(slotEntry().ref))?.value).toMatchObject({ nonce: "nonce-1" });
  });

  it("replaces a slot that is as it was read, and puts its new OTP beside the old one", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    expect(await store.putOtp(otpEntry("otp-2"), slotEntry("nonce-2"), await etagOfSlot())).toEqual(
      E.right("written"),
    );
    expect(right(await store.findSlot(slotEntry().ref))?.value).toMatchObject({ nonce: "nonce-2" });
    expect(right(await store.findOtp(otpEntry().ref))).toBeDefined();
    expect(right(await store.findOtp(otpEntry("otp-2").ref))).toBeDefined();
  });

  it("puts nothing when the slot changed since it was read", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    const etag = await etagOfSlot();
    await store.putOtp(otpEntry("otp-2"), slotEntry("nonce-2"), etag);
    expect(await store.putOtp(otpEntry("otp-3"), slotEntry("nonce-3"), etag)).toEqual(E.right("conflict"));
    expect(right(await store.findOtp(otpEntry("otp-3").ref))).toBeUndefined();
    expect(right(await store.findSlot(slotEntry().ref))?.value).toMatchObject({ nonce: "nonce-2" });
  });

  it("puts nothing when the slot is gone since it was read", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    const etag = await etagOfSlot();
    await service.otps.item("slot-1", "shop-1:A").delete();
    expect(await store.putOtp(otpEntry("otp-2"), slotEntry("nonce-2"), etag)).toEqual(E.right("conflict"));
    expect(right(await store.findOtp(otpEntry("otp-2").ref))).toBeUndefined();
  });

  it("takes an OTP that is there already for a conflict", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    const otherSlot = { ...slotEntry(), ref: { id: "slot-2", partitionKey: "shop-1:A" } };
    expect(await store.putOtp(otpEntry(), otherSlot, undefined)).toEqual(E.right("conflict"));
  });

  it("lets one of many writers that read the same OTP replace it", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    const etag = await etagOfOtp();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => store.replaceOtp({ ...otpEntry(), value: used }, etag)),
    );
    expect(outcomes.map(right).filter((outcome) => outcome === "written")).toHaveLength(1);
    expect(outcomes.map(right).filter((outcome) => outcome === "conflict")).toHaveLength(19);
  });

  it("does not bring back an OTP that is gone since it was read", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    const etag = await etagOfOtp();
    await service.otps.item("otp-1", "shop-1:A").delete();
    expect(await store.replaceOtp({ ...otpEntry(), value: used }, etag)).toEqual(E.right("conflict"));
    expect(right(await store.findOtp(otpEntry().ref))).toBeUndefined();
  });

  it("writes on each item when to forget it, and on a merchant's keys nothing", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    await store.putApiKeys(shop, keys, undefined);
    const ttls = (await readItems(service.otps)).map(({ id, ttl }) => [id, ttl]);
    expect(Object.fromEntries(ttls)).toEqual({ "otp-1": 87_000, "slot-1": 900 });
    expect((await readItems(service.apiKeys)).map(({ ttl }) => ttl)).toEqual([undefined]);
    await store.replaceOtp({ ...otpEntry(), value: used, ttlSeconds: 5 }, await etagOfOtp());
    expect((await readItems(service.otps)).find(({ id }) => id === "otp-1")?.ttl).toBe(5);
  });

  it("honours the time to live of each item, and indexes nothing", async () => {
    const { resource } = await service.otps.read();
    expect(resource).toMatchObject({
      defaultTtl: -1,
      indexingPolicy: { includedPaths: [], excludedPaths: [{ path: "/*" }] },
    });
  });

  it("shows nothing of one merchant's to another", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    await store.putApiKeys(shop, keys, undefined);
    expect(right(await store.findOtp({ id: "otp-1", partitionKey: "shop-2:A" }))).toBeUndefined();
    expect(right(await store.findSlot({ id: "slot-1", partitionKey: "shop-2:A" }))).toBeUndefined();
    expect(right(await store.findApiKeys(right(MerchantId.decode("shop-2"))))).toBeUndefined();
    expect(await store.putOtp(otpEntry("otp-1", "shop-2:A"), slotEntry("n", "shop-2:A"), undefined)).toEqual(
      E.right("written"),
    );
  });

  it("gives back a merchant's keys as they were put", async () => {
    expect(await store.putApiKeys(shop, keys, undefined)).toEqual(E.right("written"));
    const first = right(await store.findApiKeys(shop));
    expect(first?.value).toMatchObject(keys);
    const both = { ...keys, secondary: { hash: hashApiKey("key-2"), createdAt: new Date(0) } };
    expect(await store.putApiKeys(shop, both, first?.etag)).toEqual(E.right("written"));
    expect(right(await store.findApiKeys(shop))?.value).toMatchObject(both);
  });

  it("puts no keys in place of others that it was not told of", async () => {
    await store.putApiKeys(shop, keys, undefined);
    expect(await store.putApiKeys(shop, {}, undefined)).toEqual(E.right("conflict"));
    expect(await store.putApiKeys(shop, {}, "another etag")).toEqual(E.right("conflict"));
    expect(right(await store.findApiKeys(shop))?.value).toMatchObject(keys);
  });

  it.each([
    ["an OTP", { discountId: "a_b" }],
    ["an OTP's end", { expiresAt: "tomorrow" }],
    ["an OTP's end, a number", { expiresAt: 5 }],
    ["a use", { use: {} }],
    ["a use that is not there at all", { use: undefined }],
  ])("rejects %s that does not decode", async (_, malformed) => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    const [item] = (await readItems(service.otps)).filter(({ id }) => id === "otp-1");
    await service.otps.items.upsert({ ...item, ...malformed });
    await expect(store.findOtp(otpEntry().ref)).rejects.toThrow(
      `malformed item: .${Object.keys(malformed).join()}`,
    );
  });

  it("rejects keys that do not decode", async () => {
    await service.apiKeys.items.create({ id: "shop-1", primary: { hash: "short", createdAt: "now" } });
    await expect(store.findApiKeys(shop)).rejects.toThrow("malformed item");
  });

  it("tells a store that is away from one that has nothing", async () => {
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    await close(service.storeServer);
    // Refused, reset or cut short in the middle of an attempt.
    expect(await connect(200).findOtp(otpEntry().ref)).toMatchObject({
      left: { tag: "service-unavailable" },
    });
    expect(await connect(200).checkGuarantees()).toMatchObject({ left: { tag: "service-unavailable" } });
    expect(await store.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
    expect(await store.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("unknown"));
    expect(await store.putApiKeys(shop, keys, undefined)).toEqual(E.right("unknown"));
  });

  it("tells of each call how it went", async () => {
    const start = performance.now();
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    await store.putOtp(otpEntry(), slotEntry(), undefined);
    await store.findOtp(otpEntry().ref);
    await store.findSlot(slotEntry().ref);
    await store.findApiKeys(shop);
    await store.putApiKeys(shop, keys, undefined);
    await store.checkGuarantees();
    await store.replaceOtp(otpEntry(), "an etag of before");
    await close(service.storeServer);
    await store.replaceOtp(otpEntry(), "etag");
    // The embedded store charges 1 for whatever it answers. What is asked of the account costs nothing of the throughput.
    expect(calls.map(({ requestUnits }) => requestUnits)).toEqual([1, 1, 1, 1, 1, 1, 0, 1, 0]);
    for (const { durationMs } of calls) {
      expect(durationMs).toBeGreaterThan(0);
      expect(durationMs).toBeLessThanOrEqual(performance.now() - start);
    }
    expect(
      calls.map(({ operation, attempts, failure }) => [operation, attempts, failure !== undefined]),
    ).toEqual([
      ["putOtp", 1, false],
      ["putOtp", 1, false],
      ["findOtp", 1, false],
      ["findSlot", 1, false],
      ["findApiKeys", 1, false],
      ["putApiKeys", 1, false],
      ["checkGuarantees", 1, false],
      ["replaceOtp", 1, false],
      ["replaceOtp", 1, true],
    ]);
  });

  it("creates the containers that are missing, and leaves the others as they are", async () => {
    await store.putApiKeys(shop, keys, undefined);
    await service.otps.delete();
    const another = makeCosmosStore({ ...service.config, requestDeadlineMs: 1000 });
    right(await another.createContainers());
    another.dispose();
    expect(await store.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("written"));
    expect(right(await store.findApiKeys(shop))).toBeDefined();
  });

  describe("that misbehaves", () => {
    let proxy: FaultProxy;
    let broken: CosmosStore;
    beforeEach(async () => {
      await store.putOtp(otpEntry(), slotEntry(), undefined);
      proxy = await startFaultProxy(service.config.cosmos.endpoint);
      broken = makeCosmosStore({
        cosmos: { ...service.config.cosmos, endpoint: proxy.endpoint },
        requestDeadlineMs: 900,
      });
    });
    afterEach(async () => {
      broken.dispose();
      await proxy.close();
    });
    const findThrough = (timeMs: number): ReturnType<Store["findOtp"]> =>
      broken
        .forCall({ signal: AbortSignal.timeout(timeMs), onCall: (each) => calls.push(each) })
        .findOtp(otpEntry().ref);

    it.each<[string, Fault]>([
      ["a connection that is reset", { kind: "reset-before" }],
      ["an answer that is cut off", { kind: "cut-off" }],
      ["404 of a replica that lags behind", { kind: "status", status: 404, substatus: 1002 }],
      ["408", { kind: "status", status: 408 }],
      ["410", { kind: "status", status: 410 }],
      ["449", { kind: "status", status: 449 }],
      ["500", { kind: "status", status: 500 }],
      ["503", { kind: "status", status: 503 }],
      ["429 that says when to come back", { kind: "status", status: 429, retryAfterMs: 1 }],
      ["no answer", { kind: "hang" }],
    ])("is read again after %s, and the attempts are told", async (_, fault) => {
      proxy.script(({ index }) => (index < 2 ? fault : undefined));
      expect(right(await findThrough(10_000))?.value).toMatchObject(otp);
      expect(proxy.requests).toHaveLength(3);
      expect(calls.at(-1)).toMatchObject({ operation: "findOtp", attempts: 3, failure: undefined });
    });

    it("is read again until the signal ends it, and not after", async () => {
      const ending = new AbortController();
      proxy.script(({ index }) => {
        if (index === 3) {
          ending.abort();
        }
        return { kind: "status", status: 503 };
      });
      const found = await broken
        .forCall({ signal: ending.signal, onCall: (each) => calls.push(each) })
        .findOtp(otpEntry().ref);
      expect(found).toMatchObject({ left: { tag: "service-unavailable", retryAfterSeconds: 1 } });
      expect(proxy.requests).toHaveLength(4);
      expect(calls.at(-1)?.attempts).toBe(4);
      expect(calls.at(-1)?.failure).toMatch(/^store: /);
    });

    it("is told to have lost its connection, which the SDK would wait a second for", async () => {
      // Only the signal ends its fourth attempt, however busy the machine is.
      const patient = makeCosmosStore({
        cosmos: { ...service.config.cosmos, endpoint: proxy.endpoint },
        requestDeadlineMs: 3_600_000,
      });
      const ending = new AbortController();
      const arrivals: number[] = [];
      proxy.script(({ index }) => {
        arrivals.push(performance.now());
        if (index < 3) {
          return { kind: "reset-before" };
        }
        ending.abort();
        return { kind: "hang" };
      });
      const found = await patient
        .forCall({ signal: ending.signal, onCall: (each) => calls.push(each) })
        .findOtp(otpEntry().ref);
      expect(found).toMatchObject({ left: { cause: "store: no answer in time" } });
      expect(calls.at(-1)).toMatchObject({ attempts: 4, failure: "store: lost connection (ECONNRESET)" });
      const [first = NaN, , , fourth = NaN] = arrivals;
      expect(fourth - first).toBeLessThan(3 * 1000);
      patient.dispose();
    });

    it("lets go of a call whose time is up, though the client has not yet got to know the account", async () => {
      const account = await startFaultProxy(service.config.cosmos.endpoint, {});
      account.script(() => ({ kind: "hang" }));
      const cosmos = { ...service.config.cosmos, endpoint: account.endpoint, isSingleCopy: false };
      const cold = makeCosmosStore({ cosmos, requestDeadlineMs: 300 });
      const connected = cold.forCall({ signal: AbortSignal.timeout(300), onCall: () => undefined });
      expect(await connected.findOtp(otpEntry().ref)).toMatchObject({ left: { tag: "service-unavailable" } });
      expect(await connected.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
      cold.dispose();
      await account.close();
    });

    it.each<[string, Fault | undefined, string | undefined]>([
      ["answered", undefined, undefined],
      ["refused", { kind: "status", status: 429, retryAfterMs: 5000 }, "store: 429"],
    ])(
      "is read again after a 503 of one with regions, and both requests are told, the second of which is %s",
      async (_, then, failure) => {
        const account = await startFaultProxy(service.config.cosmos.endpoint, {});
        const cosmos = { ...service.config.cosmos, endpoint: account.endpoint, isSingleCopy: false };
        const regional = makeCosmosStore({ cosmos, requestDeadlineMs: 900 });
        const isRead = ({ operation }: StoreRequest): boolean => operation === "read";
        account.script((request) =>
          !isRead(request)
            ? undefined
            : account.requests.filter(isRead).length === 1
              ? { kind: "status", status: 503 }
              : then,
        );
        await regional
          .forCall({ signal: AbortSignal.timeout(10_000), onCall: (each) => calls.push(each) })
          .findOtp(otpEntry().ref);
        expect(calls.at(-1)).toMatchObject({ attempts: 2, failure });
        expect(account.requests.filter(isRead)).toHaveLength(2);
        regional.dispose();
        await account.close();
      },
    );

    it("lets go of a call whose time is up, though the store's name leads nowhere", async () => {
      const cosmos = { ...service.config.cosmos, endpoint: "https://store.invalid", isSingleCopy: false };
      const nowhere = makeCosmosStore({ cosmos, requestDeadlineMs: 300 });
      const connected = nowhere.forCall({ signal: AbortSignal.timeout(300), onCall: () => undefined });
      expect(await connected.findOtp(otpEntry().ref)).toMatchObject({ left: { tag: "service-unavailable" } });
      nowhere.dispose();
    });

    it("is not asked any more once it is disposed of", async () => {
      broken.dispose();
      expect(await findThrough(200)).toMatchObject({ left: { cause: "store: disposed of" } });
      expect(proxy.requests).toHaveLength(0);
    });

    it("keeps no connection once it is disposed of", async () => {
      const connections = watchConnections(service.storeServer);
      const another = makeCosmosStore({ ...service.config, requestDeadlineMs: 900 });
      const connected = another.forCall({ signal: AbortSignal.timeout(10_000), onCall: () => undefined });
      right(await connected.findOtp(otpEntry().ref));
      expect(connections.open).toBe(1);
      another.dispose();
      while (connections.open > 0) {
        await pause(1);
      }
    });

    it("is not asked at all once the signal has ended the call", async () => {
      const ended = broken.forCall({ signal: AbortSignal.abort(), onCall: (each) => calls.push(each) });
      expect(await ended.findOtp(otpEntry().ref)).toMatchObject({ left: { tag: "service-unavailable" } });
      expect(await ended.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
      expect(proxy.requests).toHaveLength(0);
    });

    describe("after a write of unknown outcome", () => {
      let doubtful: Store;
      let ending: AbortController;
      beforeEach(async () => {
        ending = new AbortController();
        doubtful = broken.forCall({ signal: ending.signal, onCall: (each) => calls.push(each) });
        proxy.script(() => ({ kind: "status", status: 500 }));
        expect(await doubtful.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        await proxy.reset();
      });

      it("is asked, though it throttles, until it answers", async () => {
        proxy.script(({ index }) =>
          index < 6 ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
        );
        expect(right(await doubtful.findOtp(otpEntry().ref))?.value).toMatchObject(otp);
        expect(calls.at(-1)).toMatchObject({ operation: "findOtp", attempts: 7, failure: undefined });
      });

      it("is asked no sooner than it says, though that is later than a third of a call's time", async () => {
        proxy.script(({ index }) =>
          index === 0 ? { kind: "status", status: 429, retryAfterMs: 400 } : undefined,
        );
        expect(right(await doubtful.findOtp(otpEntry().ref))?.value).toMatchObject(otp);
        expect(calls.at(-1)).toMatchObject({ attempts: 2, failure: undefined });
        // A timer may be up to 1 ms early.
        expect(calls.at(-1)?.durationMs).toBeGreaterThan(399);
      });

      it("is asked more and more seldom, though it does not say for how long it throttles", async () => {
        proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 0 }));
        const found = doubtful.findOtp(otpEntry().ref);
        await pause(500);
        ending.abort();
        expect(await found).toMatchObject({ left: { tag: "service-unavailable" } });
        // Whole pauses of 20, 40, 80, 160 and 320 ms would make it five, no pauses hundreds.
        expect(proxy.requests.length).toBeLessThan(30);
      });

      it("is asked no more once the signal has ended the call", async () => {
        proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 3_600_000 }));
        const found = doubtful.findOtp(otpEntry().ref);
        while (proxy.requests.length === 0) {
          await pause(1);
        }
        await proxy.settled();
        await pause(50);
        ending.abort();
        expect(await found).toMatchObject({ left: { tag: "service-unavailable" } });
        expect(proxy.requests).toHaveLength(1);
        expect(calls.at(-1)).toMatchObject({ attempts: 1 });
      });

      it("is left in peace when it refuses for a reason that stays", async () => {
        const { stub, stop } = await startStub(403, { message: "x" });
        expect(await stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        expect(await stub.findOtp(otpEntry().ref)).toMatchObject({ left: { cause: "store: 403" } });
        await stop();
      });

      it("is written to, though it throttles, and the other calls are not waited for", async () => {
        proxy.script(({ index }) =>
          index < 6 ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
        );
        expect(await doubtful.replaceOtp({ ...otpEntry(), value: used }, await etagOfOtp())).toEqual(
          E.right("written"),
        );
        expect(calls.at(-1)).toMatchObject({ operation: "replaceOtp", attempts: 7, failure: undefined });
        await proxy.reset();
        proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 1 }));
        expect(await findThrough(10_000)).toMatchObject({ left: { cause: "store: 429" } });
        expect(proxy.requests).toHaveLength(4);
      });

      it("is looked at again when an operation of a batch was throttled", async () => {
        const { stub, stop } = await startStub(207, [{ statusCode: 429 }, { statusCode: 424 }]);
        // It answers the replace with a status that says nothing.
        expect(await stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        expect(await stub.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("unknown"));
        expect(calls.at(-1)?.failure).toBe("store: 429");
        await stop();
      });
    });

    it("is left in peace while it throttles, and its caller told for how long", async () => {
      proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 1 }));
      expect(await findThrough(10_000)).toMatchObject({
        left: { cause: "store: 429", retryAfterSeconds: 1 },
      });
      expect(proxy.requests).toHaveLength(4);
    });

    it("is waited for while it throttles, but for no longer than a third of a call's time", async () => {
      proxy.script(({ index }) => ({ kind: "status", status: 429, retryAfterMs: index === 0 ? 300 : 301 }));
      const throttled = { tag: "service-unavailable", cause: "store: 429", retryAfterSeconds: 1 };
      expect(await findThrough(10_000)).toMatchObject({ left: throttled });
      expect(proxy.requests).toHaveLength(2);
      expect(calls.at(-1)).toMatchObject({ attempts: 2, failure: "store: 429" });
      expect(calls.at(-1)?.durationMs).toBeGreaterThan(290);
    });

    it.each([
      ["created all the same when it throttles once", 1, 5, true],
      ["given up when it goes on throttling", 99, 4, false],
    ])("has its containers %s", async (_, throttled, requests, isCreated) => {
      await service.otps.delete();
      proxy.script(({ index }) =>
        index < throttled ? { kind: "status", status: 429, retryAfterMs: 1 } : undefined,
      );
      expect(E.isRight(await broken.createContainers())).toBe(isCreated);
      expect(proxy.requests).toHaveLength(requests);
    });

    it("is not waited for any more once the signal has ended the call", async () => {
      // A third of this time is longer than the store asks for, and than this test has.
      const patient = makeCosmosStore({
        cosmos: { ...service.config.cosmos, endpoint: proxy.endpoint },
        requestDeadlineMs: 3_600_000,
      });
      proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 1_000_000 }));
      const ending = new AbortController();
      const found = patient
        .forCall({ signal: ending.signal, onCall: (each) => calls.push(each) })
        .findOtp(otpEntry().ref);
      while (proxy.requests.length === 0) {
        await pause(1);
      }
      await proxy.settled();
      await pause(50);
      ending.abort();
      expect(await found).toMatchObject({ left: { tag: "service-unavailable" } });
      expect(proxy.requests).toHaveLength(1);
      patient.dispose();
    });

    it.each([
      ["a refusal that stays", 403, {}, "store: 403"],
      ["a container that is missing", 404, { "x-ms-substatus": "1003" }, "store: 404/1003"],
    ])("is not asked twice for %s, which is no item that is not found", async (_, status, headers, cause) => {
      let count = 0;
      // The embedded server gives no such answer.
      const server = createServer((__, response) => {
        count++;
        response
          .writeHead(status, { "x-ms-activity-id": "x", ...headers })
          .end(JSON.stringify({ message: "x" }));
      });
      const endpoint = `http://127.0.0.1:${await listen(server, 0)}`;
      const refused = makeCosmosStore({
        cosmos: { ...service.config.cosmos, endpoint },
        requestDeadlineMs: 900,
      });
      const connected = refused.forCall({ signal: AbortSignal.timeout(10_000), onCall: () => undefined });
      expect(await connected.findOtp(otpEntry().ref)).toMatchObject({ left: { cause } });
      expect(count).toBe(1);
      refused.dispose();
      await close(server);
    });

    /** A store that gives the answers that the embedded server never gives. */
    const startStub = async (
      status: number,
      body: unknown,
      headers: Readonly<Record<string, string>> = {},
      timeMs = 10_000,
    ): Promise<{ stub: Store; stop: () => Promise<void> }> => {
      const server = createServer((_, response) => {
        const sent = Object.entries({ "x-ms-activity-id": "x", ...headers });
        response.statusCode = status;
        response.setHeaders(new Map(sent.filter(([, value]) => value !== "")));
        response.end(typeof body === "string" ? body : JSON.stringify(body));
      });
      const endpoint = `http://127.0.0.1:${await listen(server, 0)}`;
      const stubbed = makeCosmosStore({
        cosmos: { ...service.config.cosmos, endpoint },
        requestDeadlineMs: 900,
      });
      return {
        stub: stubbed.forCall({ signal: AbortSignal.timeout(timeMs), onCall: (each) => calls.push(each) }),
        stop: async () => {
          stubbed.dispose();
          await close(server);
        },
      };
    };

    it.each([
      ["conflict", [424, 409]],
      ["conflict", [412, 424]],
      ["unknown", [424, 400]],
      ["written", [201, 201]],
      ["unknown", []],
    ])(
      "is told by the operation of a batch that failed, not by those that were not tried: %s",
      async (outcome, statuses) => {
        const { stub, stop } = await startStub(
          207,
          statuses.map((statusCode) => ({ statusCode, requestCharge: 1 })),
        );
        expect(await stub.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right(outcome));
        expect(calls.at(-1)?.failure).toBe(
          outcome === "unknown"
            ? `store: ${statuses.find((status) => status !== 424) ?? "unforeseen answer (batch)"}`
            : undefined,
        );
        await stop();
      },
    );

    it("is left alone as long as the throttled operation of a batch says, or is not asked again now", async () => {
      const soon = [{ statusCode: 429, retryAfterMilliseconds: 40 }, { statusCode: 424 }];
      const { stub, stop } = await startStub(207, soon);
      const start = performance.now();
      const throttling = { left: { tag: "service-unavailable", cause: "store: 429", retryAfterSeconds: 1 } };
      expect(await stub.putOtp(otpEntry(), slotEntry(), undefined)).toMatchObject(throttling);
      expect(performance.now() - start).toBeGreaterThan(3 * 40);
      expect(calls.at(-1)?.attempts).toBe(4);
      await stop();
      const later = await startStub(207, [{ statusCode: 429, retryAfterMilliseconds: 1001 }]);
      expect(await later.stub.putOtp(otpEntry(), slotEntry(), undefined)).toMatchObject({
        left: { retryAfterSeconds: 2 },
      });
      expect(calls.at(-1)?.attempts).toBe(1);
      await later.stop();
    });

    it.each(["", "null", "<html>", '{"message":"x"}'])(
      "says how long to wait, in whole seconds, with the body %j",
      async (body) => {
        const { stub, stop } = await startStub(429, body, { "x-ms-retry-after-ms": "1001" });
        const throttling = E.left({ tag: "service-unavailable", cause: "store: 429", retryAfterSeconds: 2 });
        expect(await stub.findOtp(otpEntry().ref)).toEqual(throttling);
        expect(await stub.replaceOtp(otpEntry(), "etag")).toEqual(throttling);
        expect(await stub.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(throttling);
        expect(await stub.putApiKeys(shop, keys, undefined)).toEqual(throttling);
        expect(calls.slice(-4).map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1]);
        await stop();
      },
    );

    it.each([
      [204, ""],
      [302, ""],
      [200, ""],
      [200, "null"],
      [200, "{}"],
      [200, "[]"],
      [200, "<html>"],
    ])(
      "is not understood when it answers %s with %j: no read has a value, no write is known",
      async (status, body) => {
        const { stub, stop } = await startStub(status, body, {}, 400);
        expect(await stub.findOtp(otpEntry().ref)).toMatchObject({ left: { tag: "service-unavailable" } });
        await stop();
        const other = await startStub(status, body);
        expect(await other.stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        expect(await other.stub.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("unknown"));
        expect(await other.stub.putApiKeys(shop, keys, undefined)).toEqual(E.right("unknown"));
        await other.stop();
      },
    );

    it.each([
      [404, "{}"],
      [200, JSON.stringify({ id: "x", _etag: "x" })],
    ])("does not speak where another program answers %s", async (status, body) => {
      const { stub, stop } = await startStub(status, body, { "x-ms-activity-id": "" }, 300);
      const failure = { left: { cause: `store: ${status} of another program` } };
      expect(await stub.findApiKeys(shop)).toMatchObject(failure);
      await stop();
    });
  });
});
