import { randomBytes, randomUUID } from "node:crypto";
import * as t from "io-ts";
import { ApiKeyBody, ApiKeysBody, OtpBody } from "../../shared/http/bodies";
import { expectProblem } from "../support/expect-problem";
import { discount, discountId } from "../../tools/support/api";
import type { Api, Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import { startFaultProxy } from "../../tools/support/fault-proxy";
import type { Fault, StoreRequest } from "../../tools/support/fault-proxy";
import { startHostProcess } from "../../tools/support/processes";
import { readItems, startBehindFaults, startInstance, startService } from "../../tools/support/service";
import type { FaultyInstance, Service } from "../../tools/support/service";

/**
 * Every fault at every store call of every way through every function, once and for all calls from there on; and
 * after each case the guarantees, looked at from another instance whose way to the store is not broken.
 */

const deadlineMs = 500;
const lanes = 16;
/** Time enough for what must not fail, however busy the machine is. */
const patientDeadlineMs = 5000;
const patientLanes = 6;
const Conflict = t.type({ otp: OtpBody });

const faults: readonly (readonly [string, Fault])[] = [
  ["refuse", { kind: "refuse", forMs: 50 }],
  ["reset-before", { kind: "reset-before" }],
  ["reset-after", { kind: "reset-after" }],
  ["cut-off", { kind: "cut-off" }],
  ["401", { kind: "status", status: 401 }],
  ["403 for want of a right", { kind: "forbidden", substatus: 5300 }],
  ["408", { kind: "status", status: 408 }],
  ["429", { kind: "status", status: 429, retryAfterMs: 20 }],
  ["429 for longer than anybody waits", { kind: "status", status: 429, retryAfterMs: 5_000 }],
  ["404 of a replica that lags behind", { kind: "status", status: 404, substatus: 1002 }],
  ["410", { kind: "status", status: 410 }],
  ["449", { kind: "status", status: 449 }],
  ["500", { kind: "status", status: 500 }],
  ["503", { kind: "status", status: 503 }],
  ["408 though applied", { kind: "status-after", status: 408 }],
  ["500 though applied", { kind: "status-after", status: 500 }],
  ["503 though applied", { kind: "status-after", status: 503 }],
  ["delay", { kind: "delay", ms: 50 }],
  ["hang", { kind: "hang" }],
  ["hang though applied", { kind: "hang-after" }],
  ["applied late", { kind: "late", ms: 250 }],
  ["applied after the deadline", { kind: "late", ms: deadlineMs + 100 }],
];

/** After each of these nobody knows whether the write was applied. */
const lostAnswers = faults.filter(([, { kind }]) =>
  ["reset-after", "cut-off", "status-after", "hang-after"].includes(kind),
);

const isWrite = ({ operation }: StoreRequest): boolean =>
  operation === "create" || operation === "replace" || operation === "batch";

const throttled: Fault = { kind: "status", status: 429, retryAfterMs: 15 };
const lagging: Fault = { kind: "status", status: 404, substatus: 1002 };
const moved: Fault = { kind: "status", status: 410 };
const reset: Fault = { kind: "reset-before" };
const four = (fault: Fault): readonly Fault[] => [fault, fault, fault, fault];
const passing: readonly Fault[] = [
  { kind: "status", status: 408 },
  { kind: "status", status: 449 },
  { kind: "status", status: 503 },
  reset,
  { kind: "status", status: 500 },
  { kind: "cut-off" },
];

/** What the requests that follow a write of unknown outcome meet, one after the other. All of it passes. */
const afterwards: readonly (readonly [string, readonly (Fault | undefined)[]])[] = [
  ["429 four times", four(throttled)],
  ["429 six times", [...four(throttled), throttled, throttled]],
  ["429 for longer than a third of the time", [{ kind: "status", status: 429, retryAfterMs: 1_800 }]],
  ["410", [moved]],
  ["410 four times", four(moved)],
  ["404/1002", [lagging]],
  ["404/1002 four times", four(lagging)],
  ["all else that passes", passing],
  ["a mixture", [...four(throttled), moved, ...four(throttled), lagging, reset, throttled]],
  ["429 four times, at each of two requests", [...four(throttled), undefined, ...four(throttled)]],
  ["410 and 404/1002, at each of two requests", [moved, lagging, undefined, lagging, moved]],
  ["429 six times, at the second request", [undefined, ...four(throttled), throttled, throttled]],
];

/** What a case works with: ids of its own, the instance behind the fault proxy, and one that is not. */
interface Case {
  readonly faulty: Api;
  readonly direct: Api;
  /** Its first secret is that of the faulty one, as all generates that race have it but in a mix of instances. */
  readonly rival: Api;
  readonly service: Service;
  readonly beneficiary: string;
  readonly body: { readonly merchant_id: string; readonly discount_id: string };
  readonly merchantId: string;
}

/** One way through one function. */
interface Scenario {
  readonly name: string;
  /** Brings about what the call finds, past the faults. */
  prepare(context: Case): Promise<Prepared>;
}

interface Prepared {
  /** The call that meets the faults. */
  call(): Promise<Reply>;
  /** A rival's call, which may come before any store call of it. */
  readonly rival?: () => Promise<unknown>;
  /** What holds afterwards, whatever was answered. */
  check(reply: Reply): Promise<void>;
}

const expectUnavailable = (reply: Reply): void => {
  expectProblem(reply, 503, "service-unavailable");
  expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
};

const succeeded = ({ status }: Reply): boolean => status === 200 || status === 204;

/** The OTP can be used, once. */
const expectUsableOnce = async ({ direct }: Case, apiKey: string, code: string): Promise<void> => {
  expect((await direct.use(apiKey, code)).status).toBe(200);
  expectProblem(await direct.use(apiKey, code), 404, "otp-already-used");
};

/** There is one live OTP of the beneficiary for the discount, and it can be used. */
const expectOneLiveOtp = async (context: Case, apiKey: string, code: string): Promise<void> => {
  const conflict = await context.direct.generate(context.beneficiary, context.body);
  expectProblem(conflict, 409, "otp-conflict");
  expect(decode(Conflict, conflict.json).otp.code).toBe(code);
  const live = (await readItems(context.service.otps)).filter(
    ({ id, partitionKey, ...item }) =>
      id.startsWith("otp-") &&
      partitionKey?.startsWith(`${context.merchantId}:`) &&
      !("use" in item && item.use),
  );
  expect(live).toHaveLength(1);
  await expectUsableOnce(context, apiKey, code);
};

const generateScenario = (name: string, history: "none" | "live" | "used"): Scenario => ({
  name: `GenerateOtp, ${name}`,
  prepare: async (context) => {
    const { faulty, direct, rival, beneficiary, body, merchantId } = context;
    const apiKey = await direct.newApiKey(merchantId);
    const previous = history === "none" ? undefined : await direct.newCode(beneficiary, body);
    if (previous !== undefined && history === "used") {
      await direct.use(apiKey, previous);
    }
    return {
      call: () => faulty.generate(beneficiary, body),
      rival: () => rival.generate(beneficiary, body),
      check: async (reply) => {
        if (reply.status === 200) {
          await expectOneLiveOtp(context, apiKey, decode(OtpBody, reply.json).code);
        } else if (reply.status === 409) {
          expectProblem(reply, 409, "otp-conflict");
          await expectOneLiveOtp(context, apiKey, decode(Conflict, reply.json).otp.code);
        } else {
          expectUnavailable(reply);
          const again = await direct.generate(beneficiary, body);
          const otp = again.status === 200 ? decode(OtpBody, again.json) : decode(Conflict, again.json).otp;
          await expectOneLiveOtp(context, apiKey, otp.code);
        }
      },
    };
  },
});

const askScenario = (name: string, history: "live" | "used" | "newer" | "none"): Scenario => ({
  name: `ValidateOtp asking, ${name}`,
  prepare: async (context) => {
    const { faulty, direct, beneficiary, body, merchantId } = context;
    const apiKey = await direct.newApiKey(merchantId);
    const code = history === "none" ? "AAAAAAAAAAA" : await direct.newCode(beneficiary, body);
    if (history === "used" || history === "newer") {
      await direct.use(apiKey, code);
    }
    const newer = history === "newer" ? await direct.newCode(beneficiary, body) : undefined;
    return {
      call: () => faulty.ask(apiKey, code),
      check: async (reply) => {
        if (reply.status === 503) {
          expectUnavailable(reply);
        } else {
          const truth = await direct.ask(apiKey, code);
          const strip = (text: string): string => text.replace(/urn:uuid:[0-9a-f-]+/, "");
          expect([reply.status, strip(reply.text)]).toEqual([truth.status, strip(truth.text)]);
        }
        if (history === "live" || newer !== undefined) {
          await expectUsableOnce(context, apiKey, newer ?? code);
        }
      },
    };
  },
});

const useScenario = (idempotencyKey: string | undefined): Scenario => ({
  name: `ValidateOtp using, with ${idempotencyKey === undefined ? "no" : "an"} Idempotency-Key`,
  prepare: async ({ faulty, direct, beneficiary, body, merchantId }) => {
    const apiKey = await direct.newApiKey(merchantId);
    const code = await direct.newCode(beneficiary, body);
    let rival: Reply | undefined;
    return {
      call: () => faulty.use(apiKey, code, idempotencyKey),
      rival: async () => {
        rival ??= await direct.use(apiKey, code, "the rival's");
      },
      check: async (reply) => {
        const again = await direct.use(apiKey, code, idempotencyKey);
        if (reply.status === 200) {
          expect(reply.json).toMatchObject({ discount_id: discountId });
          expect(rival?.status).not.toBe(200);
          expect((await direct.use(apiKey, code, "another cart's")).status).toBe(404);
          // The same call again is the same use, if it can be told to be the same.
          expect(again.status).toBe(idempotencyKey === undefined ? 404 : 200);
          if (idempotencyKey !== undefined) {
            expect(again.text).toBe(reply.text);
          }
        } else if (rival?.status === 200) {
          if (reply.status === 503) {
            expectUnavailable(reply);
          } else {
            expectProblem(reply, 404, "otp-already-used");
          }
          expectProblem(again, 404, "otp-already-used");
        } else {
          // Nobody else came: it is not refused, and the same call again tells what became of it. Without an
          // Idempotency-Key nothing tells it from another call, if it was applied.
          expectUnavailable(reply);
          if (idempotencyKey !== undefined || again.status !== 404) {
            expect(again.status).toBe(200);
          } else {
            expectProblem(again, 404, "otp-already-used");
          }
        }
      },
    };
  },
});

const regenerateScenario = (
  name: string,
  history: "none" | "other" | "both",
  hasIdempotencyKey: boolean,
): Scenario => ({
  name: `RegenerateApiKey, ${name}, with ${hasIdempotencyKey ? "an" : "no"} Idempotency-Key`,
  prepare: async ({ faulty, direct, merchantId }) => {
    const idempotencyKey = hasIdempotencyKey ? randomUUID() : undefined;
    const works = async (apiKey: string): Promise<boolean> =>
      (await direct.ask(apiKey, "AAAAAAAAAAA")).status === 404;
    const secondary = history === "none" ? undefined : await direct.newApiKey(merchantId, "secondary");
    const primary = history === "both" ? await direct.newApiKey(merchantId) : undefined;
    let rivals: string | undefined;
    return {
      call: () => faulty.regenerate(merchantId, "primary", idempotencyKey),
      rival: async () => {
        rivals = await direct.newApiKey(merchantId, "secondary");
      },
      check: async (reply) => {
        if (reply.status !== 200) {
          expectUnavailable(reply);
        }
        // Another instance is asked: the one that made the call may have ended by now.
        const again = await direct.regenerate(merchantId, "primary", idempotencyKey);
        const { api_key: told } = decode(ApiKeyBody, again.json);
        expect(await works(told)).toBe(true);
        expect(primary !== undefined && (await works(primary))).toBe(false);
        if (idempotencyKey !== undefined) {
          if (reply.status === 200) {
            expect(again.text).toBe(reply.text);
          }
          // One that comes after the key was replaced changes nothing.
          const renewed = await direct.newApiKey(merchantId);
          expectProblem(
            await direct.regenerate(merchantId, "primary", idempotencyKey),
            400,
            "invalid-request",
          );
          expect([await works(renewed), await works(told)]).toEqual([true, false]);
        } else if (reply.status === 200) {
          expect(await works(decode(ApiKeyBody, reply.json).api_key)).toBe(false);
        }
        const other = rivals ?? secondary;
        expect(other === undefined || (await works(other))).toBe(true);
      },
    };
  },
});

const listScenario: Scenario = {
  name: "ListApiKeys",
  prepare: async ({ faulty, direct, merchantId }) => {
    await direct.newApiKey(merchantId, "secondary");
    const told = [(await direct.list(merchantId)).text];
    return {
      call: () => faulty.list(merchantId),
      rival: async () => {
        await direct.newApiKey(merchantId);
        told.push((await direct.list(merchantId)).text);
      },
      check: (reply) => {
        if (reply.status === 200) {
          expect(told).toContain(reply.text);
        } else {
          expectUnavailable(reply);
        }
        return Promise.resolve();
      },
    };
  },
};

const revokeScenario = (name: string, history: "none" | "both"): Scenario => ({
  name: `RevokeApiKey, ${name}`,
  prepare: async ({ faulty, direct, merchantId }) => {
    const works = async (apiKey: string): Promise<boolean> =>
      (await direct.ask(apiKey, "AAAAAAAAAAA")).status === 404;
    const primary = history === "both" ? await direct.newApiKey(merchantId) : undefined;
    let secondary = history === "both" ? await direct.newApiKey(merchantId, "secondary") : undefined;
    return {
      call: () => faulty.revoke(merchantId),
      rival: async () => {
        secondary = await direct.newApiKey(merchantId, "secondary");
      },
      check: async (reply) => {
        if (reply.status !== 204) {
          expectUnavailable(reply);
          expect((await direct.revoke(merchantId)).status).toBe(204);
        }
        expect(primary !== undefined && (await works(primary))).toBe(false);
        const keyTypes = decode(ApiKeysBody, (await direct.list(merchantId)).json).api_keys;
        expect(keyTypes.map(({ key_type }) => key_type)).toEqual(
          secondary === undefined ? [] : ["secondary"],
        );
        expect(secondary === undefined || (await works(secondary))).toBe(true);
        // It comes back, and what was revoked does not.
        expect(await works(await direct.newApiKey(merchantId))).toBe(true);
        expect(primary !== undefined && (await works(primary))).toBe(false);
      },
    };
  },
});

const infoScenario: Scenario = {
  name: "Info",
  prepare: ({ faulty, service }) => {
    // What was answered before is too old by now.
    service.clock.advance(5);
    return Promise.resolve({
      call: () => faulty.info(),
      check: (reply) => {
        if (reply.status !== 200) {
          expectUnavailable(reply);
        }
        return Promise.resolve();
      },
    });
  },
};

const scenarios: readonly Scenario[] = [
  generateScenario("the first OTP", "none"),
  generateScenario("a live OTP being there", "live"),
  generateScenario("a used OTP being there", "used"),
  askScenario("of a live OTP", "live"),
  askScenario("of a used OTP", "used"),
  askScenario("of a used OTP with a newer one", "newer"),
  askScenario("of no OTP", "none"),
  useScenario("cart 1"),
  useScenario(undefined),
  regenerateScenario("the merchant's first", "none", true),
  regenerateScenario("the merchant's first", "none", false),
  regenerateScenario("beside another", "other", true),
  regenerateScenario("in place of one", "both", true),
  regenerateScenario("in place of one", "both", false),
  listScenario,
  revokeScenario("of a merchant without keys", "none"),
  revokeScenario("of one of two keys", "both"),
  infoScenario,
];

/** The instances of a case that are not behind faults. */
type Peers = Pick<Case, "direct" | "rival">;

/** What happens to a store call of a case. */
type Decide = (request: StoreRequest, prepared: Prepared) => Fault | undefined;
type NamedCase = readonly [name: string, decide: Decide];

describe("whatever the store does", () => {
  let service: Service;
  /** Each is one case's at a time. */
  let pool: FaultyInstance[];
  let patient: FaultyInstance;
  let patientPool: FaultyInstance[];
  let serial = 0;

  beforeAll(async () => {
    service = await startService();
    patient = await startBehindFaults(service, 3000);
    const startPool = (size: number, ms: number): Promise<FaultyInstance[]> =>
      Promise.all(Array.from({ length: size }, () => startBehindFaults(service, ms)));
    pool = await startPool(lanes, deadlineMs);
    patientPool = await startPool(patientLanes, patientDeadlineMs);
  });
  afterAll(async () => {
    await Promise.all([patient, ...pool, ...patientPool].map((lane) => lane.stop()));
    await service.stop();
  });

  const makeCase = (faulty: Api, { direct, rival }: Peers = { direct: service, rival: service }): Case => {
    serial++;
    const merchantId = `shop-${serial}`;
    return {
      faulty,
      direct,
      rival,
      service,
      merchantId,
      beneficiary: `AAAAAA00A00A${String(serial % 1000).padStart(3, "0")}A`,
      body: { ...discount, merchant_id: merchantId },
    };
  };

  const runCase = async (
    { proxy, instance }: FaultyInstance,
    scenario: Scenario,
    decide: Decide,
    peers?: Peers,
  ): Promise<{ readonly reply: Reply; readonly requests: number }> => {
    await proxy.reset();
    const prepared = await scenario.prepare(makeCase(instance, peers));
    proxy.script((request) => decide(request, prepared));
    const reply = await prepared.call();
    const requests = proxy.requests.length;
    proxy.script(() => undefined);
    await proxy.settled();
    await prepared.check(reply);
    return { reply, requests };
  };

  /** Runs cases side by side, each on a lane of its own, and tells which of them failed. */
  const runSideBySide = async <A>(
    on: readonly FaultyInstance[],
    cases: readonly (readonly [name: string, what: A])[],
    run: (lane: FaultyInstance, what: A) => Promise<unknown>,
  ): Promise<void> => {
    const queue = [...cases];
    const failures: string[] = [];
    await Promise.all(
      on.map(async (lane) => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const [name, what] = next;
          await run(lane, what).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
        }
      }),
    );
    expect(failures).toEqual([]);
  };

  const runAll = (cases: readonly NamedCase[], scenario: Scenario): Promise<void> =>
    runSideBySide(pool, cases, (lane, decide) => runCase(lane, scenario, decide));

  // First, because the embedded store gets slower with each item.
  describe("while the secret is replaced", () => {
    let peers: Peers;
    let swappedPool: FaultyInstance[];
    let patientSwappedPool: FaultyInstance[];
    beforeAll(async () => {
      const secret = service.settings["OTP_SECRET"] ?? "";
      const other = randomBytes(32).toString("base64");
      // What the faulty ones find was issued under their second secret.
      const swapped = { ...service.settings, OTP_SECRET: other, OTP_SECRET_SECOND: secret };
      const direct = await startInstance({ ...service.settings, OTP_SECRET_SECOND: other }, service.clock);
      const rival = await startInstance(swapped, service.clock);
      service.stopFirst(() => direct.stop());
      service.stopFirst(() => rival.stop());
      peers = { direct, rival };
      swappedPool = await Promise.all(
        Array.from({ length: lanes }, () => startBehindFaults({ ...service, settings: swapped }, deadlineMs)),
      );
      patientSwappedPool = await Promise.all(
        Array.from({ length: patientLanes }, () =>
          startBehindFaults({ ...service, settings: swapped }, patientDeadlineMs),
        ),
      );
    });

    it.each([
      ["the first OTP", 2, generateScenario("the first OTP", "none")],
      ["a live OTP", 2, generateScenario("a live OTP under the second secret", "live")],
      ["a used OTP", 3, generateScenario("a used OTP under the second secret", "used")],
      ["asking", 3, askScenario("of a live OTP under the second secret", "live")],
      ["using", 4, useScenario("cart 1")],
    ] as const)(
      "keeps every promise under every fault at every store call: %s",
      async (_, calls, scenario) => {
        const cases = faults.flatMap(([name, fault]) =>
          Array.from({ length: calls }, (__, at) => at).flatMap((at): readonly NamedCase[] => [
            [`${name} at store call ${at}`, ({ index }) => (index === at ? fault : undefined)],
            [`${name} from store call ${at} on`, ({ index }) => (index >= at ? fault : undefined)],
            [
              `rival before store call ${at}, then ${name}`,
              ({ index }, { rival }) =>
                index === at && rival !== undefined
                  ? { kind: "rival", run: rival }
                  : index === at + 1
                    ? fault
                    : undefined,
            ],
          ]),
        );
        await runSideBySide(swappedPool, cases, (lane, decide) => runCase(lane, scenario, decide, peers));
      },
    );

    it.each([
      ["issues", generateScenario("a used OTP under the second secret", "used")],
      ["uses", useScenario("cart 1")],
    ] as const)("%s, though the answer to the write is lost", async (_, scenario) => {
      await runSideBySide(patientSwappedPool, lostAnswers, async (lane, fault) => {
        let isBroken = false;
        const decide: Decide = (request) => {
          if (!isWrite(request) || isBroken) {
            return undefined;
          }
          isBroken = true;
          return fault;
        };
        const { reply } = await runCase(lane, scenario, decide, peers);
        expect([isBroken, succeeded(reply)]).toEqual([true, true]);
      });
    });
  });

  describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))("%s", (_, scenario) => {
    let storeCalls: number;
    beforeAll(async () => {
      const { reply, requests } = await runCase(patient, scenario, () => undefined);
      expect(reply.status).not.toBe(503);
      storeCalls = requests;
    });

    it("keeps every promise under every fault at every store call, once and from there on", async () => {
      expect(storeCalls).toBeGreaterThan(0);
      const calls = Array.from({ length: storeCalls }, (__, at) => at);
      await runAll(
        faults.flatMap(([name, fault]) =>
          calls.flatMap((at): readonly NamedCase[] => [
            [`${name} at store call ${at}`, ({ index }) => (index === at ? fault : undefined)],
            [`${name} from store call ${at} on`, ({ index }) => (index >= at ? fault : undefined)],
          ]),
        ),
        scenario,
      );
    });

    it("keeps every promise when a rival comes before any store call", async () => {
      await runAll(
        Array.from({ length: storeCalls }, (__, at) => at).flatMap((at): readonly NamedCase[] => {
          const rivalAt: Decide = ({ index }, { rival }) =>
            rival !== undefined && index === at ? { kind: "rival", run: rival } : undefined;
          return [
            [`before store call ${at}`, rivalAt],
            [
              `before store call ${at}, and the next answer is lost`,
              (request, prepared) =>
                request.index === at + 1 ? { kind: "reset-after" } : rivalAt(request, prepared),
            ],
          ];
        }),
        scenario,
      );
    });
  });

  const writing: readonly Scenario[] = [
    generateScenario("the first OTP", "none"),
    generateScenario("a used OTP being there", "used"),
    useScenario("cart 1"),
    useScenario(undefined),
    regenerateScenario("the merchant's first", "none", true),
    regenerateScenario("in place of one", "both", true),
    regenerateScenario("in place of one", "both", false),
    revokeScenario("of a merchant without keys", "none"),
    revokeScenario("of one of two keys", "both"),
  ];
  it("resolves a write whose answer was lost, as long as the store can be asked", async () => {
    for (const [name, fault] of lostAnswers) {
      for (const scenario of writing) {
        let isBroken = false;
        const { reply } = await runCase(patient, scenario, (request) => {
          if (!isWrite(request) || isBroken) {
            return undefined;
          }
          isBroken = true;
          return fault;
        });
        expect([name, scenario.name, isBroken, succeeded(reply)]).toEqual([name, scenario.name, true, true]);
      }
    }
  });

  /** A write meets the first fault; the requests that follow it, whatever they are, meet the others. */
  const afterWrite = (first: Fault, others: readonly (Fault | undefined)[]): [Decide, () => number] => {
    let met: number | undefined;
    const decide: Decide = (request) => {
      if (met === undefined) {
        met = isWrite(request) ? 0 : undefined;
        return met === 0 ? first : undefined;
      }
      met += 1;
      return others[met - 1];
    };
    return [decide, () => met ?? 0];
  };

  it.each(writing.map((scenario) => [scenario.name, scenario] as const))(
    "resolves a write whose answer was lost, whatever passes while it is looked up: %s",
    async (_, scenario) => {
      const cases = afterwards.flatMap(([name, others]) =>
        (
          [
            ["applied and answered 500", { kind: "status-after", status: 500 }],
            ["applied, its answer lost", { kind: "reset-after" }],
            ["answered 500 and not applied", { kind: "status", status: 500 }],
          ] as const satisfies readonly (readonly [string, Fault])[]
        ).map(([outcome, first]) => [`${outcome}, then ${name}`, { first, others }] as const),
      );
      await runSideBySide(patientPool, cases, async (lane, { first, others }) => {
        const [decide, met] = afterWrite(first, others);
        const { reply } = await runCase(lane, scenario, decide);
        expect(succeeded(reply)).toBe(true);
        // A look-up that one request settles meets what comes before the gap.
        const gap = others.indexOf(undefined);
        expect(met()).toBeGreaterThanOrEqual(gap === -1 ? others.length : gap);
      });
    },
  );

  it.each(writing.map((scenario) => [scenario.name, scenario] as const))(
    "resolves a write that is applied while the next one is throttled: %s",
    async (_, scenario) => {
      // It comes after the service has given it up and looked for it in vain.
      const late: Fault = { kind: "late", ms: patientDeadlineMs / 3 + 250 };
      const cases = [4, 6].map((times) => [`throttled ${times} times`, times] as const);
      await runSideBySide(patientPool, cases, async (lane, times) => {
        let writes = 0;
        const { reply } = await runCase(lane, scenario, (request) => {
          writes += isWrite(request) ? 1 : 0;
          return !isWrite(request) || writes > 1 + times ? undefined : writes === 1 ? late : throttled;
        });
        expect(succeeded(reply)).toBe(true);
      });
    },
  );

  it("leaves a key that the same call is told again, when the process dies with its write under way", async () => {
    const merchantId = "shop-of-the-dead";
    const works = async (apiKey: string): Promise<boolean> =>
      (await service.ask(apiKey, "AAAAAAAAAAA")).status === 404;
    const proxy = await startFaultProxy(service.config.cosmos.endpoint);
    const host = await startHostProcess({ ...service.settings, COSMOSDB_ENDPOINT: proxy.endpoint });
    const old = await service.newApiKey(merchantId);
    const written = new Promise<void>((resolve) => {
      proxy.script(({ operation }) => {
        if (operation !== "replace") {
          return undefined;
        }
        resolve();
        return { kind: "hang-after" };
      });
    });
    const press = randomUUID();
    const dying = host.regenerate(merchantId, "primary", press).catch(() => undefined);
    await written;
    await host.program.stop("SIGKILL");
    await dying;
    await proxy.settled();
    await proxy.close();
    const told = await service.newApiKey(merchantId, "primary", press);
    expect([await works(told), await works(old)]).toEqual([true, false]);
    expect(await service.newApiKey(merchantId, "primary", press)).toBe(told);
  });
});
