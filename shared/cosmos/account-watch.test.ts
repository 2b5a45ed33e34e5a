import { ConsistencyLevel } from "@azure/cosmos";
import { setTimeout as pause } from "node:timers/promises";
import { decode } from "../../tools/support/either";
import {
  makeAccountWatch,
  UnknownAccount,
  type AccountResponse,
  type AccountWatch,
  type AccountWatchOptions,
} from "./account-watch";
import { makeRegions, type Regions } from "./regions";
import * as t from "io-ts";

const name = "https://account.example";
const a = "https://account-a.example";
const b = "https://account-b.example";

const Response = new t.Type<AccountResponse>(
  "a response to the account's read",
  (input): input is AccountResponse => typeof input === "object",
  (input, context) =>
    typeof input === "object" && input !== null ? t.success(Object.assign(input)) : t.failure(input, context),
  t.identity,
);

const respond = (resource: unknown, statusCode = 200): AccountResponse =>
  decode(Response, { resource, statusCode });

const describeAccount = (write: readonly string[], read = [a, b]): AccountResponse => {
  const toLocations = (endpoints: readonly string[]): unknown =>
    endpoints.map((endpoint) => ({ name: endpoint, databaseAccountEndpoint: `${endpoint}:443/` }));
  return respond({
    consistencyPolicy: ConsistencyLevel.Strong,
    enableMultipleWritableLocations: write.length > 1,
    writableLocations: toLocations(write),
    readableLocations: toLocations(read),
  });
};

const hang = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(new Error("out of time"));
    });
  });

const timing = { maxAgeMs: 20_000, minAgeMs: 50, leaseMs: 30_000, patienceMs: 100 };

