/**
 * The contract as a small model, and the commands that are run against both the model and the service, with faults,
 * clock steps, failovers and restarts among them.
 *
 * What a fault keeps from being told is asked again: a 503 is followed by the same call without a fault, and its
 * answer is held against the model. So the model always knows the truth, and so must the service.
 */
import fc from "fast-check";
import * as t from "io-ts";
import { keyTypes, type KeyType } from "../../shared/domain/api-key";
import { ApiKeyBody, ApiKeysBody, OtpBody, ValidationBody } from "../../shared/http/bodies";
import { expectProblem } from "../support/expect-problem";
import type { Api, Reply } from "../../tools/support/api";
import type { Clock } from "../../tools/support/clock";
import { decode } from "../../tools/support/either";
import type { Fault } from "../../tools/support/fault-proxy";
import { passingFaults } from "./faults";
import type { Door, Region, RegionalAccount } from "../support/regional-account";

export const ttlSeconds = 600;
export const retentionSeconds = 86_400;

interface ModelOtp {
  readonly code: string;
  readonly merchant: number;
  /** Its beneficiary, merchant and discount. */
  readonly slot: string;
  readonly expiresAtMs: number;
  use: { readonly idempotencyKey: string | undefined; readonly usedAt: string } | undefined;
}

interface ModelApiKey {
  readonly apiKey: string;
  readonly createdAt: string;
  readonly idempotencyKey: string | undefined;
}

/** A call with an `Idempotency-Key` whose key is in force no more. */
interface ModelEndedCall {
  readonly keyName: string;
  readonly idempotencyKey: string;
  readonly endedAtMs: number;
}

/** What the contract says there is. */
export interface Model {
  nowMs: number;
  readonly otps: ModelOtp[];
  /** The key in force, by merchant and type. */
  readonly apiKeys: Map<string, ModelApiKey>;
  /** The newest first. */
  endedCalls: readonly ModelEndedCall[];
}

/** The service, and the hands on it. */
export interface Real {
  /** What the instance behind the faults takes for its account. */
  readonly account: () => RegionalAccount;
  readonly clock: Clock;
  /** An instance whose way to the store no fault breaks. */
  readonly direct: Api;
  /** The instance behind the faults, which restarts replace, its account with it. */
  readonly faulty: () => Api;
  readonly restart: () => Promise<void>;
  readonly merchantIdOf: (merchant: number) => string;
}

const Conflict = t.type({ otp: OtpBody });

/** A fault at one of a call's store calls, counted from 0, or at all that a region gets from there on. */
interface Armed {
  readonly at: number;
  readonly fault: Fault;
  readonly region: Region | undefined;
}

const keyName = (merchant: number, keyType: KeyType): string => `${merchant} ${keyType}`;

const isLive = (otp: ModelOtp, nowMs: number): boolean => otp.use === undefined && nowMs < otp.expiresAtMs;

const liveInSlot = (model: Model, slot: string): ModelOtp | undefined =>
  model.otps.find((otp) => otp.slot === slot && isLive(otp, model.nowMs));

const notFound: [number, string] = [404, "otp-not-found"];

/** The problem that a merchant is answered for an OTP, or undefined when it can be used. */
const refusalOf = (model: Model, otp: ModelOtp, merchant: number): [number, string] | undefined => {
  if (otp.merchant !== merchant || model.nowMs >= otp.expiresAtMs + retentionSeconds * 1000) {
    return notFound;
  }
  if (isLive(otp, model.nowMs)) {
    return undefined;
  }
  if (liveInSlot(model, otp.slot) !== undefined) {
    return [409, "otp-conflict"];
  }
  return [404, otp.use === undefined ? "otp-expired" : "otp-already-used"];
};

interface Settled {
  readonly reply: Reply;
  readonly wasUnavailable: boolean;
}

/**
 * Makes a call under this script and, if it could not be answered, again past all faults. On a machine that is busy a
 * call may run out of time without any.
 */
const settleUnder = async (
  real: Real,
  call: (api: Api) => Promise<Reply>,
  script: Parameters<RegionalAccount["script"]>[0],
): Promise<Settled> => {
  const account = real.account();
  account.script(script);
  const reply = await call(real.faulty());
  account.script(() => undefined);
  await account.settled();
  if (reply.status !== 503) {
    return { reply, wasUnavailable: false };
  }
  expectProblem(reply, 503, "service-unavailable");
  return { reply: await call(real.direct), wasUnavailable: true };
};

const settle = (
  real: Real,
  armed: Armed | undefined,
  call: (api: Api) => Promise<Reply>,
): Promise<Settled> => {
  const account = real.account();
  const at = account.requests.length + (armed?.at ?? 0);
  return settleUnder(real, call, (request) =>
    armed !== undefined &&
    request.index >= at &&
    (armed.region === undefined ? request.index === at : account.isFor(request, armed.region))
      ? armed.fault
      : undefined,
  );
};

