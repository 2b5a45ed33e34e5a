/** What is kept of each code, and the check of all of them at the end of a run. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client, Exchange, Outcome } from "./client";
import type { Merchant } from "./merchants";
import { isCodeProblem, judge } from "./verdict";
import type { Answer, CodeCall, CodeHistory, Violation } from "./verdict";

/** How long the check may take. */
const checkMs = 30_000;
/** Of the codes that one side alone used, at most about so many are used once more. Of the contested ones all are. */
const maxUsedOnceMore = 1000;
const lanes = 20;
/** An attempt beyond those of any number of sides. */
const checkAttempt = 1000;

/** A code, and all that was answered about it. */
export interface Purchase extends CodeHistory {
  readonly serial: number;
  readonly merchant: Merchant;
  readonly code: string;
  /** Whether several sides use it at once. */
  readonly isContested: boolean;
  readonly calls: CodeCall[];
}

/** A broken guarantee, without the code. */
export interface Finding {
  readonly kind: Violation["kind"] | "issued twice";
  readonly merchantId: string;
  /** When it was answered, of `performance.now()`. */
  readonly answeredMs: number;
  /** What was answered: 200, or the name of a problem. */
  readonly answers: readonly string[];
  /** By which the calls are found in the service's log. */
  readonly instances: readonly string[];
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

const toAnswer = (outcome: Outcome<unknown>): Answer =>
  outcome.kind === "success"
    ? { kind: "accepted" }
    : isCodeProblem(outcome.name)
      ? { kind: "refused", problem: outcome.name }
      : { kind: "unknown" };

export const toCall = (
  kind: CodeCall["kind"],
  attempt: number,
  { sentMs, answeredMs, outcome }: Exchange<unknown>,
): CodeCall => ({
  kind,
  attempt,
  sentMs,
  answeredMs,
  answer: toAnswer(outcome),
  instance: outcome.kind === "failure" ? outcome.instance : undefined,
});

/** Uses a code up. The same attempt again has the same `Idempotency-Key`, so it is no second use. */
export const useCode = async (
  client: Client,
  dueMs: number,
  { serial, merchant, code }: Purchase,
  attempt: number,
): Promise<Exchange<unknown>> =>
  client.validate(dueMs, {
    apiKey: merchant.apiKey,
    code,
    isUse: true,
    // The code and the key are this run's own, so this is enough to be unique.
    idempotencyKey: `${merchant.merchantId}-${serial}-${attempt}`,
  });

const toFinding = ({ merchant }: Purchase, { kind, calls }: Violation): Finding => ({
  kind,
  merchantId: merchant.merchantId,
  answeredMs: Math.min(...calls.map(({ answeredMs }) => answeredMs)),
  answers: calls.map(({ answer }) => (answer.kind === "refused" ? answer.problem : "200")),
  instances: calls.flatMap(({ instance }) => (instance === undefined ? [] : [instance])),
});

const isUsed = ({ calls }: Purchase): boolean =>
  calls.some(({ kind, answer }) => kind === "use" && answer.kind === "accepted");

/** The contested ones, and others at equal distances. */
const selectUsed = (purchases: readonly Purchase[]): readonly Purchase[] => {
  const used = purchases.filter(isUsed);
  const single = used.filter(({ isContested }) => !isContested);
  const step = Math.max(1, Math.ceil(single.length / maxUsedOnceMore));
  return [
    ...used.filter(({ isContested }) => isContested),
    ...single.filter((_, index) => index % step === 0),
  ];
};

/** Some at once, until the time is over. */
const forEachUntil = async <A>(
  endMs: number,
  all: readonly A[],
  run: (each: A) => Promise<void>,
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

/**
 * Repeats each use of which nobody knows what became, as a shop does, until an answer says it. Then uses codes once more that
 * were used already: a service that accepts this has forgotten the first use.
 */
export const checkCodes = async (client: Client, purchases: readonly Purchase[]): Promise<Checked> => {
  const endMs = performance.now() + checkMs;
  const settle = async (purchase: Purchase): Promise<void> => {
    for (let times = 0; times < 5 && performance.now() < endMs; times += 1) {
      for (const attempt of judge(purchase).undecided) {
        const exchange = await useCode(client, performance.now(), purchase, attempt);
        purchase.calls.push(toCall("use", attempt, exchange));
        const { outcome } = exchange;
        if (outcome.kind === "failure" && outcome.retryAfterSeconds !== undefined) {
          await pause(Math.min(5, outcome.retryAfterSeconds) * 1000);
        }
      }
    }
  };
  await forEachUntil(endMs, purchases, settle);
  let usedOnceMore = 0;
  await forEachUntil(endMs, selectUsed(purchases), async (purchase) => {
    const exchange = await useCode(client, performance.now(), purchase, checkAttempt);
    purchase.calls.push(toCall("use", checkAttempt, exchange));
    await settle(purchase);
    usedOnceMore += 1;
  });
  const verdicts = purchases.map((purchase) => ({ purchase, verdict: judge(purchase) }));
  return {
    codes: purchases.length,
    contested: purchases.filter(({ isContested }) => isContested).length,
    usedOnceMore,
    undecided: verdicts.filter(({ verdict }) => verdict.undecided.length > 0).length,
    findings: verdicts.flatMap(({ purchase, verdict }) =>
      verdict.violations.map((violation) => toFinding(purchase, violation)),
    ),
  };
};
