/** One run: merchants get keys, purchases begin when they are due, every code is checked, and the keys are revoked. */
import { randomBytes, randomInt } from "node:crypto";
import { createHistogram } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { arrivals, dueUntil } from "./arrivals";
import { checkCodes, toCall, useCode } from "./check";
import type { Checked, Finding, Purchase } from "./check";
import { makeClient } from "./client";
import type { Client, Exchange } from "./client";
import { makeMeasures } from "./measures";
import type { Measures, Step } from "./measures";
import { describeOutcome, makeMerchants, revokeKeys } from "./merchants";
import type { Merchant } from "./merchants";
import type { LoadOptions } from "./options";

/** How long calls may still take when no more purchases begin. */
const drainMs = 15_000;
/** After so long without any answer, while calls failed, the run ends by itself. */
const silenceMs = 12_000;
/** What the preparation and the check have under way at once: not a part of the load. */
const gentleConcurrency = 20;

export interface Result {
  readonly origin: string;
  readonly options: LoadOptions;
  readonly measures: Measures;
  /** When it began, of `performance.now()`. */
  readonly startMs: number;
  /** How long purchases began, in seconds: less than asked for when the run ended early. */
  readonly seconds: number;
  /** Until the last call was answered or given up. */
  readonly elapsedSeconds: number;
  /** Purchases that the rate means for this time, those that began, and those whose code was used. */
  readonly planned: number;
  readonly begun: number;
  readonly completed: number;
  readonly endedEarly: "on request" | "no answers" | undefined;
  readonly client: ClientLoad;
  readonly checked: Checked;
  /** Merchants whose key may still be in force. */
  readonly unrevoked: readonly string[];
}

/** What the run cost this process, to tell its own limits from those of the service. */
export interface ClientLoad {
  /** The part of the time in which this process was busy: 0–1. */
  readonly utilization: number;
  /** How late purchases began, 99th percentile. */
  readonly lagP99Ms: number;
  readonly calls: number;
  /** Calls that waited because as many as allowed were under way. */
  readonly waited: number;
}

/** Why there was no run. */
export interface NoRun {
  readonly reason: string;
}

export interface Progress {
  readonly seconds: number;
  readonly begun: number;
  readonly completed: number;
  readonly failed: number;
  readonly underWay: number;
  readonly waiting: number;
}

export interface RunInput {
  readonly origin: string;
  readonly options: LoadOptions;
  readonly functionKey: string | undefined;
  /** Ends the run early, with what happened until then. */
  readonly stop: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onPhase: (phase: string) => void;
}

/**
 * Fiscal codes that nobody has, because no month has a day 00. They count in base 26, from a random start, so that no earlier
 * run is likely to have used them.
 */
const makeBeneficiaries = (): ((serial: number) => string) => {
  const first = randomInt(26 ** 6 - 1_000_000);
  return (serial) => {
    const digits = (first + serial).toString(26).padStart(6, "0");
    const letters = Array.from(digits, (digit) => String.fromCharCode(65 + Number.parseInt(digit, 26)));
    return `${letters.join("")}00A00A000A`;
  };
};

/** Undefined when the service is there and well. */
const explainAbsence = async (client: Client, origin: string): Promise<string | undefined> => {
  const { outcome } = await client.info();
  if (outcome.kind === "success") {
    return undefined;
  }
  if (outcome.status === undefined) {
    return `Nothing answers at ${origin} (${outcome.name}). Start the service, or leave --url out: this run then starts one.`;
  }
  return outcome.status === 503
    ? `The service at ${origin} says that it is unavailable (503 to /api/v1/info). Its log says why.`
    : `What answers at ${origin} is not this service: /api/v1/info gave ${describeOutcome(outcome)}.`;
};

interface LoadDone {
  readonly purchases: readonly Purchase[];
  readonly reissued: readonly Finding[];
  readonly result: Omit<Result, "checked" | "unrevoked">;
}

