import { setTimeout as pause } from "node:timers/promises";
import { accountTiming } from "../../shared/cosmos/account-watch";
import { allAtOnce } from "../support/all-at-once";
import {
  askScenario,
  generateScenario,
  isWrite,
  regenerateScenario,
  useScenario,
  type Scenario,
} from "./faults";
import { expectProblem } from "../support/expect-problem";
import { discount, type Reply } from "../../tools/support/api";
import type { Fault } from "../../tools/support/fault-proxy";
import { lookupTiming, makeNameLookup, type Resolvers } from "../../shared/cosmos/name-lookup";
import {
  nameOf,
  startRegionalInstance,
  undivided,
  type Region,
  type RegionalAccount,
  type RegionalInstance,
  type RegionalOptions,
  type RegionalRequest,
  type Regions,
} from "../support/regional-account";
import { startService, type Service } from "../../tools/support/service";

/**
 * How the service copes with an account of two regions, when one fails or the other takes over. An instance that
 * bypasses the regions checks the state afterwards.
 */

/** One request may take a third of this. */
const deadlineMs = 1500;

/** How a region can fail. "No address" is not among these, because the account's description expresses it. */
const waysToFail: readonly (readonly [string, Fault])[] = [
  ...[400, 401, 403, 408, 410, 429, 449, 500, 503].map(
    (status) => [`answers ${status}`, { kind: "status", status }] as const,
  ),
  ...[1002, 1003].map(
    (substatus) => [`answers 404/${substatus}`, { kind: "status", status: 404, substatus }] as const,
  ),
  ["answers 204", { kind: "answer", status: 204, body: "" }],
  ["answers 200 with {}", { kind: "answer", status: 200, body: "{}", isForeign: true }],
  ["answers 200 with a page", { kind: "answer", status: 200, body: "<html>", isForeign: true }],
  ["answers 404 as a proxy does", { kind: "answer", status: 404, body: "", isForeign: true }],
  ["hangs", { kind: "hang" }],
  ["refuses connections", { kind: "refuse", forMs: 60_000 }],
  ["resets connections", { kind: "reset-before" }],
  ["has left the account (403/1008)", { kind: "forbidden", substatus: 1008 }],
  ["loses its answers", { kind: "reset-after" }],
  ["cuts its answers off", { kind: "cut-off" }],
  ["answers 503 though it applies", { kind: "status-after", status: 503 }],
  ["applies and hangs", { kind: "hang-after" }],
];

/** The account's own name resolves to its first region, so a fault of that region affects the name too. */
const doorsTo = (region: Region): readonly string[] => (region === "A" ? ["A", "account"] : [region]);

const failAt =
  (region: Region, fault: Fault) =>
  ({ door }: RegionalRequest): Fault | undefined =>
    doorsTo(region).includes(door) ? fault : undefined;

const isAccountRead = ({ path }: RegionalRequest): boolean => path === "/";

const at = (account: RegionalAccount, door: string): readonly RegionalRequest[] =>
  account.requests.filter((request) => request.door === door);

const writesAt = (account: RegionalAccount, door: string): number => at(account, door).filter(isWrite).length;

const expectUnavailable = (reply: Reply): void => {
  expectProblem(reply, 503, "service-unavailable");
};