type Command = fc.AsyncCommand<Model, Real>;

const makeCommand = (name: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => name,
});

const describeFault = (armed: Armed | undefined): string =>
  armed === undefined ? "" : ` !${JSON.stringify(armed.fault)}@${armed.at}${armed.region ?? ""}`;

const generate = (
  merchant: number,
  beneficiary: number,
  discount: number,
  armed: Armed | undefined,
): Command =>
  makeCommand(
    `generate(${merchant},${beneficiary},${discount})${describeFault(armed)}`,
    async (model, real) => {
      const slot = `${merchant} ${beneficiary} ${discount}`;
      const live = liveInSlot(model, slot);
      const { reply, wasUnavailable } = await settle(real, armed, (api) =>
        api.generate(`AAAAAA00A00A00${beneficiary}A`, {
          merchant_id: real.merchantIdOf(merchant),
          discount_id: `discount-${discount}`,
        }),
      );
      if (live !== undefined) {
        expectProblem(reply, 409, "otp-conflict");
        expect(decode(Conflict, reply.json).otp.code).toBe(live.code);
        return;
      }
      // The call that could not be answered may have issued the OTP that the second is told of.
      expect(wasUnavailable ? [200, 409] : [200]).toContain(reply.status);
      const otp = reply.status === 200 ? decode(OtpBody, reply.json) : decode(Conflict, reply.json).otp;
      expect(otp.expires_at).toBe(new Date(model.nowMs + ttlSeconds * 1000).toISOString());
      expect(model.otps.map(({ code }) => code)).not.toContain(otp.code);
      model.otps.push({
        code: otp.code,
        merchant,
        slot,
        expiresAtMs: model.nowMs + ttlSeconds * 1000,
        use: undefined,
      });
    },
  );

/** One of the OTPs there are, the later ones more often, since they are the ones that may be live. */
const pick = <A>(items: readonly A[], at: number): A | undefined =>
  items[items.length - 1 - (at % items.length)];

const withOtp = (
  name: string,
  at: number,
  run: (model: Model, real: Real, otp: ModelOtp) => Promise<void>,
): Command => ({
  check: ({ otps }) => otps.length > 0,
  run: async (model, real) => {
    const otp = pick(model.otps, at);
    if (otp !== undefined) {
      await run(model, real, otp);
    }
  },
  toString: () => `${name} #-${at}`,
});

/** The key of this type or, if there is none, one that knows the OTPs; empty when the merchant has none. */
const apiKeyOf = (model: Model, merchant: number, keyType: KeyType): string =>
  ([keyType, "primary", "secondary"] as const).flatMap(
    (each) => model.apiKeys.get(keyName(merchant, each))?.apiKey ?? [],
  )[0] ?? "";

const ask = (at: number, merchant: number, keyType: KeyType, armed: Armed | undefined): Command =>
  withOtp(`ask(${merchant},${keyType})${describeFault(armed)}`, at, async (model, real, otp) => {
    const apiKey = apiKeyOf(model, merchant, keyType);
    const { reply } = await settle(real, armed, (api) => api.ask(apiKey, otp.code));
    if (apiKey === "") {
      expectProblem(reply, 401, "unauthorized");
      return;
    }
    const isTest = apiKey.startsWith("cgn_test_");
    const refusal = isTest ? notFound : refusalOf(model, otp, merchant);
    if (refusal === undefined) {
      expect(reply.status).toBe(200);
      expect(decode(ValidationBody, reply.json).expires_at).toBe(new Date(otp.expiresAtMs).toISOString());
    } else {
      expectProblem(reply, ...refusal);
    }
  });

const isReplay = (model: Model, otp: ModelOtp, idempotencyKey: string | undefined): boolean =>
  idempotencyKey !== undefined &&
  otp.use?.idempotencyKey === idempotencyKey &&
  model.nowMs < otp.expiresAtMs + retentionSeconds * 1000;

const use = (at: number, idempotencyKey: string | undefined, armed: Armed | undefined): Command =>
  withOtp(`use(${idempotencyKey ?? ""})${describeFault(armed)}`, at, async (model, real, otp) => {
    const apiKey = apiKeyOf(model, otp.merchant, "primary");
    const { reply, wasUnavailable } = await settle(real, armed, (api) =>
      api.use(apiKey, otp.code, idempotencyKey),
    );
    if (apiKey === "") {
      expectProblem(reply, 401, "unauthorized");
      return;
    }
    const refusal = refusalOf(model, otp, otp.merchant);
    if (isReplay(model, otp, idempotencyKey)) {
      expect(reply.status).toBe(200);
      expect(decode(ValidationBody, reply.json).expires_at).toBe(otp.use?.usedAt);
    } else if (refusal !== undefined) {
      expectProblem(reply, ...refusal);
    } else {
      otp.use = { idempotencyKey, usedAt: new Date(model.nowMs).toISOString() };
      if (wasUnavailable && idempotencyKey === undefined && reply.status === 404) {
        // It was applied, and without an Idempotency-Key nothing tells the second call from another's.
        expectProblem(reply, 404, "otp-already-used");
      } else {
        expect(reply.status).toBe(200);
        expect(decode(ValidationBody, reply.json).expires_at).toBe(otp.use.usedAt);
      }
    }
  });