/** The load itself. */
const load = async (
  { origin, options, functionKey, stop, onProgress }: RunInput,
  merchants: readonly Merchant[],
): Promise<LoadDone> => {
  const client = makeClient({ origin, functionKey, concurrency: options.concurrency });
  const beneficiaryOf = makeBeneficiaries();
  const startMs = performance.now();
  const measures = makeMeasures(startMs, options.seconds);
  const lag = createHistogram({ lowest: 1, highest: 60_000_000, figures: 2 });
  const purchases: Purchase[] = [];
  const seen = new Set<string>();
  const reissued: Finding[] = [];
  let begun = 0;
  let completed = 0;
  let calls = 0;
  let failed = 0;
  let waited = 0;
  /** Since when no call was answered. Undefined while calls are answered. */
  let silentSinceMs: number | undefined;

  const note = (step: Step, exchange: Exchange<unknown>, isExpected = false): void => {
    const { outcome } = exchange;
    const isFailure = outcome.kind === "failure" && !isExpected;
    measures.record(step, exchange, isFailure);
    calls += 1;
    failed += isFailure ? 1 : 0;
    waited += exchange.hasWaited ? 1 : 0;
    const isAnswered = outcome.kind === "success" || outcome.status !== undefined;
    silentSinceMs = isAnswered ? undefined : (silentSinceMs ?? exchange.sentMs);
  };

  const buy = async (serial: number, dueMs: number, merchant: Merchant): Promise<void> => {
    const { merchantId, apiKey } = merchant;
    const beneficiary = beneficiaryOf(serial);
    const generated = await client.generate(dueMs, { beneficiary, merchantId, discountId: "load" });
    note("generate", generated);
    if (generated.outcome.kind === "failure") {
      return;
    }
    const { code, ttl } = generated.outcome.body;
    if (seen.has(code)) {
      const { answeredMs } = generated;
      reissued.push({ kind: "issued twice", merchantId, answeredMs, answers: ["200"], instances: [] });
      return;
    }
    seen.add(code);
    const purchase: Purchase = {
      serial,
      merchant,
      code,
      liveUntilMs: generated.sentMs + ttl * 1000,
      isContested: Math.random() < options.contested,
      calls: [],
    };
    purchases.push(purchase);

    const asked = await client.validate(generated.answeredMs, { apiKey, code, isUse: false });
    note("ask", asked);
    purchase.calls.push(toCall("ask", 0, asked));
    if (asked.outcome.kind === "failure") {
      return;
    }

    const sides = Array.from({ length: purchase.isContested ? options.sides : 1 }, (_, side) => side);
    const exchanges = await Promise.all(
      sides.map((side) => useCode(client, asked.answeredMs, purchase, side)),
    );
    for (const [side, exchange] of exchanges.entries()) {
      const { outcome } = exchange;
      // All but one come second.
      const isExpected =
        purchase.isContested && outcome.kind === "failure" && outcome.name === "otp-already-used";
      note(purchase.isContested ? "contested use" : "use", exchange, isExpected);
      purchase.calls.push(toCall("use", side, exchange));
    }
    completed += exchanges.some(({ outcome }) => outcome.kind === "success") ? 1 : 0;
  };

  const underWay = new Set<Promise<void>>();
  const begin = (dueMs: number): void => {
    const merchant = merchants[begun % merchants.length];
    if (merchant === undefined) {
      return;
    }
    lag.record(Math.max(1, Math.round((performance.now() - dueMs) * 1000)));
    measures.due((dueMs - startMs) / 1000);
    const bought = buy(begun, dueMs, merchant);
    begun += 1;
    underWay.add(bought);
    void bought.then(() => underWay.delete(bought));
  };
  const whyEnd = (): Result["endedEarly"] => {
    const isSilent = silentSinceMs !== undefined && performance.now() - silentSinceMs > silenceMs;
    return stop.aborted ? "on request" : isSilent ? "no answers" : undefined;
  };

  const utilizationBefore = performance.eventLoopUtilization();
  const reporting = setInterval(() => {
    onProgress({ seconds: (performance.now() - startMs) / 1000, begun, completed, failed, ...client.load() });
  }, 500);
  let endedEarly: Result["endedEarly"];
  for (const dueSeconds of arrivals(options, options.seconds)) {
    const dueMs = startMs + dueSeconds * 1000;
    while (endedEarly === undefined && performance.now() < dueMs) {
      await pause(Math.min(250, dueMs - performance.now()));
      endedEarly = whyEnd();
    }
    // A process that is late must still let answers in.
    if (endedEarly === undefined && begun % 20 === 0) {
      await pause(0);
      endedEarly = whyEnd();
    }
    // What is later than this is not made up for: a run has an end.
    if (endedEarly !== undefined || performance.now() > startMs + options.seconds * 1000 + drainMs) {
      break;
    }
    begin(dueMs);
  }
  const seconds = endedEarly === undefined ? options.seconds : (performance.now() - startMs) / 1000;
  const { utilization } = performance.eventLoopUtilization(utilizationBefore);

  const all = Promise.all(underWay);
  const drain = new AbortController();
  await Promise.race([all, pause(drainMs, undefined, { signal: drain.signal }).catch(() => undefined)]);
  drain.abort();
  client.close();
  await all;
  clearInterval(reporting);
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  return {
    purchases,
    reissued,
    result: {
      origin,
      options,
      measures,
      startMs,
      seconds,
      elapsedSeconds,
      planned: Math.round(dueUntil(options, seconds)),
      begun,
      completed,
      endedEarly,
      client: { utilization, lagP99Ms: begun === 0 ? 0 : lag.percentile(99) / 1000, calls, waited },
    },
  };
};

export const run = async (input: RunInput): Promise<Result | NoRun> => {
  const { origin, options, functionKey, stop, onPhase } = input;
  const gentle = makeClient({ origin, functionKey, concurrency: gentleConcurrency });
  const absence = await explainAbsence(gentle, origin);
  if (absence !== undefined) {
    gentle.close();
    return { reason: absence };
  }
  const runId = randomBytes(4).toString("hex");
  const wanted = Array.from({ length: options.merchants }, (_, index) => `load-${runId}-${index + 1}`);
  onPhase(`Making the keys of ${options.merchants} merchants: load-${runId}-1 and so on.`);
  const { merchants, merchantIds, refusal } = await makeMerchants(gentle, wanted, functionKey);
  if (refusal !== undefined || stop.aborted) {
    const unrevoked = await revokeKeys(gentle, merchantIds);
    gentle.close();
    const left = unrevoked.length === 0 ? "" : ` Keys may be left of ${unrevoked.join(", ")}: revoke them.`;
    return { reason: `${refusal ?? "The run was ended before it began."}${left}` };
  }
  onPhase(
    `${options.rate} purchases a second for ${options.seconds} s, the first ${options.rampSeconds} s rising.`,
  );
  const { purchases, reissued, result } = await load(input, merchants);
  onPhase("Checking the codes, and revoking the keys.");
  const checked = await checkCodes(gentle, purchases);
  const unrevoked = await revokeKeys(gentle, merchantIds);
  gentle.close();
  return { ...result, checked: { ...checked, findings: [...reissued, ...checked.findings] }, unrevoked };
};
