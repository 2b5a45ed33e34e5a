/**
 * Faults at the store calls of one call of the service: which there are, the ways through the functions (scenarios),
 * and what must hold after each. An instance that no fault reaches looks at it afterwards.
 *
 * The service cannot tell the faults of one kind from one another (shared/cosmos/error.ts). So each store call of each way meets
 * each kind that makes a difference to it, and the faults of a kind take turns. In the end each has had its turn.
 */
import { randomBytes, randomUUID } from "node:crypto";
import * as t from "io-ts";
import { ApiKeyBody, ApiKeysBody, OtpBody } from "../../shared/http/bodies";
import { expectProblem } from "../support/expect-problem";
import { discount, discountId, fiscalCode, type Api, type Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import type { Fault, StoreRequest } from "../../tools/support/fault-proxy";
import {
  startBehindFaults,
  startInstance,
  patience,
  startService,
  type FaultyInstance,
  type Instance,
  type Service,
} from "../../tools/support/service";

/** Short, because many faults keep a call waiting until then. */
export const deadlineMs = 1000;
export const patientDeadlineMs = 5000;

const Conflict = t.type({ otp: OtpBody });

/** Faults that the service cannot tell from one another. */
export type Kind = readonly Fault[];

const slow: Kind = [{ kind: "delay", ms: 50 }];
const throttled: Kind = [{ kind: "status", status: 429, retryAfterMs: 20 }];
const throttledForLong: Kind = [{ kind: "status", status: 429, retryAfterMs: 5_000 }];
export const throttledBatches: Kind = [20, 5_000].map((retryAfterMilliseconds) => ({
  kind: "answer",
  status: 207,
  body: JSON.stringify([
    { statusCode: 429, retryAfterMilliseconds },
    { statusCode: 424, retryAfterMilliseconds: 0 },
  ]),
}));
/** For want of a right. */
const denied: Kind = [
  { kind: "status", status: 401 },
  { kind: "forbidden", substatus: 5300 },
];
export const notApplied: Kind = [
  { kind: "refuse", forMs: 50 },
  { kind: "reset-before" },
  { kind: "status", status: 404, substatus: 1002 },
  ...[408, 410, 449, 500, 502, 503, 504].map((status): Fault => ({ kind: "status", status })),
];
/** Successes that say nothing of the request, and what a proxy says of itself. */
export const unforeseen: Kind = [
  { kind: "answer", status: 204, body: "" },
  { kind: "answer", status: 302, body: "" },
  ...["{}", "", "null", '{"results":[]}'].map((body): Fault => ({ kind: "answer", status: 200, body })),
  { kind: "answer", status: 404, body: "", isForeign: true },
];
/** Applied, and the answer lost. */
export const lost: Kind = [
  { kind: "reset-after" },
  { kind: "cut-off" },
  ...[408, 500, 503].map((status): Fault => ({ kind: "status-after", status })),
];
const hanging: Kind = [{ kind: "hang" }];
export const hangingThoughApplied: Kind = [{ kind: "hang-after" }];
const late: Kind = [{ kind: "late", ms: 250 }];
const afterTheDeadline: Kind = [{ kind: "late", ms: deadlineMs + 100 }];

/** Of these the service has an answer at once, or half of one, and it may try again. */
export const passingFaults: Kind = [...throttled, ...notApplied, ...unforeseen, ...lost];

/** A read changes nothing, so it is the same to it whether the store did anything. */
const failedRead: Kind = [...notApplied, ...unforeseen, ...lost];

interface Kinds {
  readonly once: readonly Kind[];
  /** At this store call and all that follow: only kinds after which there are some. */
  readonly fromThereOn: readonly Kind[];
}

/** The kinds of faults that meet a store call. */
type Plan = (storeCall: StoreRequest) => Kinds;

const everyKind: Plan = (storeCall) =>
  isWrite(storeCall)
    ? {
        once: [
          ...[slow, throttled, throttledForLong, denied, notApplied, unforeseen, lost],
          ...[hanging, hangingThoughApplied, late, afterTheDeadline],
          ...(storeCall.operation === "batch" ? [throttledBatches] : []),
        ],
        fromThereOn: [throttled, denied, notApplied, lost, afterTheDeadline],
      }
    : {
        once: [slow, throttled, throttledForLong, denied, notApplied, unforeseen, lost, hanging],
        fromThereOn: [throttled, failedRead, hanging],
      };

/** What is new under a second secret is which reads are made, and what a call that must not refuse does after a write. */
const kindsUnderSecondSecret: Plan = (storeCall) =>
  isWrite(storeCall)
    ? { once: [lost, hangingThoughApplied, afterTheDeadline], fromThereOn: [notApplied] }
    : { once: [denied, failedRead], fromThereOn: [failedRead] };

/** One fault for each thing that the service knows of a write afterwards. */
const outcomes = [notApplied.slice(1), lost, denied, hangingThoughApplied, late].flatMap((kind) =>
  kind.slice(0, 1),
);

/** So many faults of a kind at each store call; `npm run test:soak` asks for all. */
const faultsOfAKind = Number(process.env["FAULTS_OF_A_KIND"] ?? 1);

/** How many faults of a kind have had their turn. */
const turns = new Map<Kind, number>();

export const inTurnOf = (kind: Kind): Kind => {
  const turn = turns.get(kind) ?? 0;
  const count = Math.min(faultsOfAKind, kind.length);
  turns.set(kind, turn + count);
  const start = turn % kind.length;
  return [...kind, ...kind].slice(start, start + count);
};

/** The kinds that met some store calls, but not with each of their faults. */
export const kindsWithoutAllTheirTurns = (): readonly Kind[] =>
  [...turns].flatMap(([kind, turn]) => (turn < kind.length ? [kind] : []));

export const isWrite = ({ operation }: StoreRequest): boolean =>
  operation === "create" || operation === "replace" || operation === "batch";

/** What a case works with: ids of its own, an instance behind a fault proxy, and others that are not. */
export interface Case {
  readonly faulty: Api;
  readonly direct: Api;
  /** Has the same first secret as the faulty one. */
  readonly rival: Api;
  readonly service: Service;
  readonly beneficiary: string;
  readonly body: { readonly merchant_id: string; readonly discount_id: string };
  readonly merchantId: string;
}

/** One way through one function. */
export interface Scenario {
  readonly name: string;
  readonly hasRival: boolean;
  /** Brings about what the call finds, without faults. */
  prepare(context: Case): Promise<Prepared>;
}

export interface Prepared {
  /** The call that meets the faults. */
  call(): Promise<Reply>;
  /** Another call, which a case can put before any of its store calls. */
  readonly rival?: () => Promise<unknown>;
  /** What holds afterwards, whatever was answered. */
  check(reply: Reply): Promise<void>;
}

const expectUnavailable = (reply: Reply): void => {
  expectProblem(reply, 503, "service-unavailable");
  expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
};

export const succeeded = ({ status }: Reply): boolean => status === 200 || status === 204;

/** Whether an API key is in force. */
export const works = async (api: Api, apiKey: string): Promise<boolean> =>
  (await api.ask(apiKey, "AAAAAAAAAAA")).status === 404;

const StoredItem = t.intersection([t.type({ id: t.string }), t.partial({ use: t.unknown })]);

/** Reads only this merchant's partitions: a test file stores thousands of items. */
const readLiveOtps = async ({ service, merchantId }: Case): Promise<unknown[]> => {
  const query = {
    query: "SELECT * FROM c WHERE STARTSWITH(c.partitionKey, @prefix)",
    parameters: [{ name: "@prefix", value: `${merchantId}:` }],
  };
  const { resources } = await service.otps.items.query(query).fetchAll();
  return decode(t.array(StoredItem), resources).filter(({ id, use }) => id.startsWith("otp-") && !use);
};

export const generateScenario = (name: string, history: "none" | "live" | "used"): Scenario => ({
  name: `GenerateOtp, ${name}`,
  hasRival: true,
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
        const again = await direct.generate(beneficiary, body);
        const { code } =
          again.status === 200 ? decode(OtpBody, again.json) : decode(Conflict, again.json).otp;
        if (reply.status === 200) {
          expectProblem(again, 409, "otp-conflict");
          expect(decode(OtpBody, reply.json).code).toBe(code);
        } else if (reply.status === 409) {
          expectProblem(reply, 409, "otp-conflict");
          expectProblem(again, 409, "otp-conflict");
          expect(decode(Conflict, reply.json).otp.code).toBe(code);
        } else {
          expectUnavailable(reply);
        }
        // There is one live OTP of the beneficiary for the discount, and it can be used.
        expect(await readLiveOtps(context)).toHaveLength(1);
        expect((await direct.use(apiKey, code)).status).toBe(200);
      },
    };
  },
});

