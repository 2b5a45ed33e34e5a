/** One run: merchants get keys, purchases begin when they are due, every code is checked, and the keys are revoked. */
import { randomBytes } from "node:crypto";
import { createHistogram } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { OtpBody } from "../../shared/http/bodies";
import { makeBeneficiaries } from "../support/beneficiaries";
import { arrivals } from "./arrivals";
import { checkCodes, validate, type Checked, type Finding, type Purchase } from "./check";
import { makeClient, type Client, type Exchange } from "./client";
import { makeMeasures, type Measures, type Step } from "./measures";
import { describeFailure, makeMerchants, revokeKeys, type Merchant } from "./merchants";
import { describeRun, type LoadOptions } from "./options";

/** How long calls may still take when no more purchases begin. */
const drainMs = 15_000;
/** What the preparation and the check have under way at once: not a part of the load. */
const gentleConcurrency = 20;

export interface Result {
  readonly origin: string;
  readonly options: LoadOptions;
  readonly measures: Measures;
  /** Until the last call was answered or given up. */
  readonly elapsedSeconds: number;
  /** Purchases that began, and those whose code was used. */
  readonly begun: number;
  readonly completed: number;
  /** Whether somebody ended it early. */
  readonly isStopped: boolean;
  /** How late this process began purchases, 99th percentile. */
  readonly lagP99Ms: number;
  /** Calls that waited because as many as allowed were under way. */
  readonly waited: number;
  readonly checked: Checked;
  /** Merchants whose key may still be in force. */
  readonly unrevoked: readonly string[];
}

export type Progress = Readonly<
  Record<"seconds" | "begun" | "completed" | "failed" | "underWay" | "waiting", number>
>;

export interface RunInput {
  readonly origin: string;
  readonly options: LoadOptions;
  readonly functionKey: string | undefined;
  /** Ends the run early, with what happened until then. */
  readonly stop: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onPhase: (phase: string) => void;
}

/** Undefined when the service is there and well. */
const explainAbsence = async (client: Client, origin: string): Promise<string | undefined> => {
  const { outcome } = await client.call(performance.now(), t.unknown, (api) => api.info());
  if (E.isRight(outcome)) {
    return undefined;
  }
  switch (outcome.left.status) {
    case undefined:
      return `Nothing answers at ${origin} (${outcome.left.name}). Start the service, or leave --url out: this run then starts one.`;
    case 503:
      return `The service at ${origin} says that it is unavailable (503 to /api/v1/info). Its log says why.`;
    default:
      return `What answers at ${origin} is not this service: /api/v1/info gave ${describeFailure(outcome.left)}.`;
  }
};