describe("the watch over the account", () => {
  let moment: { monotonic: number; wall: number };
  let asked: string[];
  let says: Record<string, (signal: AbortSignal) => Promise<AccountResponse>>;
  let regions: Regions;
  let watch: AccountWatch;

  const start = (options: Partial<AccountWatchOptions> = {}): void => {
    moment = { monotonic: 1000, wall: 1_000_000 };
    asked = [];
    regions = makeRegions(name, () => moment.monotonic);
    watch = makeAccountWatch({
      readAt: (endpoint, signal) => {
        asked.push(endpoint);
        return (says[endpoint] ?? hang)(signal);
      },
      regions,
      timing,
      now: () => ({ ...moment }),
      ...options,
    });
  };
  const allSay = (response: AccountResponse): void => {
    says = Object.fromEntries([name, a, b].map((each) => [each, () => Promise.resolve(response)]));
  };
  const pass = (monotonicMs: number, wallMs = monotonicMs): void => {
    moment = { monotonic: moment.monotonic + monotonicMs, wall: moment.wall + wallMs };
  };
  /** For what is to fail: each test waits for it. */
  const soon = (): AbortSignal => AbortSignal.timeout(50);
  const inTime = (): AbortSignal => AbortSignal.timeout(10_000);

  beforeEach(() => {
    allSay(describeAccount([a]));
    start();
  });
  afterEach(() => {
    watch.stop();
  });

  it("reads the account once for all who wait for it", async () => {
    await Promise.all([watch.ready(false, inTime()), watch.ready(true, inTime()), watch.read()]);
    expect(asked).toEqual([name]);
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it.each<[string, (signal: AbortSignal) => Promise<AccountResponse>]>([
    ["does not answer", hang],
    ["fails", () => Promise.reject(Object.assign(new Error("x"), { code: 429 }))],
    ["says nothing", () => Promise.resolve(respond(null))],
    ["describes no account", () => Promise.resolve(respond({}))],
    ["names no endpoint", () => Promise.resolve(describeAccount(["nonsense"]))],
    ["answers 204", () => Promise.resolve(respond({ writableLocations: [], readableLocations: [] }, 204))],
  ])("asks the next endpoint when one %s", async (_, fail) => {
    await watch.read();
    asked.length = 0;
    says[name] = fail;
    says[a] = fail;
    says[b] = () => Promise.resolve(describeAccount([b], [b, a]));
    await watch.read();
    expect(asked).toEqual([name, a, b]);
    expect(regions.forWrite()).toBe(b);
  });

  it("believes the description whose write region takes writes, however many name another", async () => {
    await watch.read();
    says[b] = () => Promise.resolve(describeAccount([b], [b, a]));
    regions.note(a, true, "read-only");
    await watch.read();
    expect(regions.forWrite()).toBe(b);
    asked.length = 0;
    await watch.read();
    expect(asked).toEqual([name, b]);
    expect(regions.forWrite()).toBe(b);
  });

  it("tries again the region that failed writes the longest ago, when every description names one that did", async () => {
    await watch.read();
    regions.note(a, true, "read-only");
    pass(10);
    allSay(describeAccount([b], [b, a]));
    await watch.read();
    expect(regions.forWrite()).toBe(b);
    regions.note(b, true, "useless");
    says[name] = () => Promise.resolve(describeAccount([a]));
    await watch.read();
    expect(regions.forWrite()).toBe(a);
  });

  it("lets a cold instance wait through failures, and says why there is no description", async () => {
    let tries = 0;
    says[name] = () => {
      tries += 1;
      return tries < 4
        ? Promise.reject(Object.assign(new Error("x"), { code: 503 }))
        : Promise.resolve(describeAccount([a]));
    };
    await watch.ready(true, inTime());
    expect(tries).toBe(4);
    start();
    says[name] = () => Promise.reject(Object.assign(new Error("x"), { code: 404 }));
    await expect(watch.ready(false, AbortSignal.timeout(300))).rejects.toThrow("404");
    // It asks less and less often.
    expect(asked.length).toBeLessThan(10);
    start();
    says[name] = hang;
    await expect(watch.ready(false, AbortSignal.timeout(20))).rejects.toThrow("no answer in time");
  });

  describe("lets no write be sent", () => {
    beforeEach(async () => {
      await watch.ready(true, inTime());
      says = {};
      asked.length = 0;
    });

    it.each<[string, number, number]>([
      ["when the lease has ended", timing.leaseMs, timing.leaseMs],
      ["after the machine was suspended, and one clock stood still", 10, timing.leaseMs],
      ["when somebody set the clock of the day back", 1000, -1],
      ["when somebody set it back before the lease ended", timing.leaseMs, 10],
    ])("%s, but reads", async (_, monotonicMs, wallMs) => {
      pass(monotonicMs, wallMs);
      await watch.ready(false, inTime());
      await expect(watch.ready(true, soon())).rejects.toThrow(UnknownAccount);
    });

    it("until it hears of the account again", async () => {
      pass(timing.leaseMs);
      says[b] = () => Promise.resolve(describeAccount([b], [b, a]));
      await watch.ready(true, inTime());
      expect(regions.forWrite()).toBe(b);
    });
  });

  it("counts the lease from when it asked, not from the answer", async () => {
    says[name] = async () => {
      pass(1000);
      return Promise.resolve(describeAccount([a]));
    };
    await watch.ready(true, inTime());
    says = {};
    pass(timing.leaseMs - 1000);
    await expect(watch.ready(true, soon())).rejects.toThrow(UnknownAccount);
  });

  it("is asked again beside a request that finds the description old, and not before", async () => {
    await watch.ready(true, inTime());
    pass(timing.maxAgeMs - 1);
    await watch.ready(true, inTime());
    expect(asked).toEqual([name]);
    pass(1);
    await watch.ready(true, inTime());
    await pause(10);
    expect(asked).toEqual([name, name]);
  });

  it("is asked again when it is doubted, but not twice within a short while", async () => {
    await watch.ready(true, inTime());
    watch.doubt();
    await pause(10);
    expect(asked).toEqual([name]);
    pass(timing.minAgeMs);
    watch.doubt();
    watch.doubt();
    await pause(10);
    watch.doubt();
    await pause(10);
    expect(asked).toEqual([name, name]);
  });

  it("starts no more reads once it is stopped", async () => {
    await watch.ready(true, inTime());
    watch.stop();
    pass(timing.leaseMs);
    watch.doubt();
    await expect(watch.ready(true, soon())).rejects.toThrow(UnknownAccount);
    expect(asked).toEqual([name]);
  });
});