/** A question changes nothing, so all cases ask of one OTP. */
export const askScenario = (name: string, history: "live" | "newer"): Scenario => {
  let prepared:
    Promise<{ readonly apiKey: string; readonly code: string; readonly truth: string }> | undefined;
  const show = ({ status, text }: Reply): string => `${status} ${text.replace(/urn:uuid:[0-9a-f-]+/, "")}`;
  const prepareAll = async ({
    direct,
    beneficiary,
    body,
    merchantId,
  }: Case): NonNullable<typeof prepared> => {
    const apiKey = await direct.newApiKey(merchantId);
    const code = await direct.newCode(beneficiary, body);
    if (history === "newer") {
      await direct.use(apiKey, code);
      await direct.newCode(beneficiary, body);
    }
    const truth = await direct.ask(apiKey, code);
    expect(truth.status).toBe(history === "live" ? 200 : 409);
    return { apiKey, code, truth: show(truth) };
  };
  return {
    name: `ValidateOtp asking, ${name}`,
    hasRival: false,
    prepare: async (context) => {
      prepared ??= prepareAll(context);
      const { apiKey, code, truth } = await prepared;
      return {
        call: () => context.faulty.ask(apiKey, code),
        check: async (reply) => {
          if (reply.status === 503) {
            expectUnavailable(reply);
          } else {
            expect(show(reply)).toBe(truth);
          }
          expect(show(await context.direct.ask(apiKey, code))).toBe(truth);
        },
      };
    },
  };
};

