/**
 * Faults at the store calls of one call of the service: which there are, the ways through the functions (scenarios),
 * and what must hold after each. An instance that no fault reaches looks at it afterwards.
 */
import { randomUUID } from "node:crypto";
import * as t from "io-ts";
import { ApiKeyBody, ApiKeysBody, OtpBody } from "../../shared/http/bodies";
import { expectProblem } from "../support/expect-problem";
import { discount, discountId, fiscalCode, type Api, type Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import type { Fault, StoreRequest } from "../../tools/support/fault-proxy";
import { startBehindFaults, type FaultyInstance, type Service } from "../../tools/support/service";

/** Short, because many faults keep a call waiting until then. */
export const deadlineMs = 500;
export const lanes = 16;
/** Time enough for what must not fail, however busy the machine is. */
export const patientDeadlineMs = 5000;
export const patientLanes = 12;

const Conflict = t.type({ otp: OtpBody });

export type NamedFault = readonly [name: string, fault: Fault];

const alone: readonly NamedFault[] = [
  ["refuse", { kind: "refuse", forMs: 50 }],
  ["reset-before", { kind: "reset-before" }],
  ["reset-after", { kind: "reset-after" }],
  ["cut-off", { kind: "cut-off" }],
  ["401", { kind: "status", status: 401 }],
  ["403 for want of a right", { kind: "forbidden", substatus: 5300 }],
  ["429", { kind: "status", status: 429, retryAfterMs: 20 }],
  ["429 for longer than anybody waits", { kind: "status", status: 429, retryAfterMs: 5_000 }],
  ["404 of a replica that lags behind", { kind: "status", status: 404, substatus: 1002 }],
  ["delay", { kind: "delay", ms: 50 }],
  ["hang", { kind: "hang" }],
  ["hang though applied", { kind: "hang-after" }],
  ["applied late", { kind: "late", ms: 250 }],
  ["applied after the deadline", { kind: "late", ms: deadlineMs + 100 }],
];

const passing: readonly NamedFault[] = [
  ["408", { kind: "status", status: 408 }],
  ["410", { kind: "status", status: 410 }],
  ["449", { kind: "status", status: 449 }],
];

const failures: readonly NamedFault[] = [
  ["500", { kind: "status", status: 500 }],
  ["502", { kind: "status", status: 502 }],
  ["503", { kind: "status", status: 503 }],
  ["504", { kind: "status", status: 504 }],
];

/** Successes that say nothing of the request, and what a proxy says of itself. */
export const unforeseen: readonly NamedFault[] = [
  ["204", { kind: "answer", status: 204, body: "" }],
  ["302", { kind: "answer", status: 302, body: "" }],
  ["200 with {}", { kind: "answer", status: 200, body: "{}" }],
  ["200 with nothing", { kind: "answer", status: 200, body: "" }],
  ["200 with null", { kind: "answer", status: 200, body: "null" }],
  ["200 with an object", { kind: "answer", status: 200, body: '{"results":[]}' }],
  ["404 of another program", { kind: "answer", status: 404, body: "", isForeign: true }],
];

const applied: readonly NamedFault[] = [
  ["408 though applied", { kind: "status-after", status: 408 }],
  ["500 though applied", { kind: "status-after", status: 500 }],
  ["503 though applied", { kind: "status-after", status: 503 }],
];

const throttledBatch = (retryAfterMs: number): Fault => ({
  kind: "answer",
  status: 207,
  body: JSON.stringify([
    { statusCode: 429, retryAfterMilliseconds: retryAfterMs },
    { statusCode: 424, retryAfterMilliseconds: 0 },
  ]),
});

/** To a request that is no batch this is one more unforeseen answer. */
export const throttledBatches: readonly NamedFault[] = [
  ["429 in the results of a batch", throttledBatch(20)],
  ["429 in the results of a batch for longer than anybody waits", throttledBatch(5_000)],
];

/** So many of these, and others at the next turn. */
const pick = (turn: number, count: number, all: readonly NamedFault[]): readonly NamedFault[] => {
  const start = (turn * count) % all.length;
  return [...all, ...all].slice(start, start + count);
};

/** The faults of one store call. Those that the service does not tell from one another take turns. */
const faultsInTurn = (turn: number): readonly NamedFault[] => [
  ...alone,
  ...pick(turn, 1, passing),
  ...pick(turn, 5, [...failures, ...unforeseen]),
  ...pick(turn, 1, applied),
  ...pick(turn, 1, throttledBatches),
];

const ofKind = (all: readonly NamedFault[], ...kinds: readonly Fault["kind"][]): readonly NamedFault[] =>
  all.filter(([, { kind }]) => kinds.includes(kind));

/** After each of these nobody knows whether the write was applied. */
export const lostAnswers = ofKind(
  [...alone, ...applied],
  "reset-after",
  "cut-off",
  "status-after",
  "hang-after",
);

/** One fault for each thing that the service knows of a write afterwards. */
export const outcomes = ofKind(alone, "reset-before", "reset-after", "forbidden", "hang-after", "late");

/** A read changes nothing, so to it each of these is a fault that others are already. */
const ofWritesAlone: readonly Fault["kind"][] = ["reset-after", "hang-after", "late", "status-after"];

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

/** The OTP can be used, once. */
const expectUsableOnce = async ({ direct }: Case, apiKey: string, code: string): Promise<void> => {
  expect((await direct.use(apiKey, code)).status).toBe(200);
  expectProblem(await direct.use(apiKey, code), 404, "otp-already-used");
};

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

/** There is one live OTP of the beneficiary for the discount, and it can be used. */
const expectOneLiveOtp = async (context: Case, apiKey: string, code: string): Promise<void> => {
  const conflict = await context.direct.generate(context.beneficiary, context.body);
  expectProblem(conflict, 409, "otp-conflict");
  expect(decode(Conflict, conflict.json).otp.code).toBe(code);
  expect(await readLiveOtps(context)).toHaveLength(1);
  await expectUsableOnce(context, apiKey, code);
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

export const askScenario = (name: string, history: "live" | "used" | "newer" | "none"): Scenario => ({
  name: `ValidateOtp asking, ${name}`,
  hasRival: false,
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
          expect((await direct.use(apiKey, code, "another cart's")).status).toBe(404);
          // With an Idempotency-Key the same call again is the same use.
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
  history: "none" | "other" | "both",
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
        if (idempotencyKey !== undefined) {
          if (reply.status === 200) {
            expect(again.text).toBe(reply.text);
          }
          // After the key was replaced, the same call changes nothing.
          const renewed = await direct.newApiKey(merchantId);
          expectProblem(
            await direct.regenerate(merchantId, "primary", idempotencyKey),
            400,
            "invalid-request",
          );
          expect([await works(direct, renewed), await works(direct, told)]).toEqual([true, false]);
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

const revokeScenario = (name: string, history: "none" | "both"): Scenario => ({
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
        // A new key works, and the revoked one still does not.
        expect(await works(direct, await direct.newApiKey(merchantId))).toBe(true);
        expect(primary !== undefined && (await works(direct, primary))).toBe(false);
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

export const scenarios: readonly Scenario[] = [
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

export const writing: readonly Scenario[] = [
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

/** The instances of a case that no fault reaches. */
export type Peers = Pick<Case, "direct" | "rival">;

/** What happens to a store call of a case. */
export type Decide = (request: StoreRequest, prepared: Prepared) => Fault | undefined;

export const faultAt =
  (at: number, fault: Fault): Decide =>
  ({ index }) =>
    index === at ? fault : undefined;

const faultFrom =
  (at: number, fault: Fault): Decide =>
  ({ index }) =>
    index >= at ? fault : undefined;

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
}

let serial = 0;

/** Makes the call of a scenario, with ids of its own, and checks what must hold afterwards. */
export const runCase = async (
  service: Service,
  { proxy, instance }: FaultyInstance,
  scenario: Scenario,
  decide: Decide,
  peers: Peers = { direct: service, rival: service },
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
  const reply = await prepared.call();
  const storeCalls = [...proxy.requests];
  proxy.script(() => undefined);
  await proxy.settled();
  await prepared.check(reply);
  return { reply, storeCalls, met };
};

/**
 * An instance behind faults, for one case at a time. It has made its first calls, in which the SDK reads the account and
 * the containers: these do not count as store calls of a case.
 */
export const startLane = async (service: Service, ms: number): Promise<FaultyInstance> => {
  const lane = await startBehindFaults(service, ms);
  const merchantId = `warm-up-${randomUUID()}`;
  await lane.instance.generate(fiscalCode, { ...discount, merchant_id: merchantId });
  await lane.instance.regenerate(merchantId);
  return lane;
};

export const startLanes = (service: Service, count: number, ms: number): Promise<FaultyInstance[]> =>
  Promise.all(Array.from({ length: count }, () => startLane(service, ms)));

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
}
export type NamedTrouble = readonly [name: string, trouble: Trouble];

/** Makes a scenario's call with this decision. It fails when the call fails. */
export type Try = (decide: Decide) => Promise<Outcome>;

const findStoreCalls = async (run: Try, decide: Decide): Promise<readonly StoreRequest[]> => {
  const { reply, storeCalls } = await run(decide);
  expect(reply.status).not.toBe(503);
  expect(storeCalls).not.toEqual([]);
  return storeCalls;
};

/**
 * The faults at each store call that the call makes, once and from there on.
 *
 * @param turn of the scenario, so that the next one meets other faults.
 */
export const faultsAtEveryCall = async (run: Try, turn: number): Promise<readonly NamedTrouble[]> => {
  const storeCalls = await findStoreCalls(run, () => undefined);
  return storeCalls.flatMap((storeCall, at) => [
    ...faultsInTurn(turn + 2 * at)
      .filter(([, { kind }]) => isWrite(storeCall) || !ofWritesAlone.includes(kind))
      .map(([name, fault]): NamedTrouble => [
        `${name} at store call ${at}`,
        { decide: faultAt(at, fault), leastMet: 1 },
      ]),
    ...faultsInTurn(turn + 2 * at + 1).map(([name, fault]): NamedTrouble => [
      `${name} from store call ${at} on`,
      { decide: faultFrom(at, fault), leastMet: 1 },
    ]),
  ]);
};

/** A rival before each store call, alone and with each of these faults at the next one. */
export const rivalsBeforeEveryCall = async (
  run: Try,
  nextFaults: readonly NamedFault[],
): Promise<readonly NamedTrouble[]> => {
  const { length } = await findStoreCalls(run, () => undefined);
  const troubles: NamedTrouble[] = [];
  for (let at = 0; at < length; at++) {
    const name = `rival before store call ${at}`;
    troubles.push([name, { decide: rivalAt(at), leastMet: 1 }]);
    // A rival can make the call longer or shorter.
    if ((await findStoreCalls(run, rivalAt(at))).length > at + 1) {
      troubles.push(
        ...nextFaults.map(([next, fault]): NamedTrouble => [
          `${name}, then ${next}`,
          { decide: rivalAt(at, fault), leastMet: 2 },
        ]),
      );
    }
  }
  return troubles;
};

/** Tries one after the other, for a lane that several cases share. */
export const inTurn = (run: Try): Try => {
  let last: Promise<unknown> = Promise.resolve();
  return (decide) => {
    const mine = last.then(() => run(decide));
    last = mine.catch(() => undefined);
    return mine;
  };
};

/**
 * Fails if the fault does not happen in any of the tries. It can fail to in the first: two reads at once arrive in
 * either order, and a rival between them changes how many calls follow. On a busy machine the deadline can come first,
 * so the last try should be a patient instance's.
 */
export const expectMet = async (tries: readonly Try[], { decide, leastMet }: Trouble): Promise<void> => {
  for (const run of tries) {
    const { met } = await run(decide);
    if (met >= leastMet) {
      return;
    }
  }
  throw new Error("the fault did not happen");
};
