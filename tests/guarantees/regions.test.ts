import { setTimeout as pause } from "node:timers/promises";
import { accountTiming } from "../../shared/cosmos/account-watch";
import {
  askScenario,
  generateScenario,
  isWrite,
  regenerateScenario,
  scenarios,
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
import { patience, startService, type Service } from "../../tools/support/service";

/**
 * How the service copes with an account of two regions, when one fails or the other takes over. An instance that
 * bypasses the regions checks the state afterwards.
 */

/** One request may take a third of this. */
const deadlineMs = 1500;
/** Time enough for what must not fail, however busy the machine is. */
const patientDeadlineMs = 15_000;

/**
 * How a region can fail, one for each way in which the service then goes on. The other statuses are in
 * `shared/cosmos/transport.test.ts`, and "no address" is in the account's description.
 */
const waysToFail: readonly (readonly [string, Fault])[] = [
  ["answers 401", { kind: "status", status: 401 }],
  ["answers 429", { kind: "status", status: 429 }],
  ["answers 503", { kind: "status", status: 503 }],
  ["answers 404/1002", { kind: "status", status: 404, substatus: 1002 }],
  ["answers 404/1003", { kind: "status", status: 404, substatus: 1003 }],
  ["answers 404 as a proxy does", { kind: "answer", status: 404, body: "", isForeign: true }],
  ["hangs", { kind: "hang" }],
  ["refuses connections", { kind: "refuse", forMs: 60_000 }],
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
    service = await startService(patience);
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
      const { status } = await untilAnswered(() => regional.instance.ask(apiKey, "AAAAAAAAAAA"));
      expect(status).toBe(404);
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

  /** Repeats a call whose time a busy machine may have used up. */
  const untilAnswered = async (call: () => Promise<Reply>): Promise<Reply> => {
    let reply = await call();
    while (reply.status === 503) {
      reply = await call();
    }
    return reply;
  };

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
    ...scenarios.filter(({ name }) => name === "Info").map((info) => [info, false] as const),
  ];

  /** No write may ever allow every region to take it. */
  const finish = async ({ account, stop }: Case): Promise<void> => {
    expect(
      account.requests.filter(({ headers }) => headers["x-ms-cosmos-allow-tentative-writes"] !== undefined),
    ).toEqual([]);
    await account.reset();
    await stop();
  };

  const rows = paths.flatMap(([path, writes]) => [
    ...waysToFail.map(([way, fault]) => [path.name, "A", way, fault, path, writes] as const),
    [path.name, "B", "hangs", { kind: "hang" }, path, writes] as const,
  ]);
  it.concurrent.each(rows)("keeps every promise of %s while region %s %s", async (...row) => {
    const [, region, , fault, path, writes] = row;
    const needsWorking = !writes || region === "B";
    const each = await startCase(needsWorking ? { deadlineMs: patientDeadlineMs } : {});
    const peers = { faulty: each.instance, direct: service, rival: service, service };
    const prepared = await path.prepare({ ...each, ...peers });
    each.account.script(failAt(region, fault));
    let reply = await prepared.call();
    if (needsWorking) {
      // The first call asks the region that works, even if a busy machine leaves it no time to hear the answer.
      const asked = at(each.account, region === "A" ? "B" : "A").filter((request) => !isAccountRead(request));
      expect(asked).not.toEqual([]);
      reply = reply.status === 503 ? await untilAnswered(() => prepared.call()) : reply;
      expect(reply.status).toBe(200);
    }
    expect(writesAt(each.account, "B")).toBe(0);
    await finish(each);
    await prepared.check(reply);
  });

  it.concurrent(
    "still answers asks through a new instance while the write region has no address",
    async () => {
      const each = await startCase({ regions: { ...undivided, withoutAddress: ["A"] }, isCold: true });
      const code = await newCode(each);
      expect((await untilAnswered(() => each.instance.ask(each.apiKey, code))).status).toBe(200);
      expectUnavailable(await each.instance.use(each.apiKey, code));
      expect((await service.use(each.apiKey, code)).status).toBe(200);
      await finish(each);
    },
  );

  it.concurrent(
    "reads in the write region alone with Session consistency: another may still accept a replaced key",
    async () => {
      const each = await startCase({ regions: { ...undivided, consistency: "Session" } });
      const code = await newCode(each);
      each.account.script(failAt("A", { kind: "reset-before" }));
      expectUnavailable(await each.instance.ask(each.apiKey, code));
      expect(at(each.account, "B").filter((request) => !isAccountRead(request))).toEqual([]);
      await finish(each);
    },
  );

  it.concurrent(
    "takes no description that it cannot read for an item that is missing: a cold instance refuses no key and lists none away",
    async () => {
      const each = await startCase({ isCold: true });
      const code = await newCode(each);
      each.account.script((request) =>
        isAccountRead(request) ? { kind: "answer", status: 404, body: "{}" } : undefined,
      );
      const { instance, apiKey, merchantId } = each;
      const replies = [instance.ask(apiKey, code), instance.list(merchantId), instance.use(apiKey, code)];
      (await Promise.all(replies)).forEach(expectUnavailable);
      each.account.script(() => undefined);
      expect((await untilAnswered(() => instance.use(apiKey, code, "cart 1"))).status).toBe(200);
      await finish(each);
    },
  );

  it.concurrent("answers asks while the look-up of the write region's name hangs", async () => {
    const resolvers: Resolvers = {
      bySystem: (name) =>
        name === nameOf("A")
          ? new Promise(() => undefined)
          : Promise.resolve([{ address: "127.0.0.1", family: 4 }]),
      byDns: () => Promise.reject(new Error("no DNS")),
    };
    const names = makeNameLookup(lookupTiming, resolvers);
    const each = await startCase({
      regions: { ...undivided, hasNames: true },
      isCold: true,
      names,
      deadlineMs: patientDeadlineMs,
    });
    const code = await newCode(each);
    expect((await each.instance.ask(each.apiKey, code)).status).toBe(200);
    await finish(each);
  });

  describe("that fails over", () => {
    const readable: Regions = { write: ["B"], read: ["B", "A"] };
    const gone: Regions = { write: ["B"], read: ["B"] };
    const timing = { minAgeMs: 200 };

    it("is followed within half a minute with the deployed settings", () => {
      // Five endpoints that do not answer, one after the other, and a sixth that does.
      expect(accountTiming.maxAgeMs + 5 * accountTiming.patienceMs).toBeLessThan(30_000);
    });

    it.concurrent.each<[string, Regions, Fault | undefined]>([
      ["takes no writes any more (403/3)", readable, undefined],
      ["has left the account (403/1008)", gone, { kind: "forbidden", substatus: 1008 }],
      ["hangs", gone, { kind: "hang" }],
      ["refuses connections", gone, { kind: "refuse", forMs: 60_000 }],
    ])("is followed within half a minute when the first %s", async (_, regions, fault) => {
      const each = await startCase();
      const code = await newCode(each);
      each.account.describe(regions);
      // The account's own name may still resolve to a region that does not answer. Then only B describes the account.
      each.account.script((request) => fault && failAt("A", fault)(request));
      await useUntilGranted(each, code);
      await finish(each);
    });

    it.concurrent.each<[string, Fault, number]>([
      ["are answered 429", { kind: "status", status: 429 }, deadlineMs],
      ["hang, where a request may take a minute", { kind: "hang" }, 60_000],
    ])(
      "is followed though reads of the account under its own name and in the old region %s",
      async (_, fault, deadline) => {
        const each = await startCase({ timing, deadlineMs: deadline });
        const code = await newCode(each);
        each.account.describe(readable);
        each.account.script((request) => (isAccountRead(request) ? failAt("A", fault)(request) : undefined));
        await useUntilGranted(each, code);
        await finish(each);
      },
    );

    it.concurrent(
      "is followed within the first call that notices, even when the account's own name does not answer",
      async () => {
        const each = await startCase({ timing: { minAgeMs: 0 }, deadlineMs: patientDeadlineMs });
        const code = await newCode(each);
        each.account.describe(readable);
        each.account.script(({ door }) => (door === "account" ? { kind: "reset-before" } : undefined));
        expect((await each.instance.use(each.apiKey, code)).status).toBe(200);
        await finish(each);
      },
    );

    it.concurrent(
      "takes no write of an instance that has not heard of the account within the lease, so that no code is used twice",
      async () => {
        const leaseMs = 1000;
        const old = await startCase({ timing: { maxAgeMs: 100, minAgeMs: 50, leaseMs } });
        const codes = [await newCode(old), await service.newCode("AAAAAA00A00A777A", old.body)];
        const [first = "", second = ""] = codes;
        const use = (code: string): Promise<Reply> => old.instance.use(old.apiKey, code, "cart 1");
        expect((await untilAnswered(() => use(first))).status).toBe(200);
        const written = writesAt(old.account, "A");
        // From here on the old instance cannot read the account, and its region goes on taking writes.
        old.account.script((request) =>
          isAccountRead(request) ? { kind: "status", status: 429 } : undefined,
        );
        await pause(leaseMs);
        expectUnavailable(await use(second));
        expect((await untilAnswered(() => old.instance.ask(old.apiKey, second))).status).toBe(200);
        expect(writesAt(old.account, "A")).toBe(written);
        old.account.script(() => undefined);
        expect((await untilAnswered(() => use(second))).status).toBe(200);
        await finish(old);
      },
    );
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

    it.concurrent.each<[string, Fault | undefined, number]>([
      ["is well", undefined, 200],
      ["answers 503", { kind: "status", status: 503 }, 503],
      ["answers 403/3", { kind: "forbidden", substatus: 3 }, 503],
      ["has left the account (403/1008)", { kind: "forbidden", substatus: 1008 }, 503],
      ["loses its answers", { kind: "reset-after" }, 200],
    ])("uses a code only in the first region while that %s", async (_, fault, status) => {
      const each = await startCase({ timing, ...(status === 200 ? { deadlineMs: patientDeadlineMs } : {}) });
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

    it.concurrent(
      "is written to nowhere when the new one comes first, until it has one write region again",
      async () => {
        const each = await startCase({ timing, deadlineMs: patientDeadlineMs });
        const code = await newCode(each);
        each.account.describe({ write: ["B", "A"], read: ["B", "A"] });
        await hear(each);
        expectUnavailable(await each.instance.use(each.apiKey, code));
        expectUnavailable(await each.instance.generate("AAAAAA00A00A999A", each.body));
        expectUnavailable(await each.instance.regenerate(each.merchantId, "secondary"));
        expect(each.account.requests.filter(isWrite)).toEqual([]);
        each.account.describe({ write: ["B"], read: ["B", "A"] });
        await hear(each);
        expect((await each.instance.use(each.apiKey, code)).status).toBe(200);
        expect(writesAt(each.account, "B")).toBe(1);
        await finish(each);
      },
    );

    it.concurrent.each<[string, readonly Region[], readonly string[]]>([
      ["are listed in their order", ["A", "B"], ["A"]],
      ["are listed the other way round", ["B", "A"], ["B"]],
    ])(
      "is written to in one region by an old and a new instance, when they %s",
      async (_, write, written) => {
        const options = { timing, deadlineMs: patientDeadlineMs };
        const old = await startCase(options);
        old.account.describe({ write, read: ["A", "B"] });
        await hear(old);
        const young = await startCase({ ...options, account: old.account, isCold: true });
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