/**
 * The end of the OTP's life comes while the first write of its use is under way, and a fault befalls that write. It may
 * have been in time, whenever it arrives, but what is refused stays refused.
 */
const useAtItsEnd = (at: number, idempotencyKey: string | undefined, fault: Fault): Command =>
  withOtp(`useAtItsEnd(${idempotencyKey ?? ""}) !${JSON.stringify(fault)}`, at, async (model, real, otp) => {
    const apiKey = apiKeyOf(model, otp.merchant, "primary");
    if (apiKey === "" || !isLive(otp, model.nowMs)) {
      return;
    }
    const call = (api: Api): Promise<Reply> => api.use(apiKey, otp.code, idempotencyKey);
    const usedAt = new Date(model.nowMs).toISOString();
    const end = { hasCome: false };
    const { reply, wasUnavailable } = await settleUnder(real, call, ({ operation }) => {
      if (operation !== "replace" || end.hasCome) {
        return undefined;
      }
      end.hasCome = true;
      real.clock.advance((otp.expiresAtMs - model.nowMs) / 1000);
      return fault;
    });
    model.nowMs = end.hasCome ? otp.expiresAtMs : model.nowMs;
    if (reply.status === 200) {
      expect(decode(ValidationBody, reply.json).expires_at).toBe(usedAt);
      otp.use = { idempotencyKey, usedAt };
    } else if (wasUnavailable && idempotencyKey === undefined && reply.text.includes("otp-already-used")) {
      otp.use = { idempotencyKey, usedAt };
    } else {
      expectProblem(reply, 404, "otp-expired");
    }
    const again = await call(real.direct);
    const refusal = refusalOf(model, otp, otp.merchant);
    if (isReplay(model, otp, idempotencyKey)) {
      expect(again.status).toBe(200);
    } else if (refusal !== undefined) {
      expectProblem(again, ...refusal);
    }
  });

const isKnownEndedCall = (model: Model, name: string, idempotencyKey: string): boolean =>
  model.endedCalls
    .filter((call) => call.keyName === name)
    .slice(0, 10)
    .some((call) => call.idempotencyKey === idempotencyKey && model.nowMs - call.endedAtMs < 86_400_000);

const regenerate = (
  merchant: number,
  keyType: KeyType,
  idempotencyKey: string | undefined,
  armed: Armed | undefined,
): Command =>
  makeCommand(
    `regenerate(${merchant},${keyType},${idempotencyKey ?? ""})${describeFault(armed)}`,
    async (model, real) => {
      const name = keyName(merchant, keyType);
      const { reply } = await settle(real, armed, (api) =>
        api.regenerate(real.merchantIdOf(merchant), keyType, idempotencyKey),
      );
      const inForce = model.apiKeys.get(name);
      if (idempotencyKey !== undefined && inForce?.idempotencyKey === idempotencyKey) {
        expect(reply.status).toBe(200);
        expect(decode(ApiKeyBody, reply.json)).toMatchObject({
          api_key: inForce.apiKey,
          created_at: inForce.createdAt,
        });
        return;
      }
      if (idempotencyKey !== undefined && isKnownEndedCall(model, name, idempotencyKey)) {
        expectProblem(reply, 400, "invalid-request");
        await expectKeysToWork(model, real, merchant);
        return;
      }
      expect(reply.status).toBe(200);
      endKey(model, merchant, keyType);
      const { api_key: apiKey, created_at: createdAt } = decode(ApiKeyBody, reply.json);
      expect(createdAt).toBe(new Date(model.nowMs).toISOString());
      model.apiKeys.set(name, { apiKey, createdAt, idempotencyKey });
      await expectKeysToWork(model, real, merchant);
    },
  );

/** The key of this type, if there is one, is in force no more. */
const endKey = (model: Model, merchant: number, keyType: KeyType): void => {
  const ended = model.apiKeys.get(keyName(merchant, keyType));
  if (ended !== undefined) {
    model.apiKeys.delete(keyName(merchant, keyType));
    const { idempotencyKey } = ended;
    if (idempotencyKey !== undefined) {
      const call = { keyName: keyName(merchant, keyType), idempotencyKey, endedAtMs: model.nowMs };
      model.endedCalls = [call, ...model.endedCalls];
    }
  }
};

