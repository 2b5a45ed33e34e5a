/** Holds any instance of the service to its contract, from outside. `npm run verify` does it, and prints what it found. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import * as t from "io-ts";
import { OtpBody } from "../../shared/http/bodies";
import { fiscalCode, makeApi, send, type Api, type Reply, type Send } from "../support/api";
import { checkExchange } from "../support/document";
import { withFunctionKey } from "../support/origin";
import { contractChecks, type ContractCheck } from "./contract-checks";
import { isLoopback } from "../../shared/loopback";

export interface Verdict {
  readonly promise: string;
  readonly outcome: "held" | "BROKEN" | "left out";
  /** Why it is broken or left out. It contains no code and no key. */
  readonly reason?: string;
}

export interface Target {
  /** The origin of the service. */
  readonly url: string;
  /** Undefined when the host asks for none: on Azure, anybody could then issue codes and keys. */
  readonly functionKey: string | undefined;
  /** The lifetime of an OTP there, in seconds. */
  readonly ttlSeconds: number;
}

export interface Options {
  /** Leaves out what waits for the end of an OTP. */
  readonly skipSlow: boolean;
  /** Every call is to be answered within this many milliseconds. */
  readonly deadlineMs: number;
  /** Ends what is under way. The keys are revoked all the same. */
  readonly signal?: AbortSignal;
  /** Called when only checks that wait for the end of an OTP are left. */
  readonly onWait?: () => void;
  readonly checks?: readonly ContractCheck[];
}

/** How long to wait for an answer, in milliseconds: longer than any deadline, so that a late answer is seen to be late. */
const patienceMs = 60_000;

const makeMerchantId = (): string => `verify-${randomUUID()}`;

/** How often a call is made again that a gateway refused because of its limit: at once it lets only some of them pass. */
const mostRefusals = 20;

interface Sending {
  /** Is told how long each answer took, without the waits. */
  readonly onAnswer?: (durationMs: number) => void;
  /** Ends the waits. */
  readonly stop?: AbortSignal;
  /** Ends the calls. */
  readonly giveUp?: AbortSignal;
}

/** A gateway that limits calls answers 429 and hands nothing on, so this waits as long as it says, and repeats the call. */
const sendWithin = (
  functionKey: string | undefined,
  { onAnswer = () => undefined, stop, giveUp }: Sending = {},
): Send =>
  withFunctionKey(functionKey, async (url, init) => {
    for (let refusals = 0; ; refusals++) {
      const start = performance.now();
      const late = AbortSignal.timeout(patienceMs);
      const signal = giveUp === undefined ? late : AbortSignal.any([late, giveUp]);
      const reply = await send(url, { ...init, signal });
      onAnswer(performance.now() - start);
      if (reply.status !== 429 || refusals === mostRefusals) {
        return reply;
      }
      const waitMs = 1000 * Math.min(60, Number(reply.headers.get("Retry-After")) || 1);
      await pause(waitMs, undefined, stop === undefined ? {} : { signal: stop });
    }
  });

export type Approach =
  | { readonly tag: "ready"; readonly target: Target }
  /** The host asks for a function key, and there is none, or not this one. */
  | { readonly tag: "function key" }
  | { readonly tag: "failed"; readonly reason: string };

/** Makes the first calls: is somebody there, is the function key right, how long does an OTP live? */
export const approach = async (url: string, functionKey: string | undefined): Promise<Approach> => {
  const merchantId = makeMerchantId();
  const read = async (key: string | undefined): Promise<Reply> =>
    makeApi(url, sendWithin(key)).list(merchantId);
  try {
    const anonymous = await read(undefined);
    const isOpen = anonymous.status === 200;
    const reply = isOpen || functionKey === undefined ? anonymous : await read(functionKey);
    if (reply.status === 401 || reply.status === 403) {
      return { tag: "function key" };
    }
    const issued =
      reply.status === 200
        ? await makeApi(url, sendWithin(isOpen ? undefined : functionKey)).generate(fiscalCode, {
            merchant_id: merchantId,
            discount_id: "discount-1",
          })
        : reply;
    if (!OtpBody.is(issued.json)) {
      return {
        tag: "failed",
        reason: `It answers ${issued.status}. Is it the service, and does its Info say 200?`,
      };
    }
    const target = { url, functionKey: isOpen ? undefined : functionKey, ttlSeconds: issued.json.ttl };
    return { tag: "ready", target };
  } catch (error) {
    return { tag: "failed", reason: `Nobody answers there (${describe(error)}).` };
  }
};

/**
 * Tries every promise, one after the other, and revokes the keys that it made. What waits for the end of an OTP begins
 * first, and is reported when the rest is.
 */
