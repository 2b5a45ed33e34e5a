import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import { close, listen } from "../../local/server";
import { watchConnections } from "../../tests/support/connections";
import { right } from "../../tools/support/either";
import { startFaultProxy, type Fault, type FaultProxy } from "../../tools/support/fault-proxy";
import { countOf, every, inOrder, throttled, type Script } from "../../tools/support/fault-scripts";
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
  const connect = (timeMs: number): Store =>
    service.store.forCall({ signal: AbortSignal.timeout(timeMs), onCall: (call) => calls.push(call) });
  beforeEach(async () => {
    service = await startService();
    calls = [];
    store = connect(30_000);
  });
  afterEach(() => service.stop());

  const etagOf = async (ref = otpEntry().ref): Promise<string> => right(await store.findOtp(ref))?.etag ?? "";
  const etagOfSlot = async (): Promise<string> => right(await store.findSlot(slotEntry().ref))?.etag ?? "";
  const put = (id?: string, nonce?: string, etag?: string): ReturnType<Store["putOtp"]> =>
    store.putOtp(otpEntry(id), slotEntry(nonce), etag);
  const expectSlot = async (nonce: string): Promise<void> => {
    expect(right(await store.findSlot(slotEntry().ref))?.value).toMatchObject({ nonce });
  };

  it("finds nothing where nothing was put", async () => {
    expect(right(await store.findOtp(otpEntry().ref))).toBeUndefined();
    expect(right(await store.findSlot(slotEntry().ref))).toBeUndefined();
    expect(right(await store.findApiKeys(shop))).toBeUndefined();
  });

  it("gives back an OTP, its slot and its use as they were put", async () => {
    expect(await put()).toEqual(E.right("written"));
    expect(right(await store.findOtp(otpEntry().ref))?.value).toMatchObject(otp);
    await expectSlot("nonce-1");
    expect(await store.replaceOtp({ ...otpEntry(), value: used }, await etagOf())).toEqual(
      E.right("written"),
    );
    expect(right(await store.findOtp(otpEntry().ref))?.value).toMatchObject(used);
  });

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

  it("lets one of many writers that read the same OTP replace it", async () => {
    await put();
    const etag = await etagOf();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => store.replaceOtp({ ...otpEntry(), value: used }, etag)),
    );
    expect(outcomes.map(right).filter((outcome) => outcome === "written")).toHaveLength(1);
    expect(outcomes.map(right).filter((outcome) => outcome === "conflict")).toHaveLength(19);
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

  it("honours the time to live of each item, and indexes nothing", async () => {
    const { resource } = await service.otps.read();
    expect(resource).toMatchObject({
      defaultTtl: -1,
      indexingPolicy: { includedPaths: [], excludedPaths: [{ path: "/*" }] },
    });
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
    ["a use", { use: {} }],
    ["a use that is not there at all", { use: undefined }],
  ])("rejects %s that does not decode", async (_, malformed) => {
    await put();
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
    await put();
    await close(service.storeServer);
    // Refused, reset or cut short in the middle of an attempt.
    expect(await connect(100).findOtp(otpEntry().ref)).toMatchObject(unavailable);
    expect(await connect(100).checkGuarantees()).toMatchObject(unavailable);
    expect(await store.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
    expect(await store.putOtp(otpEntry(), slotEntry(), undefined)).toEqual(E.right("unknown"));
    expect(await store.putApiKeys(shop, keys, undefined)).toEqual(E.right("unknown"));
  });

  it("tells of each call how it went", async () => {
    const start = performance.now();
    await put();
    await put();
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
      await put();
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
    /** Ends a call that waits for the store's time to come. */
    const endWaiting = async (found: Promise<unknown>, ending: AbortController): Promise<void> => {
      while (proxy.requests.length === 0) {
        await pause(1);
      }
      await proxy.settled();
      await pause(50);
      ending.abort();
      expect(await found).toMatchObject(unavailable);
      expect(proxy.requests).toHaveLength(1);
    };

    it.each<[string, Fault]>([
      ["a connection that is reset", { kind: "reset-before" }],
      ["an answer that is cut off", { kind: "cut-off" }],
      ["404 of a replica that lags behind", { kind: "status", status: 404, substatus: 1002 }],
      ...[408, 410, 449, 500, 503].map((status): [string, Fault] => [
        `${status}`,
        { kind: "status", status },
      ]),
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

    it("is told to have lost its connection, which the SDK would wait a second for", async () => {
      // Only the signal ends its fourth attempt, however busy the machine is.
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
      const found = await find(storeAt(proxy.endpoint, 3_600_000), ending.signal);
      expect(found).toMatchObject({ left: { cause: "store: no answer in time" } });
      expect(calls.at(-1)).toMatchObject({ attempts: 4, failure: "store: lost connection (ECONNRESET)" });
      const [first = NaN, , , fourth = NaN] = arrivals;
      expect(fourth - first).toBeLessThan(3 * 1000);
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
      ["refused", { kind: "status", status: 429, retryAfterMs: 5000 }, "store: 429"],
    ])(
      "with regions is read again after a 503, and the log knows of the second read, which is %s",
      async (...row) => {
        const [, then, failure] = row;
        const account = await startFaultProxy(service.config.cosmos.endpoint, {});
        account.script(inOrder("read", { kind: "status", status: 503 }, then));
        await find(storeAt(account.endpoint, 900, false));
        expect(calls.at(-1)).toMatchObject({ attempts: 2, failure });
        expect(countOf(account, "read")).toBe(2);
        await account.close();
      },
    );

    it("is not asked any more once it is disposed of", async () => {
      broken.dispose();
      expect(await find(broken, AbortSignal.timeout(200))).toMatchObject({
        left: { cause: "store: disposed of" },
      });
      expect(proxy.requests).toHaveLength(0);
    });

    it("keeps no connection once it is disposed of", async () => {
      const connections = watchConnections(service.storeServer);
      const another = storeAt(service.config.cosmos.endpoint);
      right(await find(another));
      expect(connections.open).toBe(1);
      another.dispose();
      while (connections.open > 0) {
        await pause(1);
      }
    });

    it("is not asked at all once the signal has ended the call", async () => {
      const ended = through(broken, AbortSignal.abort());
      expect(await ended.findOtp(otpEntry().ref)).toMatchObject(unavailable);
      expect(await ended.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
      expect(proxy.requests).toHaveLength(0);
    });

    describe("after a write of unknown outcome", () => {
      const sixTimesThrottled = (): Script => inOrder("any", ...Array<Fault>(6).fill(throttled));
      let doubtful: Store;
      let ending: AbortController;
      beforeEach(async () => {
        ending = new AbortController();
        doubtful = through(broken, ending.signal);
        proxy.script(every("any", { kind: "status", status: 500 }));
        expect(await doubtful.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        await proxy.reset();
      });

      it("is asked, though it throttles, until it answers", async () => {
        proxy.script(sixTimesThrottled());
        expect(right(await doubtful.findOtp(otpEntry().ref))?.value).toMatchObject(otp);
        expect(calls.at(-1)).toMatchObject({ operation: "findOtp", attempts: 7, failure: undefined });
      });

      it("is asked no sooner than it says, though that is later than a third of a call's time", async () => {
        proxy.script(inOrder("any", { kind: "status", status: 429, retryAfterMs: 350 }));
        expect(right(await doubtful.findOtp(otpEntry().ref))?.value).toMatchObject(otp);
        expect(calls.at(-1)).toMatchObject({ attempts: 2, failure: undefined });
        // A timer may be up to 1 ms early.
        expect(calls.at(-1)?.durationMs).toBeGreaterThan(349);
      });

      it("is asked more and more seldom, though it does not say for how long it throttles", async () => {
        proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 0 }));
        const found = doubtful.findOtp(otpEntry().ref);
        await pause(300);
        ending.abort();
        expect(await found).toMatchObject(unavailable);
        // Whole pauses of 20, 40, 80 and 160 ms would make it four, no pauses hundreds.
        expect(proxy.requests.length).toBeLessThan(30);
      });

      it("is asked no more once the signal has ended the call", async () => {
        proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 3_600_000 }));
        await endWaiting(doubtful.findOtp(otpEntry().ref), ending);
        expect(calls.at(-1)).toMatchObject({ attempts: 1 });
      });

      it("is left in peace when it refuses for a reason that stays", async () => {
        const { stub, stop } = await startStub(403, { message: "x" });
        expect(await stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        expect(await stub.findOtp(otpEntry().ref)).toMatchObject({ left: { cause: "store: 403" } });
        await stop();
      });

      it("is written to, though it throttles, and the other calls are not waited for", async () => {
        proxy.script(sixTimesThrottled());
        expect(await doubtful.replaceOtp({ ...otpEntry(), value: used }, await etagOf())).toEqual(
          E.right("written"),
        );
        expect(calls.at(-1)).toMatchObject({ operation: "replaceOtp", attempts: 7, failure: undefined });
        await proxy.reset();
        proxy.script(every("any", throttled));
        expect(await find()).toMatchObject({ left: { cause: "store: 429" } });
        expect(proxy.requests).toHaveLength(4);
      });

      it("is looked at again when an operation of a batch was throttled", async () => {
        const ending = new AbortController();
        const throttling = [{ statusCode: 429 }, { statusCode: 424 }];
        const { stub, stop, untilAsked } = await startStub(207, throttling, {}, ending.signal);
        // It answers the replace with a status that says nothing.
        expect(await stub.replaceOtp(otpEntry(), "etag")).toEqual(E.right("unknown"));
        const written = stub.putOtp(otpEntry(), slotEntry(), undefined);
        await untilAsked(4);
        ending.abort();
        expect(await written).toEqual(E.right("unknown"));
        expect(calls.at(-1)?.failure).toBe("store: 429");
        await stop();
      });
    });

    it("is left in peace while it throttles, and its caller told for how long", async () => {
      proxy.script(every("any", throttled));
      expect(await find()).toMatchObject({
        left: { cause: "store: 429", retryAfterSeconds: 1 },
      });
      expect(proxy.requests).toHaveLength(4);
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
      ["created all the same when it throttles once", 1, 5, true],
      ["given up when it goes on throttling", 99, 4, false],
    ])("has its containers %s", async (_, refusals, requests, isCreated) => {
      await service.otps.delete();
      proxy.script(inOrder("any", ...Array<Fault>(refusals).fill(throttled)));
      expect(E.isRight(await broken.createContainers())).toBe(isCreated);
      expect(proxy.requests).toHaveLength(requests);
    });

    it("is not waited for any more once the signal has ended the call", async () => {
      // A third of this time is longer than the store asks for, and than this test has.
      proxy.script(() => ({ kind: "status", status: 429, retryAfterMs: 1_000_000 }));
      const ending = new AbortController();
      await endWaiting(find(storeAt(proxy.endpoint, 3_600_000), ending.signal), ending);
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
    ): Promise<{
      stub: Store;
      stop: () => Promise<void>;
      countRequests: () => number;
      /** Waits for so many requests. The last but one was answered then. */
      untilAsked: (count: number) => Promise<void>;
    }> => {
      let requests = 0;
      const server = createServer((_, response) => {
        requests += 1;
        const sent = Object.entries({ "x-ms-activity-id": "x", ...headers });
        response.statusCode = status;
        response.setHeaders(new Map(sent.filter(([, value]) => value !== "")));
        response.end(typeof body === "string" ? body : JSON.stringify(body));
      });
      const endpoint = `http://127.0.0.1:${await listen(server, 0)}`;
      const stubbed = storeAt(endpoint);
      return {
        stub: through(stubbed, signal),
        countRequests: () => requests,
        untilAsked: async (count) => {
          while (requests < count) {
            await pause(1);
          }
        },
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
      [302, ""],
      [200, "null"],
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

    it.each([
      [404, "{}"],
      [200, JSON.stringify({ id: "x", _etag: "x" })],
    ])("does not speak where another program answers %s, and the log says so", async (status, body) => {
      // The read is made again until the signal ends it, however busy the machine is.
      const ending = new AbortController();
      const foreign = { "x-ms-activity-id": "" };
      const { stub, stop, untilAsked } = await startStub(status, body, foreign, ending.signal);
      const found = stub.findApiKeys(shop);
      await untilAsked(4);
      ending.abort();
      expect(await found).toMatchObject(unavailable);
      expect(calls.at(-1)?.failure).toBe(`store: ${status} of another program`);
      await stop();
    });
  });
});