const expectKeysToWork = async (model: Model, real: Real, merchant: number): Promise<void> => {
  for (const [name, { apiKey }] of model.apiKeys) {
    if (name.startsWith(`${merchant} `)) {
      expectProblem(await real.direct.ask(apiKey, "AAAAAAAAAAA"), 404, "otp-not-found");
    }
  }
};

const revoke = (merchant: number, keyType: KeyType, armed: Armed | undefined): Command =>
  makeCommand(`revoke(${merchant},${keyType})${describeFault(armed)}`, async (model, real) => {
    const { reply } = await settle(real, armed, (api) => api.revoke(real.merchantIdOf(merchant), keyType));
    expect(reply.status).toBe(204);
    endKey(model, merchant, keyType);
    await expectKeysToWork(model, real, merchant);
  });

const list = (merchant: number, armed: Armed | undefined): Command =>
  makeCommand(`list(${merchant})${describeFault(armed)}`, async (model, real) => {
    const { reply } = await settle(real, armed, (api) => api.list(real.merchantIdOf(merchant)));
    expect(reply.status).toBe(200);
    expect(decode(ApiKeysBody, reply.json).api_keys).toEqual(
      keyTypes.flatMap((keyType) => {
        const key = model.apiKeys.get(keyName(merchant, keyType));
        return key === undefined
          ? []
          : [{ key_type: keyType, created_at: key.createdAt, hint: key.apiKey.slice(-4) }];
      }),
    );
  });

const advance = (seconds: number): Command =>
  makeCommand(`advance(${seconds})`, (model, real) => {
    real.clock.advance(seconds);
    model.nowMs += seconds * 1000;
    return Promise.resolve();
  });

const failOver = (stale: readonly Door[]): Command =>
  makeCommand(`failOver(${stale.join()})`, (_, real) => {
    real.account().failOver(stale);
    return Promise.resolve();
  });

const restart: Command = makeCommand("restart", (_, real) => real.restart());

/** @param deadlineMs of the instance behind the faults: those that hang or come late are fitted to it. */
export const commands = (deadlineMs: number): fc.Arbitrary<Iterable<Command>> => {
  const late = [Math.floor(deadlineMs / 2), deadlineMs + 50].map((ms): Fault => ({ kind: "late", ms }));
  const fault = fc.constantFrom<Fault>(
    ...passingFaults,
    { kind: "status", status: 429, retryAfterMs: 5_000 },
    { kind: "hang" },
    { kind: "hang-after" },
    ...late,
    { kind: "forbidden", substatus: 1008 },
  );
  /** The first write of a call meets one of these. It is applied in time, late, after the deadline, or never. */
  const ofWrite = fc.constantFrom<Fault>({ kind: "reset-after" }, { kind: "hang-after" }, ...late, {
    kind: "status",
    status: 500,
  });
  /** After a failover none, one, or all but the new write region describe the account as it was. */
  const stale = fc.constantFrom<readonly Door[]>([], [], ["account"], ["account", "A"], ["account", "B"]);
  const region = fc.constantFrom<Region | undefined>("A", "B", undefined, undefined, undefined, undefined);
  const armed = fc.option(fc.record({ at: fc.nat(4), fault, region }), { nil: undefined, freq: 2 });
  const at = fc.nat(7);
  const merchant = fc.nat(1);
  const keyType = fc.constantFrom(...keyTypes);
  const idempotencyKey = fc.constantFrom(undefined, "cart 1", "cart 2");
  const press = fc.constantFrom(undefined, "the first press!", "the second press", "the third press!");
  return fc.commands(
    [
      fc.tuple(merchant, fc.nat(1), fc.nat(1), armed).map((args) => generate(...args)),
      fc.tuple(merchant, fc.nat(1), fc.nat(1), armed).map((args) => generate(...args)),
      fc.tuple(at, merchant, keyType, armed).map((args) => ask(...args)),
      fc.tuple(at, idempotencyKey, armed).map((args) => use(...args)),
      fc.tuple(at, idempotencyKey, armed).map((args) => use(...args)),
      fc.tuple(at, idempotencyKey, ofWrite).map((args) => useAtItsEnd(...args)),
      fc.tuple(merchant, keyType, press, armed).map((args) => regenerate(...args)),
      fc.tuple(merchant, keyType, press, armed).map((args) => regenerate(...args)),
      fc.tuple(merchant, keyType, armed).map((args) => revoke(...args)),
      fc.tuple(merchant, armed).map((args) => list(...args)),
      fc.constantFrom(1, 300, 599.999, 600, 86_400).map(advance),
      stale.map(failOver),
      fc.constant(restart),
    ],
    { maxCommands: 50, size: "max" },
  );
};