export const useScenario = (idempotencyKey: string | undefined): Scenario => ({
  name: `ValidateOtp using, with ${idempotencyKey === undefined ? "no" : "an"} Idempotency-Key`,
  hasRival: true,
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
          // With an Idempotency-Key the same call again is the same use.
          expect(again.status).toBe(idempotencyKey === undefined ? 404 : 200);
          if (idempotencyKey !== undefined) {
            expect(again.text).toBe(reply.text);
            expect((await direct.use(apiKey, code, "another cart's")).status).toBe(404);
          }
        } else if (rival?.status === 200) {
          if (reply.status === 503) {
            expectUnavailable(reply);
          } else {
            expectProblem(reply, 404, "otp-already-used");
          }
          expectProblem(again, 404, "otp-already-used");
        } else {
          // Nobody else came, so nothing may refuse the call. The same call again shows its outcome, but without an
          // Idempotency-Key it is another call.
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

export const regenerateScenario = (
  name: string,
  history: "none" | "both",
  hasIdempotencyKey: boolean,
): Scenario => ({
  name: `RegenerateApiKey, ${name}, with ${hasIdempotencyKey ? "an" : "no"} Idempotency-Key`,
  hasRival: true,
  prepare: async ({ faulty, direct, merchantId }) => {
    const idempotencyKey = hasIdempotencyKey ? randomUUID() : undefined;
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
        const again = await direct.regenerate(merchantId, "primary", idempotencyKey);
        const { api_key: told } = decode(ApiKeyBody, again.json);
        expect(await works(direct, told)).toBe(true);
        expect(primary !== undefined && (await works(direct, primary))).toBe(false);
        if (reply.status === 200 && idempotencyKey !== undefined) {
          expect(again.text).toBe(reply.text);
        } else if (reply.status === 200) {
          expect(await works(direct, decode(ApiKeyBody, reply.json).api_key)).toBe(false);
        }
        const other = rivals ?? secondary;
        expect(other === undefined || (await works(direct, other))).toBe(true);
      },
    };
  },
});

const listScenario: Scenario = {
  name: "ListApiKeys",
  hasRival: true,
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

export const revokeScenario = (name: string, history: "none" | "both"): Scenario => ({
  name: `RevokeApiKey, ${name}`,
  hasRival: true,
  prepare: async ({ faulty, direct, merchantId }) => {
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
        expect(primary !== undefined && (await works(direct, primary))).toBe(false);
        const keyTypes = decode(ApiKeysBody, (await direct.list(merchantId)).json).api_keys;
        expect(keyTypes.map(({ key_type }) => key_type)).toEqual(
          secondary === undefined ? [] : ["secondary"],
        );
        expect(secondary === undefined || (await works(direct, secondary))).toBe(true);
      },
    };
  },
});

