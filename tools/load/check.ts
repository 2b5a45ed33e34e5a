/** What is kept of each code, and the check of all of them at the end of a run. */
import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import { ValidationBody } from "../../shared/http/bodies";
import { interpret, judgeUses, type IssuedOtp, type Shown } from "../support/single-use";
import type { Client, Exchange } from "./client";
import type { Merchant } from "./merchants";

/** How long the check may take. */
const checkMs = 30_000;
const lanes = 20;
/** Of the codes that one side alone used, at most so many are used once more. Of the contested ones all are. */
const maxUsedOnceMore = 1000;
/** Beyond those of any number of sides. */
const useAtEnd = 1000;

/** A code, and all that was answered about it. */
export interface Purchase {
  readonly serial: number;
  readonly merchant: Merchant;
  readonly otp: IssuedOtp;
  /** Whether several sides use it at once. */
  readonly isContested: boolean;
  readonly shown: Shown[];
  /** The uses of which nobody knows what became. */
  readonly undecided: Set<number>;
}

/** A broken guarantee, without the code. */
export interface Finding {
  readonly kind: "used twice" | "issued twice" | "answered wrongly";
  readonly merchantId: string;
  readonly reasons: readonly string[];
}

export interface Checked {
  readonly codes: number;
  readonly contested: number;
  /** How many used codes were used once more at the end. */
  readonly usedOnceMore: number;
  /** Codes of which nobody knows whether they were used. */
  readonly undecided: number;
  readonly findings: readonly Finding[];
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/**
 * Asks about a code, or uses it up, and notes what that shows.
 *
 * @param use the number of a use. The same number again is no second use. Undefined: an ask.
 */
export const validate = async (
  client: Client,
  dueMs: number,
  purchase: Purchase,
  use?: number,
): Promise<Exchange<ValidationBody>> => {
  const { serial, merchant, otp, shown, undecided } = purchase;
  const { merchantId, apiKey } = merchant;
  // The code and its merchant are this run's own, so this is enough to be unique.
  const idempotencyKey = use === undefined ? undefined : `${merchantId}-${serial}-${use}`;
  const exchange = await client.call(dueMs, ValidationBody, (api) =>
    use === undefined ? api.ask(apiKey, otp.code) : api.use(apiKey, otp.code, idempotencyKey),
  );
  const { sentMs, answeredMs, reply, outcome } = exchange;
  const operation = use === undefined ? "ask" : "use";
  const call = { operation, idempotencyKey, start: round(sentMs), end: round(answeredMs) } as const;
  const answer = interpret(call, reply, otp);
  // A service that fails breaks no promise about the code.
  shown.push(E.isLeft(answer) && !answer.left.isAboutCode ? interpret(call, undefined, otp) : answer);
  const isAnswered = E.isRight(outcome) || outcome.left.name.startsWith("otp-");
  if (use !== undefined) {
    undecided[isAnswered ? "delete" : "add"](use);
  }
  return exchange;
};

const grantedKeys = ({ shown }: Purchase): ReadonlySet<string | undefined> =>
  new Set(
    shown.flatMap((each) =>
      E.isRight(each) && each.right.outcome === "granted" ? [each.right.idempotencyKey] : [],
    ),
  );

const findingsOf = (purchase: Purchase): readonly Finding[] => {
  const reasons = judgeUses(purchase.shown);
  const kind = grantedKeys(purchase).size > 1 ? "used twice" : "answered wrongly";
  return reasons.length === 0 ? [] : [{ kind, merchantId: purchase.merchant.merchantId, reasons }];
};

/**
 * Repeats each use of which nobody knows what became, as a shop does, until an answer says it. Then uses codes once more that
 * were used already: a service that accepts this has forgotten the first use.
 */
export const checkCodes = async (client: Client, purchases: readonly Purchase[]): Promise<Checked> => {
  const endMs = performance.now() + checkMs;
  /** Some at once, until the time is over. */
  const forEach = async (
    all: readonly Purchase[],
    run: (each: Purchase) => Promise<unknown>,
  ): Promise<void> => {
    const queue = all.values();
    const lane = async (): Promise<void> => {
      for (const each of queue) {
        if (performance.now() > endMs) {
          return;
        }
        await run(each);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };
  const settle = async (purchase: Purchase): Promise<void> => {
    for (let times = 0; times < 5 && performance.now() < endMs; times += 1) {
      for (const use of [...purchase.undecided]) {
        const { outcome } = await validate(client, performance.now(), purchase, use);
        await pause(E.isLeft(outcome) ? Math.min(5, outcome.left.retryAfterSeconds) * 1000 : 0);
      }
    }
  };
  await forEach(purchases, settle);
  const contested = purchases.filter(({ isContested }) => isContested);
  const others = purchases.filter(({ isContested }) => !isContested);
  const some = others.filter((_, index) => index % Math.ceil(others.length / maxUsedOnceMore) === 0);
  const used = [...contested, ...some].filter((purchase) => grantedKeys(purchase).size > 0);
  let usedOnceMore = 0;
  await forEach(used, async (purchase) => {
    await validate(client, performance.now(), purchase, useAtEnd);
    await settle(purchase);
    usedOnceMore += 1;
  });
  return {
    codes: purchases.length,
    contested: contested.length,
    usedOnceMore,
    undecided: purchases.filter(({ undecided }) => undecided.size > 0).length,
    findings: purchases.flatMap(findingsOf),
  };
};