export const verify = async function* (
  { url, functionKey, ttlSeconds }: Target,
  {
    skipSlow,
    deadlineMs,
    signal = new AbortController().signal,
    onWait = () => undefined,
    checks = contractChecks,
  }: Options,
): AsyncGenerator<Verdict> {
  const keys = new Set<string>();
  const underWay = new Set<Promise<Reply>>();
  const giveUp = new AbortController();
  let calls = 0;
  let longestMs = 0;
  const sendUntilStopped = sendWithin(functionKey, {
    onAnswer: (durationMs) => {
      longestMs = Math.max(longestMs, durationMs);
    },
    stop: signal,
    giveUp: giveUp.signal,
  });
  const callAndCheck: Send = async (address, init = {}) => {
    // A check that was stopped goes on until its next call. It must make no key after the others were revoked.
    signal.throwIfAborted();
    if (init.method === "POST" && /\/verify-[\w-]+\/api-keys\/(primary|secondary|test)$/.test(address)) {
      keys.add(address);
    }
    const sent = sendUntilStopped(address, init);
    underWay.add(sent);
    const reply = await sent.finally(() => underWay.delete(sent));
    calls++;
    checkExchange(address, init, reply, true);
    return reply;
  };
  const api = makeApi(url, callAndCheck);
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(new Error("stopped"));
    });
  });
  stopped.catch(() => undefined);

  const judge = async (promise: string, run: () => Promise<void>): Promise<Verdict> => {
    try {
      signal.throwIfAborted();
      await Promise.race([run(), stopped]);
      return { promise, outcome: "held" };
    } catch (error) {
      return signal.aborted
        ? { promise, outcome: "left out", reason: "stopped" }
        : { promise, outcome: "BROKEN", reason: describe(error) };
    }
  };
  const judgeCheck = ({ promise, run }: ContractCheck): Promise<Verdict> =>
    judge(promise, () => run(api, ttlSeconds, signal));

  const slow = checks.filter(({ takesLifetime }) => takesLifetime);
  const waiting = skipSlow ? [] : slow.map(judgeCheck);
  for (const check of checks) {
    if (!check.takesLifetime) {
      yield await judgeCheck(check);
    }
  }
  const withKey = "GenerateOtp and the portal's calls are refused without the function key";
  yield functionKey === undefined && isLoopback(new URL(url).hostname)
    ? { promise: withKey, outcome: "left out", reason: "the local host asks for none" }
    : await judge(withKey, () => assertFunctionKeyNeeded(url));
  if (skipSlow) {
    const reason = `it would wait ${ttlSeconds} s for the end of an OTP`;
    yield* slow.map(({ promise }): Verdict => ({ promise, outcome: "left out", reason }));
  }
  if (waiting.length > 0 && !signal.aborted) {
    onWait();
  }
  for (const verdict of waiting) {
    yield await verdict;
  }
  yield await judge(`Each of ${calls} calls is answered within ${deadlineMs} ms`, () => {
    assert.ok(longestMs <= deadlineMs, `one took ${Math.round(longestMs)} ms`);
    return Promise.resolve();
  });
  // A call that makes a key may still be under way.
  await Promise.race([
    Promise.allSettled(underWay),
    pause(deadlineMs, undefined, { ref: false, signal: giveUp.signal }).catch(() => undefined),
  ]);
  yield await revokeAll([...keys], sendWithin(functionKey));
  giveUp.abort();
};

/** Each as nobody's call, and as that of somebody who guesses. */
const assertFunctionKeyNeeded = async (url: string): Promise<void> => {
  const merchantId = makeMerchantId();
  const calls: readonly [name: string, make: (api: Api) => Promise<Reply>][] = [
    [
      "GenerateOtp",
      (api) => api.generate(fiscalCode, { merchant_id: merchantId, discount_id: "discount-1" }),
    ],
    ["RegenerateApiKey", (api) => api.regenerate(merchantId)],
    ["ListApiKeys", (api) => api.list(merchantId)],
    ["RevokeApiKey", (api) => api.revoke(merchantId)],
  ];
  for (const functionKey of [undefined, "not-the-function-key"]) {
    for (const [name, make] of calls) {
      const { status } = await make(makeApi(url, sendWithin(functionKey)));
      assert.equal(status, 401, `${name} is answered ${status}`);
    }
  }
};

/** @param addresses of the keys. Revoking is safe to repeat, and so it is repeated. */
const revokeAll = async (addresses: readonly string[], sendAny: Send): Promise<Verdict> => {
  const promise = `The ${addresses.length} keys that were made here are revoked`;
  const isRevoked = async (address: string): Promise<boolean> => {
    try {
      return (await sendAny(address, { method: "DELETE" })).status === 204;
    } catch {
      return false;
    }
  };
  const left: string[] = [];
  await Promise.all(
    addresses.map(async (address) => {
      if (!(await isRevoked(address)) && !(await isRevoked(address)) && !(await isRevoked(address))) {
        left.push(address);
      }
    }),
  );
  return left.length === 0
    ? { promise, outcome: "held" }
    : {
        promise,
        outcome: "BROKEN",
        reason: ["Revoke these by hand:", ...left.map((address) => `DELETE ${address}`)].join("\n"),
      };
};

const longestReason = 12;

const ErrorLike = t.intersection([t.type({ message: t.string }), t.partial({ cause: t.unknown })]);

/** Of an assertion, the lines that tell what differed; of a failed `fetch`, what the system said. */
const describe = (error: unknown): string => {
  const { message, cause } = ErrorLike.is(error) ? error : { message: String(error) };
  const text = t.type({ code: t.string }).is(cause) ? `${message}: ${cause.code}` : message;
  return text
    .replaceAll(/\bcgn_[\w-]+/g, "(an API key)")
    .replaceAll(/\b(?!TEST)[A-Z0-9]{11}\b/g, "(a code)")
    .split("\n")
    .slice(0, longestReason)
    .join("\n");
};