describe("an account with two regions", () => {
  let service: Service;
  let serial = 0;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  interface Case extends RegionalInstance {
    readonly merchantId: string;
    readonly beneficiary: string;
    readonly body: { readonly merchant_id: string; readonly discount_id: string };
    readonly apiKey: string;
  }

  interface CaseOptions extends Partial<RegionalOptions> {
    readonly regions?: Regions;
    /** Whether the test's call is the first call of its instance. */
    readonly isCold?: boolean;
  }

  /** A merchant with a key, and an instance. Unless it is cold, the instance has already seen the account work. */
  const startCase = async ({ regions, isCold = false, ...options }: CaseOptions = {}): Promise<Case> => {
    serial++;
    const merchantId = `shop-${serial}`;
    const apiKey = await service.newApiKey(merchantId);
    const regional = await startRegionalInstance(service, { deadlineMs, ...options });
    if (regions !== undefined) {
      regional.account.describe(regions);
    }
    if (!isCold) {
      expect((await regional.instance.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
    }
    return {
      ...regional,
      merchantId,
      apiKey,
      beneficiary: `AAAAAA00A00A${String(serial % 1000).padStart(3, "0")}A`,
      body: { ...discount, merchant_id: merchantId },
    };
  };

  const newCode = ({ beneficiary, body }: Case): Promise<string> => service.newCode(beneficiary, body);

  /** A retry shows the outcome of a use that may have been lost, and no other use succeeds. */
  const expectUsedOnce = async ({ apiKey }: Case, code: string, reply: Reply): Promise<void> => {
    if (reply.status !== 200) {
      expectUnavailable(reply);
    }
    const again = await service.use(apiKey, code, "cart 1");
    expect(again.status).toBe(200);
    if (reply.status === 200) {
      expect(again.text).toBe(reply.text);
    }
    expectProblem(await service.use(apiKey, code, "cart 2"), 404, "otp-already-used");
  };

  /** Repeats a use until it is granted, for half a minute at most, and holds what came of it to the promises. */
  const useUntilGranted = async (each: Case, code: string): Promise<void> => {
    const start = performance.now();
    let reply = await each.instance.use(each.apiKey, code, "cart 1");
    while (reply.status !== 200) {
      expectUnavailable(reply);
      expect(performance.now() - start).toBeLessThan(30_000);
      await pause(20);
      reply = await each.instance.use(each.apiKey, code, "cart 1");
    }
    await expectUsedOnce(each, code, reply);
  };

  /** A path through each function, and whether it writes. */
  const paths: readonly (readonly [Scenario, boolean])[] = [
    [askScenario("of a live OTP", "live"), false],
    [useScenario("cart 1"), true],
    [generateScenario("the first OTP", "none"), true],
    [regenerateScenario("in place of one", "both", false), true],
    [
      {
        name: "Info",
        hasRival: false,
        prepare: ({ faulty }) =>
          Promise.resolve({ call: () => faulty.info(), check: () => Promise.resolve() }),
      },
      false,
    ],
  ];

  /** No write may ever allow every region to take it. */
  const finish = async ({ account, stop }: Case): Promise<void> => {
    expect(
      account.requests.filter(({ headers }) => headers["x-ms-cosmos-allow-tentative-writes"] !== undefined),
    ).toEqual([]);
    await account.reset();
    await stop();
  };

  describe.each(paths)("of which one fails", (path, writes) => {
    const rows = (["A", "B"] as const).flatMap((region) =>
      waysToFail.map(([way, fault]) => [`${region} ${way}`, region, fault] as const),
    );
    allAtOnce(rows)(`keeps every promise of ${path.name}`, async (_, region, fault) => {
      const each = await startCase();
      const peers = { faulty: each.instance, direct: service, rival: service, service };
      const prepared = await path.prepare({ ...each, ...peers });
      each.account.script(failAt(region, fault));
      const start = performance.now();
      const reply = await prepared.call();
      expect(performance.now() - start).toBeLessThan(deadlineMs + 3000);
      if (!writes || region === "B") {
        // Everything that the call needs works.
        expect(reply.status).toBe(200);
      }
      expect(writesAt(each.account, "B")).toBe(0);
      await finish(each);
      await prepared.check(reply);
    });
  });

  describe("whose write region is away", () => {
    it("still answers asks through a new instance, even when the region has no address", async () => {
      const each = await startCase({ regions: { ...undivided, withoutAddress: ["A"] }, isCold: true });
      const code = await newCode(each);
      expect((await each.instance.ask(each.apiKey, code)).status).toBe(200);
      expectUnavailable(await each.instance.use(each.apiKey, code));
      expect((await service.use(each.apiKey, code)).status).toBe(200);
      await finish(each);
    });

    it("answers asks at once, after a first call has waited for the region in vain", async () => {
      const each = await startCase();
      const code = await newCode(each);
      each.account.script(failAt("A", { kind: "hang" }));
      await each.instance.ask(each.apiKey, code);
      const start = performance.now();
      for (let asked = 0; asked < 5; asked += 1) {
        expect((await each.instance.ask(each.apiKey, code)).status).toBe(200);
      }
      expect(performance.now() - start).toBeLessThan(deadlineMs);
      await finish(each);
    });

    allAtOnce([["Session"], ["BoundedStaleness"]])(
      "is not replaced for reads with %s consistency, because another region may still accept a replaced key",
      async (consistency) => {
        const each = await startCase({ regions: { ...undivided, consistency } });
        const code = await newCode(each);
        each.account.script(failAt("A", { kind: "reset-before" }));
        expectUnavailable(await each.instance.ask(each.apiKey, code));
        expect(at(each.account, "B").filter((request) => !isAccountRead(request))).toEqual([]);
        await finish(each);
      },
    );
  });

  describe("that fails over to the other one", () => {
    const readable: Regions = { write: ["B"], read: ["B", "A"] };
    const gone: Regions = { write: ["B"], read: ["B"] };

    it("is noticed within half a minute with the deployed settings", () => {
      // Five endpoints that do not answer, one after the other, and a sixth that does.
      expect(accountTiming.maxAgeMs + 5 * accountTiming.patienceMs).toBeLessThan(30_000);
    });

    allAtOnce<[string, Regions, Fault | undefined]>([
      ["takes no writes any more (403/3)", readable, undefined],
      ["has left the account (403/1008)", gone, { kind: "forbidden", substatus: 1008 }],
      ["hangs", gone, { kind: "hang" }],
      ["refuses connections", gone, { kind: "refuse", forMs: 60_000 }],
      ["answers 503", gone, { kind: "status", status: 503 }],
    ])("is followed within half a minute when the first %s", async (_, regions, fault) => {
      const each = await startCase();
      const code = await newCode(each);
      each.account.describe(regions);
      // The account's own name may still resolve to a region that does not answer. Then only B describes the account.
      each.account.script((request) => fault && failAt("A", fault)(request));
      await useUntilGranted(each, code);

      const accountReads = each.account.requests.filter(isAccountRead).length;
      for (let made = 0; made < 20; made += 1) {
        const other = { ...each.body, discount_id: `discount-${made}` };
        expect((await each.instance.generate(each.beneficiary, other)).status).toBe(200);
      }
      expect(writesAt(each.account, "B")).toBeGreaterThan(20);
      expect(each.account.requests.filter(isAccountRead).length).toBeLessThanOrEqual(accountReads + 2);
      await finish(each);
    });

    it("is followed within the first call that notices, even when the account's own name does not answer", async () => {
      const each = await startCase();
      const code = await newCode(each);
      await pause(accountTiming.minAgeMs);
      each.account.describe(readable);
      each.account.script(({ door }) => (door === "account" ? { kind: "reset-before" } : undefined));
      expect((await each.instance.use(each.apiKey, code)).status).toBe(200);
      await finish(each);
    });
  });

  describe("that fails over while its descriptions lie", () => {
    const failedOver: Regions = { write: ["B"], read: ["B", "A"] };

    const timing = { minAgeMs: 200 };

    it("is followed though every endpoint but the new write region names the old one, which refuses writes", async () => {
      const each = await startCase({ timing });
      const code = await newCode(each);
      each.account.describe(failedOver, { account: undivided, A: undivided });
      await useUntilGranted(each, code);
      expect(writesAt(each.account, "B")).toBe(1);
      await finish(each);
    });

    allAtOnce([[401], [404], [429], [500], [503]])(
      "is followed though the account's own name and the old region answer %s to whoever reads the account",
      async (status) => {
        const each = await startCase({ timing });
        const code = await newCode(each);
        each.account.describe(failedOver);
        each.account.script((request) =>
          isAccountRead(request) ? failAt("A", { kind: "status", status })(request) : undefined,
        );
        await useUntilGranted(each, code);
        await finish(each);
      },
    );

    it("is followed within half a minute, however long a request may take", async () => {
      const each = await startCase({ timing: { minAgeMs: 200 }, deadlineMs: 60_000 });
      const code = await newCode(each);
      each.account.describe(failedOver);
      each.account.script((request) =>
        isAccountRead(request) ? failAt("A", { kind: "hang" })(request) : undefined,
      );
      await useUntilGranted(each, code);
      await finish(each);
    });

    it("takes no write of an instance that has not heard of the account within the lease, so that no code is used twice", async () => {
      const leaseMs = 400;
      const old = await startCase({ timing: { maxAgeMs: 100, minAgeMs: 50, leaseMs } });
      const codes = [await newCode(old), await service.newCode("AAAAAA00A00A777A", old.body)];
      const [first = "", second = ""] = codes;
      expect((await old.instance.use(old.apiKey, first)).status).toBe(200);
      // From here on the old instance cannot read the account, and its region goes on taking writes.
      old.account.script((request) => (isAccountRead(request) ? { kind: "status", status: 429 } : undefined));
      await pause(leaseMs);
      expectUnavailable(await old.instance.use(old.apiKey, second));
      expect((await old.instance.ask(old.apiKey, second)).status).toBe(200);
      expect(writesAt(old.account, "A")).toBe(1);
      old.account.script(() => undefined);
      expect((await old.instance.use(old.apiKey, second)).status).toBe(200);
      await finish(old);
    });
  });

  describe("whose description cannot be read", () => {
    it("is no item that is missing: a cold instance refuses no key and lists none away", async () => {
      const each = await startCase({ isCold: true });
      const code = await newCode(each);
      each.account.script((request) =>
        isAccountRead(request) ? { kind: "answer", status: 404, body: "{}" } : undefined,
      );
      expectUnavailable(await each.instance.ask(each.apiKey, code));
      expectUnavailable(await each.instance.list(each.merchantId));
      expectUnavailable(await each.instance.use(each.apiKey, code));
      each.account.script(() => undefined);
      expect((await each.instance.use(each.apiKey, code)).status).toBe(200);
      await finish(each);
    });
  });

  describe("of which names do not resolve", () => {
    const named: Regions = { ...undivided, hasNames: true };

    const startNames = (hanging: readonly string[]): Resolvers => ({
      bySystem: (name) =>
        hanging.includes(name)
          ? new Promise(() => undefined)
          : Promise.resolve([{ address: "127.0.0.1", family: 4 }]),
      byDns: () => Promise.reject(new Error("no DNS")),
    });

    allAtOnce<[string, readonly Region[]]>([
      ["the write region's", ["A"]],
      ["the other's", ["B"]],
    ])("answers asks all the same while %s hangs", async (_, regions) => {
      const names = makeNameLookup(lookupTiming, startNames(regions.map(nameOf)));
      const each = await startCase({ regions: named, isCold: true, names });
      const code = await newCode(each);
      for (let asked = 0; asked < 5; asked += 1) {
        expect((await each.instance.ask(each.apiKey, code)).status).toBe(200);
        await pause(50);
      }
      await finish(each);
    });
  });

  describe("that somebody changes to two write regions", () => {
    const timing = { maxAgeMs: 50, minAgeMs: 50 };

    /** Makes calls until the instance knows the account's present description. */
    const hear = async (each: Case): Promise<void> => {
      const before = each.account.requests.filter(isAccountRead).length;
      while (each.account.requests.filter(isAccountRead).length < before + 2) {
        await each.instance.ask(each.apiKey, "AAAAAAAAAAA");
      }
    };

    allAtOnce<[string, Fault | undefined, number]>([
      ["is well", undefined, 200],
      ["answers 503", { kind: "status", status: 503 }, 503],
      ["answers 503 though it applies", { kind: "status-after", status: 503 }, 200],
      ["answers 403/3", { kind: "forbidden", substatus: 3 }, 503],
      ["has left the account (403/1008)", { kind: "forbidden", substatus: 1008 }, 503],
      ["refuses connections", { kind: "refuse", forMs: 60_000 }, 503],
      ["loses its answers", { kind: "reset-after" }, 200],
      ["hangs", { kind: "hang" }, 503],
    ])("uses a code only in the first region while that %s", async (_, fault, status) => {
      const each = await startCase({ timing });
      const code = await newCode(each);
      each.account.describe({ write: ["A", "B"], read: ["A", "B"], consistency: "Session" });
      await hear(each);
      each.account.script((request) => (isWrite(request) ? fault && failAt("A", fault)(request) : undefined));
      const reply = await each.instance.use(each.apiKey, code, "cart 1");
      expect(reply.status).toBe(status);
      expect(writesAt(each.account, "A")).toBeGreaterThan(0);
      expect(writesAt(each.account, "B")).toBe(0);
      expectUnavailable(await each.instance.info());
      await finish(each);
      await expectUsedOnce(each, code, reply);
    });

    it.each<[string, Regions]>([
      ["the new one comes first", { write: ["B", "A"], read: ["A", "B"] }],
      ["the old one is gone", { write: ["B"], read: ["B"], hasSeveralWriteRegions: true }],
      ["the old one has no address", { write: ["B", "A"], read: ["B", "A"], withoutAddress: ["A"] }],
    ])("writes nowhere, and answers so at once, when %s", async (_, regions) => {
      const each = await startCase({ timing });
      const code = await newCode(each);
      each.account.describe(regions);
      await hear(each);
      const start = performance.now();
      expectUnavailable(await each.instance.use(each.apiKey, code));
      expectUnavailable(await each.instance.generate("AAAAAA00A00A999A", each.body));
      expectUnavailable(await each.instance.regenerate(each.merchantId, "secondary"));
      expect(performance.now() - start).toBeLessThan(2 * deadlineMs);
      expect(each.account.requests.filter(isWrite)).toEqual([]);
      await finish(each);
    });

    it("is noticed before the first write of an instance that was idle", async () => {
      const leaseMs = 100;
      const each = await startCase({ timing: { ...timing, leaseMs } });
      each.account.describe({ write: ["B", "A"], read: ["B", "A"] });
      await pause(2 * leaseMs);
      expectUnavailable(await each.instance.generate(each.beneficiary, each.body));
      expect(each.account.requests.filter(isWrite)).toEqual([]);
      await finish(each);
    });

    it("is followed again once it has one write region", async () => {
      const each = await startCase({ timing });
      const code = await newCode(each);
      each.account.describe({ write: ["B", "A"], read: ["B", "A"] });
      await hear(each);
      each.account.describe({ write: ["B"], read: ["B", "A"] });
      await hear(each);
      expect((await each.instance.use(each.apiKey, code)).status).toBe(200);
      expect(writesAt(each.account, "B")).toBe(1);
      await finish(each);
    });

    allAtOnce<[string, readonly Region[], readonly string[]]>([
      ["are listed in their order", ["A", "B"], ["A"]],
      ["are listed the other way round", ["B", "A"], ["B"]],
    ])(
      "is written to in one region by an old and a new instance, when they %s",
      async (_, write, written) => {
        const old = await startCase({ timing });
        old.account.describe({ write, read: ["A", "B"] });
        await hear(old);
        const young = await startCase({ timing, account: old.account, isCold: true });
        const code = await newCode(young);
        await Promise.all([old, young].map(({ instance }) => instance.use(young.apiKey, code, "cart 1")));
        const doors = old.account.requests.filter(isWrite).map(({ door }) => door);
        expect([...new Set(doors)]).toEqual(written);
        await young.stop();
        await finish(old);
      },
    );
  });
});
