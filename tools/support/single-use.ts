/** The judge of single use: what clients were answered about one OTP, and whether all of it can be true. */
import * as A from "fp-ts/Array";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { ValidationBody } from "../../shared/http/bodies";
import { problemNames, problemTypeBase } from "../../shared/http/problem";
import { checkUseHistory, type Operation } from "./linearizability";

/** An OTP as its beneficiary received it. */
export interface IssuedOtp {
  readonly code: string;
  readonly expiresAt: string;
  readonly discountId: string;
  /** Before this instant, on the clock of the calls, it cannot have expired. By default it never does. */
  readonly liveUntil?: number;
}

/** A call about the OTP. Calls with the same key are one attempt. */
export interface UseCall {
  readonly operation: "use" | "ask";
  readonly idempotencyKey?: string | undefined;
  readonly start: number;
  readonly end: number;
}

/** An answer that the contract does not have for a live OTP. */
export interface Objection {
  /** Otherwise it says nothing of the OTP: the service, or something before it, failed. */
  readonly isAboutCode: boolean;
  /** Nothing that a server chose is in it. */
  readonly reason: string;
}

/** What one call shows of the OTP. */
export type Shown = Either<Objection, Operation>;

const Problem = t.type({ type: t.string });

const nameOfProblem = (json: unknown): string | undefined =>
  problemNames.find((name) => Problem.is(json) && json.type === problemTypeBase + name);

/** @param reply undefined if there was none. */
export const interpret = (
  { operation, idempotencyKey, start, end }: UseCall,
  reply: { readonly status: number; readonly json: unknown } | undefined,
  otp: IssuedOtp,
): Shown => {
  // An ask does not send its key.
  const seen = { operation, start, end, ...(operation === "use" ? { idempotencyKey } : {}) };
  if (reply === undefined) {
    return E.right({ ...seen, outcome: "unknown" });
  }
  const { status, json } = reply;
  const name = nameOfProblem(json);
  const object = (isAboutCode: boolean, answer: string): Shown =>
    E.left({
      isAboutCode,
      reason: `${operation} from ${start} to ${end} answered ${status} ${answer}`.trim(),
    });
  switch (`${status} ${name ?? ""}`) {
    case "503 service-unavailable":
      return E.right({ ...seen, outcome: "unknown" });
    case "404 otp-already-used":
      return E.right({ ...seen, outcome: "already-used" });
    case "404 otp-expired":
      return end >= (otp.liveUntil ?? Infinity)
        ? E.right({ ...seen, outcome: "expired" })
        : object(true, "otp-expired");
  }
  if (status !== 200 || !ValidationBody.is(json)) {
    return object(name?.startsWith("otp-") === true, name ?? "");
  }
  if (json.discount_id !== otp.discountId) {
    return object(true, "for another discount");
  }
  if (operation === "use") {
    return E.right({ ...seen, operation, outcome: "granted", usedAt: json.expires_at });
  }
  return json.expires_at === otp.expiresAt
    ? E.right({ ...seen, operation, outcome: "live" })
    : object(true, "with another expiry");
};

/** What is wrong. Empty if the OTP may have been used once, or never. */
export const judgeUses = (shown: readonly Shown[]): readonly string[] => {
  const { left: objections, right: history } = A.separate([...shown]);
  if (objections.length > 0) {
    // When an answer is missing, the history may be bad only because of that.
    return objections.map(({ reason }) => `no answer of the contract: ${reason}`);
  }
  const verdict = checkUseHistory(history);
  return verdict.ok ? [] : [`not linearizable: ${verdict.reason}`];
};