const infoScenario: Scenario = {
  name: "Info",
  hasRival: false,
  prepare: ({ faulty, service }) => {
    // An earlier answer of this instance is too old after this.
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

/** The instances of a case that no fault reaches. */
export type Peers = Pick<Case, "direct" | "rival">;

/** What happens to a store call of a case. */
export type Decide = (request: StoreRequest, prepared: Prepared) => Fault | undefined;

/** A rival's call before a store call, and a fault at the next one. */
const rivalAt =
  (at: number, next?: Fault): Decide =>
  ({ index }, { rival }) =>
    index === at && rival !== undefined ? { kind: "rival", run: rival } : index === at + 1 ? next : undefined;

export const faultAtFirstWrite = (fault: Fault): Decide => {
  let isMet = false;
  return (request) => {
    if (!isWrite(request) || isMet) {
      return undefined;
    }
    isMet = true;
    return fault;
  };
};

export interface Outcome {
  readonly reply: Reply;
  /** The store calls that the call made. */
  readonly storeCalls: readonly StoreRequest[];
  /** How many of them met a fault or a rival. */
  readonly met: number;
  /** The deadline did not answer the call. */
  readonly isInTime: boolean;
}

let serial = 0;

/** Makes the call of a scenario, with ids of its own, and checks what must hold afterwards. */
export const runCase = async (
  { service, peers }: Stage,
  { proxy, instance }: FaultyInstance,
  scenario: Scenario,
  decide: Decide,
): Promise<Outcome> => {
  serial++;
  const merchantId = `shop-${serial}`;
  await proxy.reset();
  const prepared = await scenario.prepare({
    ...peers,
    faulty: instance,
    service,
    merchantId,
    beneficiary: `AAAAAA00A00A${String(serial % 1000).padStart(3, "0")}A`,
    body: { ...discount, merchant_id: merchantId },
  });
  let met = 0;
  proxy.script((request) => {
    const fault = decide(request, prepared);
    met += fault === undefined ? 0 : 1;
    return fault;
  });
  const start = performance.now();
  const reply = await prepared.call();
  const isInTime = performance.now() - start < instance.config.requestDeadlineMs;
  const storeCalls = [...proxy.requests];
  proxy.script(() => undefined);
  await proxy.settled();
  await prepared.check(reply);
  return { reply, storeCalls, met, isInTime };
};

/** Runs cases side by side, each on a lane of its own, and names those that failed. */
export const runSideBySide = async <A>(
  on: readonly FaultyInstance[],
  cases: readonly (readonly [name: string, what: A])[],
  run: (lane: FaultyInstance, what: A) => Promise<unknown>,
): Promise<void> => {
  expect(cases).not.toEqual([]);
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

/** What happens in a case, and how many faults and rivals that is at least. */
interface Trouble {
  readonly decide: Decide;
  readonly leastMet: number;
  /** Only the deadline ends it, if the service waits for something better. */
  readonly isLasting?: boolean;
}
type NamedTrouble = readonly [name: string, trouble: Trouble];

/** A service, and instances of it behind faults, each for one case at a time. */
export interface Stage {
  readonly service: Service;
  readonly peers: Peers;
  readonly pool: readonly FaultyInstance[];
  /** Has time enough, however busy the machine is. */
  readonly patient: FaultyInstance;
}

interface StageOptions {
  readonly lanes: number;
  readonly deadlineMs: number;
  /** The instances behind faults have as their second secret what is the first one of the service. */
  readonly hasSecondSecret?: boolean;
}

export const startStage = async ({
  lanes,
  deadlineMs: ofLanes,
  hasSecondSecret = false,
}: StageOptions): Promise<Stage> => {
  const service = await startService(patience);
  const { settings } = service;
  const other = randomBytes(32).toString("base64");
  const swapped = { ...settings, OTP_SECRET: other, OTP_SECRET_SECOND: settings["OTP_SECRET"] ?? "" };
  const startPeer = async (secrets: Service["settings"]): Promise<Instance> => {
    const instance = await startInstance(secrets, service.clock);
    service.stopFirst(() => instance.stop());
    return instance;
  };
  const peers = hasSecondSecret
    ? { direct: await startPeer({ ...settings, OTP_SECRET_SECOND: other }), rival: await startPeer(swapped) }
    : { direct: service, rival: service };
  const behind = hasSecondSecret ? { ...service, settings: swapped } : service;
  const startLane = async (ms: number): Promise<FaultyInstance> => {
    const lane = await startBehindFaults(behind, ms);
    // In its first calls the SDK reads the containers, which are no store calls of a case.
    const merchantId = `warm-up-${randomUUID()}`;
    await lane.instance.generate(fiscalCode, { ...discount, merchant_id: merchantId });
    await lane.instance.regenerate(merchantId);
    return lane;
  };
  const patient = await startLane(patientDeadlineMs);
  const pool = await Promise.all(Array.from({ length: lanes }, () => startLane(ofLanes)));
  return { service, peers, patient, pool };
};

/** The ways through all functions. Where two make the same store calls, the one whose answer shows more stands for both. */
export const scenarios: readonly Scenario[] = [
  generateScenario("the first OTP", "none"),
  generateScenario("a live OTP being there", "live"),
  generateScenario("a used OTP being there", "used"),
  askScenario("of a live OTP", "live"),
  askScenario("of a used OTP with a newer one", "newer"),
  useScenario("cart 1"),
  useScenario(undefined),
  regenerateScenario("the merchant's first", "none", true),
  regenerateScenario("in place of one", "both", true),
  regenerateScenario("in place of one", "both", false),
  listScenario,
  revokeScenario("of a merchant without keys", "none"),
  revokeScenario("of one of two keys", "both"),
  infoScenario,
];

export const plays = [
  {
    name: "whatever the store does",
    hasSecondSecret: false,
    scenarios,
    plan: everyKind,
    /** What befalls the store call after a rival's call. */
    afterRival: lost.slice(0, 1),
  },
  {
    name: "whatever the store does while the secret is replaced",
    hasSecondSecret: true,
    scenarios: [
      generateScenario("the first OTP", "none"),
      generateScenario("a live OTP under the second secret", "live"),
      generateScenario("a used OTP under the second secret", "used"),
      askScenario("of a live OTP under the second secret", "live"),
      useScenario("cart 1"),
    ],
    plan: kindsUnderSecondSecret,
    afterRival: outcomes,
  },
];

/** The store calls of a call that nothing keeps from its answer. */
const findStoreCalls = async (
  stage: Stage,
  scenario: Scenario,
  decide: Decide = () => undefined,
): Promise<readonly StoreRequest[]> => {
  const { reply, storeCalls } = await runCase(stage, stage.patient, scenario, decide);
  expect(reply.status).not.toBe(503);
  expect(storeCalls).not.toEqual([]);
  return storeCalls;
};

/** Faults of the planned kinds at each store call that the call makes, once and from there on. */
export const faultsAtEveryCall = async (
  stage: Stage,
  scenario: Scenario,
  plan: Plan,
): Promise<readonly NamedTrouble[]> =>
  (await findStoreCalls(stage, scenario)).flatMap((storeCall, at) => {
    const { once, fromThereOn } = plan(storeCall);
    return [
      ...once
        .flatMap(inTurnOf)
        .map((fault): NamedTrouble => [
          `${JSON.stringify(fault)} at store call ${at}`,
          { decide: ({ index }) => (index === at ? fault : undefined), leastMet: 1 },
        ]),
      ...fromThereOn
        .flatMap(inTurnOf)
        .map((fault): NamedTrouble => [
          `${JSON.stringify(fault)} from store call ${at} on`,
          { decide: ({ index }) => (index >= at ? fault : undefined), leastMet: 1, isLasting: true },
        ]),
    ];
  });

/** A rival before each store call, alone and with each of these faults at the next one. */
export const rivalsBeforeEveryCall = async (
  stage: Stage,
  scenario: Scenario,
  nextFaults: Kind,
): Promise<readonly NamedTrouble[]> => {
  const { length } = await findStoreCalls(stage, scenario);
  const troubles: NamedTrouble[] = [];
  for (let at = 0; at < length; at++) {
    const name = `rival before store call ${at}`;
    troubles.push([name, { decide: rivalAt(at), leastMet: 1 }]);
    // A rival can make the call longer or shorter.
    if ((await findStoreCalls(stage, scenario, rivalAt(at))).length > at + 1) {
      troubles.push(
        ...nextFaults.map((fault): NamedTrouble => [
          `${name}, then ${JSON.stringify(fault)}`,
          { decide: rivalAt(at, fault), leastMet: 2 },
        ]),
      );
    }
  }
  return troubles;
};

/**
 * Runs the cases of a scenario. A fault can fail to happen: two reads at once arrive in either order, a rival between them changes
 * how many calls follow, and on a busy machine the deadline can come first. Then it is tried again, at last by a patient instance.
 */
export const runTroubles = async (
  stage: Stage,
  scenario: Scenario,
  cases: readonly NamedTrouble[],
): Promise<void> => {
  const happensOn = async (
    lane: FaultyInstance,
    { decide, leastMet, isLasting = false }: Trouble,
  ): Promise<boolean> => {
    const { met, isInTime } = await runCase(stage, lane, scenario, decide);
    return met >= leastMet && (isInTime || isLasting);
  };
  const unmet: NamedTrouble[] = [];
  const named = cases.map((each) => [each[0], each] as const);
  await runSideBySide(stage.pool, named, async (lane, each) => {
    if (!(await happensOn(lane, each[1]))) {
      unmet.push(each);
    }
  });
  for (const [name, trouble] of unmet) {
    for (let tries = 1; !(await happensOn(stage.patient, trouble)); tries++) {
      if (tries === 3) {
        throw new Error(`${name}: the fault did not happen`);
      }
    }
  }
};