/** The load itself. */
const buyAtRate = async (
  { origin, options, functionKey, stop, onProgress }: RunInput,
  merchants: readonly Merchant[],
) => {
  const client = makeClient({ origin, functionKey, concurrency: options.concurrency });
  const nextBeneficiary = makeBeneficiaries();
  const startMs = performance.now();
  const measures = makeMeasures();
  const lag = createHistogram({ lowest: 1, highest: 60_000_000, figures: 2 });
  const purchases: Purchase[] = [];
  const seen = new Set<string>();
  const reissued: Finding[] = [];
  let [begun, completed, failed, waited] = [0, 0, 0, 0];

  const note = (step: Step, exchange: Exchange<unknown>, isExpected = false): void => {
    const isFailure = E.isLeft(exchange.outcome) && !isExpected;
    measures.record(step, exchange, isFailure);
    failed += isFailure ? 1 : 0;
    waited += exchange.hasWaited ? 1 : 0;
  };

  const buy = async (serial: number, dueMs: number, merchant: Merchant): Promise<void> => {
    const { merchantId } = merchant;
    const discountId = "load";
    const beneficiary = nextBeneficiary();
    const generated = await client.call(dueMs, OtpBody, (api) =>
      api.generate(beneficiary, { merchant_id: merchantId, discount_id: discountId }),
    );
    note("generate", generated);
    if (E.isLeft(generated.outcome)) {
      return;
    }
    const { code, expires_at: expiresAt, ttl } = generated.outcome.right;
    if (seen.has(code)) {
      reissued.push({ kind: "issued twice", merchantId, reasons: [] });
      return;
    }
    seen.add(code);
    const isContested = Math.random() < options.contested;
    const otp = { code, expiresAt, discountId, liveUntil: generated.sentMs + ttl * 1000 };
    const purchase = { serial, merchant, otp, isContested, shown: [], undecided: new Set<number>() };
    purchases.push(purchase);

    const asked = await validate(client, generated.answeredMs, purchase);
    note("ask", asked);
    if (E.isLeft(asked.outcome)) {
      return;
    }
    const sides = Array.from({ length: isContested ? options.sides : 1 }, (_, side) => side);
    const used = await Promise.all(sides.map((side) => validate(client, asked.answeredMs, purchase, side)));
    for (const exchange of used) {
      const { outcome } = exchange;
      // All but one come second.
      const isExpected = isContested && E.isLeft(outcome) && outcome.left.name === "otp-already-used";
      note(isContested ? "contested use" : "use", exchange, isExpected);
    }
    completed += used.some(({ outcome }) => E.isRight(outcome)) ? 1 : 0;
  };

  const underWay = new Set<Promise<void>>();
  const begin = (dueMs: number): void => {
    const merchant = merchants[begun % merchants.length];
    if (merchant === undefined) {
      return;
    }
    lag.record(Math.max(1, Math.round((performance.now() - dueMs) * 1000)));
    const bought = buy(begun, dueMs, merchant);
    begun += 1;
    underWay.add(bought);
    void bought.then(() => underWay.delete(bought));
  };

  const reporting = setInterval(() => {
    onProgress({ seconds: (performance.now() - startMs) / 1000, begun, completed, failed, ...client.load() });
  }, 500);
  for (const dueSeconds of arrivals(options, options.seconds)) {
    const dueMs = startMs + dueSeconds * 1000;
    // A process that is late must still let answers in.
    const waitMs = begun % 20 === 0 ? Math.max(0, dueMs - performance.now()) : dueMs - performance.now();
    if (waitMs >= 0) {
      await pause(waitMs, undefined, { signal: stop }).catch(() => undefined);
    }
    // What is later than this is not made up for: a run has an end.
    if (stop.aborted || performance.now() > startMs + options.seconds * 1000 + drainMs) {
      break;
    }
    begin(dueMs);
  }

  const all = Promise.all(underWay);
  const drain = new AbortController();
  await Promise.race([all, pause(drainMs, undefined, { signal: drain.signal }).catch(() => undefined)]);
  drain.abort();
  client.close();
  await all;
  clearInterval(reporting);
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  const lagP99Ms = begun === 0 ? 0 : lag.percentile(99) / 1000;
  return {
    purchases,
    reissued,
    result: {
      ...{ origin, options, measures, elapsedSeconds, begun, completed, waited, lagP99Ms },
      isStopped: stop.aborted,
    },
  };
};

/** @returns why there was no run, if there was none. */
export const run = async (input: RunInput): Promise<Result | { readonly reason: string }> => {
  const { origin, options, functionKey, stop, onPhase } = input;
  const gentle = makeClient({ origin, functionKey, concurrency: gentleConcurrency });
  const absence = await explainAbsence(gentle, origin);
  if (absence !== undefined) {
    return { reason: absence };
  }
  const runId = randomBytes(4).toString("hex");
  const wanted = Array.from({ length: options.merchants }, (_, index) => `load-${runId}-${index + 1}`);
  onPhase(`Making the keys of ${options.merchants} merchants: load-${runId}-1 and so on.`);
  const { merchants, merchantIds, refusal } = await makeMerchants(gentle, wanted, functionKey);
  if (refusal !== undefined || stop.aborted) {
    const unrevoked = await revokeKeys(gentle, merchantIds);
    const left = unrevoked.length === 0 ? "" : ` Keys may be left of ${unrevoked.join(", ")}: revoke them.`;
    return { reason: `${refusal ?? "The run was ended before it began."}${left}` };
  }
  onPhase(describeRun(options));
  const { purchases, reissued, result } = await buyAtRate(input, merchants);
  onPhase("Checking the codes, and revoking the keys.");
  const checked = await checkCodes(gentle, purchases);
  const unrevoked = await revokeKeys(gentle, merchantIds);
  return { ...result, checked: { ...checked, findings: [...reissued, ...checked.findings] }, unrevoked };
};
