import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import { close, listen } from "../../local/server";
import { watchConnections } from "../../tests/support/connections";
import { right } from "../../tools/support/either";
import { startFaultProxy, type Fault, type FaultProxy } from "../../tools/support/fault-proxy";
import { countOf, every, inOrder, throttled } from "../../tools/support/fault-scripts";
import { readItems, startService, type Service } from "../../tools/support/service";
import { hashApiKey } from "../domain/api-key";
import { DiscountId, MerchantId } from "../domain/identifiers";
import type { Otp, Slot } from "../domain/otp";
import type { Entry, Store, StoreCall } from "../domain/store";
import { makeCosmosStore, type CosmosStore } from "./cosmos-store";

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
const unavailable = { left: { tag: "service-unavailable" } };
const shop = right(MerchantId.decode("shop-1"));
const keys = { primary: { hash: hashApiKey("key-1"), createdAt: new Date("2026-03-01T10:00:00.000Z") } };

/** What every store must do, whichever server is behind it. */
describe("the store", () => {
  let service: Service;
  let store: Store;
  let calls: StoreCall[];
  beforeEach(async () => {
    service = await startService();
    calls = [];
    const signal = AbortSignal.timeout(30_000);
    store = service.store.forCall({ signal, onCall: (call) => calls.push(call) });
  });
  afterEach(() => service.stop());

  const etagOf = async (ref = otpEntry().ref): Promise<string> => right(await store.findOtp(ref))?.etag ?? "";
  const etagOfSlot = async (): Promise<string> => right(await store.findSlot(slotEntry().ref))?.etag ?? "";
  const put = (id?: string, nonce?: string, etag?: string): ReturnType<Store["putOtp"]> =>
    store.putOtp(otpEntry(id), slotEntry(nonce), etag);
  const expectSlot = async (nonce: string): Promise<void> => {
    expect(right(await store.findSlot(slotEntry().ref))?.value).toMatchObject({ nonce });
  };

  it("replaces a slot that is as it was read, and puts nothing of an OTP whose slot is not", async () => {
    await put();
    const etag = await etagOfSlot();
    expect(await put("otp-2", "nonce-2", undefined)).toEqual(E.right("conflict"));
    await expectSlot("nonce-1");
    expect(await put("otp-2", "nonce-2", etag)).toEqual(E.right("written"));
    expect(right(await store.findOtp(otpEntry().ref))).toBeDefined();
    expect(await put("otp-3", "nonce-3", etag)).toEqual(E.right("conflict"));
    await expectSlot("nonce-2");
    const latest = await etagOfSlot();
    await service.otps.item("slot-1", "shop-1:A").delete();
    expect(await put("otp-3", "nonce-3", latest)).toEqual(E.right("conflict"));
    const found = ["otp-1", "otp-2", "otp-3"].map((id) => store.findOtp(otpEntry(id).ref));
    expect((await Promise.all(found)).map((each) => right(each) !== undefined)).toEqual([true, true, false]);
  });

  it("takes an OTP that is there already for a conflict", async () => {
    await put();
    const otherSlot = { ...slotEntry(), ref: { id: "slot-2", partitionKey: "shop-1:A" } };
    expect(await store.putOtp(otpEntry(), otherSlot, undefined)).toEqual(E.right("conflict"));
  });

  it("does not bring back an OTP that is gone since it was read", async () => {
    await put();
    const etag = await etagOf();
    await service.otps.item("otp-1", "shop-1:A").delete();
    expect(await store.replaceOtp({ ...otpEntry(), value: used }, etag)).toEqual(E.right("conflict"));
    expect(right(await store.findOtp(otpEntry().ref))).toBeUndefined();
  });

  it("writes on each item when to forget it, and on a merchant's keys nothing", async () => {
    await put();
    await store.putApiKeys(shop, keys, undefined);
    const ttls = (await readItems(service.otps)).map(({ id, ttl }) => [id, ttl]);
    expect(Object.fromEntries(ttls)).toEqual({ "otp-1": 87_000, "slot-1": 900 });
    expect((await readItems(service.apiKeys)).map(({ ttl }) => ttl)).toEqual([undefined]);
    await store.replaceOtp({ ...otpEntry(), value: used, ttlSeconds: 5 }, await etagOf());
    expect((await readItems(service.otps)).find(({ id }) => id === "otp-1")?.ttl).toBe(5);
  });

  it("puts no keys in place of others that it was not told of", async () => {
    await store.putApiKeys(shop, keys, undefined);
    expect(await store.putApiKeys(shop, {}, undefined)).toEqual(E.right("conflict"));
    expect(await store.putApiKeys(shop, {}, "another etag")).toEqual(E.right("conflict"));
    expect(right(await store.findApiKeys(shop))?.value).toMatchObject(keys);
  });

  it("rejects what does not decode, and names the part", async () => {
    await put();
    const [item] = (await readItems(service.otps)).filter(({ id }) => id === "otp-1");
    await service.otps.items.upsert({ ...item, expiresAt: "tomorrow" });
    await expect(store.findOtp(otpEntry().ref)).rejects.toThrow("malformed item: .expiresAt");
    await service.apiKeys.items.create({ id: "shop-1", primary: { hash: "short", createdAt: "now" } });
    await expect(store.findApiKeys(shop)).rejects.toThrow("malformed item");
  });

  it("tells of each call how it went", async () => {
    const start = performance.now();
    await put();
    await store.findOtp(otpEntry().ref);
    await store.findSlot(slotEntry().ref);
    await store.findApiKeys(shop);
    await store.putApiKeys(shop, keys, undefined);
    await store.checkGuarantees();
    await store.replaceOtp(otpEntry(), "an etag of before");
    await close(service.storeServer);
    await store.replaceOtp(otpEntry(), "etag");
    for (const { durationMs } of calls) {
      expect(durationMs).toBeGreaterThan(0);
      expect(durationMs).toBeLessThanOrEqual(performance.now() - start);
    }
    // The embedded store charges 1 for whatever it answers. What is asked of the account costs nothing of the throughput.
    expect(
      calls.map((call) => [call.operation, call.attempts, call.requestUnits, call.failure !== undefined]),
    ).toEqual([
      ["putOtp", 1, 1, false],
      ["findOtp", 1, 1, false],
      ["findSlot", 1, 1, false],
      ["findApiKeys", 1, 1, false],
      ["putApiKeys", 1, 1, false],
      ["checkGuarantees", 1, 0, false],
      ["replaceOtp", 1, 1, false],
      ["replaceOtp", 1, 0, true],
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
});

describe("a store that misbehaves", () => {
  let service: Service;
  let calls: StoreCall[] = [];
  let proxy: FaultProxy;
  let broken: CosmosStore;
  beforeAll(async () => {
    service = await startService();
    await through(service.store).putOtp(otpEntry(), slotEntry(), undefined);
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    calls = [];
    proxy = await startFaultProxy(service.config.cosmos.endpoint);
    broken = storeAt(proxy.endpoint);
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) {
      each.dispose();
    }
    await proxy.close();
  });
  const opened: CosmosStore[] = [];
  const storeAt = (endpoint: string, requestDeadlineMs = 900, isSingleCopy = true): CosmosStore => {
    const cosmos = { ...service.config.cosmos, endpoint, isSingleCopy };
    const connected = makeCosmosStore({ cosmos, requestDeadlineMs });
    opened.push(connected);
    return connected;
  };
  const through = (to: CosmosStore, signal: AbortSignal = AbortSignal.timeout(10_000)): Store =>
    to.forCall({ signal, onCall: (each) => calls.push(each) });
  const find = (to = broken, signal?: AbortSignal): ReturnType<Store["findOtp"]> =>
    through(to, signal).findOtp(otpEntry().ref);

  it.each<[string, Fault]>([
    ["a connection that is reset", { kind: "reset-before" }],
    ["an answer that is cut off", { kind: "cut-off" }],
    ["404 of a replica that lags behind", { kind: "status", status: 404, substatus: 1002 }],
    ["503", { kind: "status", status: 503 }],
    ["429 that says when to come back", throttled],
    ["no answer", { kind: "hang" }],
  ])("is read again after %s, and the attempts are told", async (_, fault) => {
    proxy.script(inOrder("any", fault, fault));
    const store = fault.kind === "hang" ? storeAt(proxy.endpoint, 500) : broken;
    expect(right(await find(store))?.value).toMatchObject(otp);
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
    expect(await find(broken, ending.signal)).toMatchObject({
      left: { tag: "service-unavailable", retryAfterSeconds: 1 },
    });
    expect(proxy.requests).toHaveLength(4);
    expect(calls.at(-1)?.attempts).toBe(4);
    expect(calls.at(-1)?.failure).toMatch(/^store: /);
  });

  it("lets go of a call whose time is up, though the client does not know the account, or no address", async () => {
    const account = await startFaultProxy(service.config.cosmos.endpoint, {});
    account.script(every("any", { kind: "hang" }));
    const cold = through(storeAt(account.endpoint, 300, false), AbortSignal.timeout(100));
    expect(await cold.findOtp(otpEntry().ref)).toMatchObject(unavailable);
    expect(await cold.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
    const nowhere = storeAt("https://store.invalid", 300, false);
    expect(await find(nowhere, AbortSignal.timeout(100))).toMatchObject(unavailable);
    await account.close();
  });

  it.each<[string, Fault | undefined, string | undefined]>([
    ["answered", undefined, undefined],
    ["refused", { kind: "status", status: 429, retryAfterMs: 60_000 }, "store: 429"],
  ])(
    "with regions is read again after a 503, and the log knows of the second read, which is %s",
    async (...row) => {
      const [, then, failure] = row;
      const account = await startFaultProxy(service.config.cosmos.endpoint, {});
      account.script(inOrder("read", { kind: "status", status: 503 }, then));
      await find(storeAt(account.endpoint, 30_000, false));
      expect(calls.at(-1)).toMatchObject({ attempts: 2, failure });
      expect(countOf(account, "read")).toBe(2);
      await account.close();
    },
  );

  it("keeps no connection once it is disposed of, and is not asked any more", async () => {
    const connections = watchConnections(service.storeServer);
    const another = storeAt(service.config.cosmos.endpoint);
    right(await find(another));
    expect(connections.open).toBe(1);
    another.dispose();
    while (connections.open > 0) {
      await pause(1);
    }
    const disposed = { left: { cause: "store: disposed of" } };
    expect(await find(another, AbortSignal.timeout(200))).toMatchObject(disposed);
    expect(connections.open).toBe(0);
  });

  it("is not asked at all once the signal has ended the call", async () => {
    const ended = through(broken, AbortSignal.abort());
    expect(await ended.findOtp(otpEntry().ref)).toMatchObject(unavailable);
    expect(await ended.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
    expect(proxy.requests).toHaveLength(0);
  });

  it("is asked after a write of unknown outcome until it answers, and other calls do not wait for it", async () => {
    const doubtful = through(broken);
    proxy.script(every("any", { kind: "status", status: 500 }));
    expect(await doubtful.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
    await proxy.reset();
    proxy.script(inOrder("any", ...Array<Fault>(6).fill(throttled)));
    expect(await doubtful.replaceOtp(otpEntry(), "etag")).toEqual(E.right("conflict"));
    expect(calls.at(-1)).toMatchObject({ operation: "replaceOtp", attempts: 7, failure: undefined });
    await proxy.reset();
    proxy.script(every("any", throttled));
    expect(await find()).toMatchObject({ left: { cause: "store: 429" } });
    expect(proxy.requests).toHaveLength(4);
    // That a later write was not sent says nothing of the first.
    broken.dispose();
    expect(await doubtful.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
  });

  it("is then asked more and more seldom, though it does not say for how long it throttles", async () => {
    const ending = new AbortController();
    const doubtful = through(broken, ending.signal);
    proxy.script(every("any", { kind: "status", status: 500 }));
    await doubtful.replaceOtp(otpEntry(), "etag");
    await proxy.reset();
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 0 }));
    const found = doubtful.findOtp(otpEntry().ref);
    await pause(300);
    ending.abort();
    expect(await found).toMatchObject(unavailable);
    // Whole pauses of 20, 40, 80 and 160 ms would make it four, no pauses hundreds.
    expect(proxy.requests.length).toBeLessThan(30);
  });

  it("is left in peace even then when it refuses for a reason that stays", async () => {
    const { stub, stop } = await startStub(403, { message: "x" });
    expect(await stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
    expect(await stub.findOtp(otpEntry().ref)).toMatchObject({ left: { cause: "store: 403" } });
    await stop();
  });

  it("is waited for while it throttles, but for no longer than a third of a call's time", async () => {
    proxy.script(({ index }) => ({ kind: "status", status: 429, retryAfterMs: index === 0 ? 300 : 301 }));
    const left = { tag: "service-unavailable", cause: "store: 429", retryAfterSeconds: 1 };
    expect(await find()).toMatchObject({ left });
    expect(proxy.requests).toHaveLength(2);
    expect(calls.at(-1)).toMatchObject({ attempts: 2, failure: "store: 429" });
    expect(calls.at(-1)?.durationMs).toBeGreaterThan(290);
  });

  it.each([
    ["created all the same when it throttles once", 1, 7, true],
    ["given up when it goes on throttling", 99, 4, false],
  ])("has its database and containers %s", async (databaseName, refusals, requests, isCreated) => {
    const cosmos = { ...service.config.cosmos, endpoint: proxy.endpoint, databaseName };
    const creating = makeCosmosStore({ cosmos, requestDeadlineMs: 900 });
    opened.push(creating);
    proxy.script(inOrder("any", ...Array<Fault>(refusals).fill(throttled)));
    expect(E.isRight(await creating.createContainers())).toBe(isCreated);
    expect(proxy.requests).toHaveLength(requests);
  });

  it("is not waited for any more once the signal has ended the call", async () => {
    // A third of this time is longer than the store asks for, and than this test has.
    proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 1_000_000 }));
    const ending = new AbortController();
    const found = find(storeAt(proxy.endpoint, 3_600_000), ending.signal);
    while (proxy.requests.length === 0) {
      await pause(1);
    }
    await proxy.settled();
    await pause(50);
    ending.abort();
    expect(await found).toMatchObject(unavailable);
    expect(proxy.requests).toHaveLength(1);
  });

  it.each<[string, number, Record<string, string>, string]>([
    ["a refusal that stays", 403, {}, "store: 403"],
    ["a container that is missing", 404, { "x-ms-substatus": "1003" }, "store: 404/1003"],
  ])("is not asked twice for %s, which is no item that is not found", async (_, status, headers, cause) => {
    const { stub, stop, countRequests } = await startStub(status, { message: "x" }, headers);
    expect(await stub.findOtp(otpEntry().ref)).toMatchObject({ left: { cause } });
    expect(countRequests()).toBe(1);
    await stop();
  });

  /** A store that gives the answers that the embedded server never gives. */
  const startStub = async (
    status: number,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
    signal = AbortSignal.timeout(10_000),
  ): Promise<{ stub: Store; stop: () => Promise<void>; countRequests: () => number }> => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests += 1;
      response.writeHead(status, { "x-ms-activity-id": "x", ...headers });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    const stubbed = storeAt(`http://127.0.0.1:${await listen(server, 0)}`);
    return {
      stub: through(stubbed, signal),
      countRequests: () => requests,
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

  it.each(["", "<html>", '{"message":"x"}'])(
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
    [200, "{}"],
    [200, "<html>"],
  ])(
    "is not understood when it answers %s with %j: no read has a value, no write is known",
    async (status, body) => {
      const { stub, stop } = await startStub(status, body, {}, AbortSignal.timeout(100));
      expect(await stub.findOtp(otpEntry().ref)).toMatchObject(unavailable);
      await stop();
      const other = await startStub(status, body);
      expect(await other.stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
      expect(await other.stub.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("unknown"));
      expect(await other.stub.putApiKeys(shop, keys, undefined)).toEqual(E.right("unknown"));
      await other.stop();
    },
  );
});
