/** The life of an OTP, as pure decisions on what was read from the store. */
import type { DiscountId } from "./identifiers";

export interface Otp {
  readonly discountId: DiscountId;
  /** The slot of its beneficiary and discount: where a newer OTP would be found. */
  readonly slotId: string;
  /** From this instant on it cannot be used. */
  readonly expiresAt: Date;
  readonly use: OtpUse | null;
}

/** Who used an OTP up, so that a caller whose answer was lost can recognise its own use. */
export interface OtpUse {
  readonly usedAt: Date;
  /** Chosen afresh by each call: tells a use that this call wrote from a rival's. */
  readonly attemptId: string;
  /** Present when the call sent an `Idempotency-Key`: tells a repetition of that call from a rival. */
  readonly idempotencyKeyHash: string | null;
}

export type UseAttempt = Omit<OtpUse, "usedAt">;

/** What one beneficiary holds for one discount: the nonce from which the code of the latest OTP is derived. */
export interface Slot {
  readonly nonce: string;
}

export interface OtpLifetime {
  /** How long an OTP can be used, in seconds. */
  readonly ttlSeconds: number;
  /** How long after its life an OTP is still told apart from one that never existed, in seconds. */
  readonly retentionSeconds: number;
}

/**
 * How much longer than it matters an item is kept, in seconds: more than the clocks of the store and of the service can
 * ever differ. A slot that the store purged counts as free, and an OTP as one that never existed, so what they answer is
 * decided by the service's clock alone.
 */
const graceSeconds = 300;

const addSeconds = (instant: Date, seconds: number): Date => new Date(instant.getTime() + seconds * 1000);

const secondsBetween = (from: Date, to: Date): number =>
  Math.max(1, Math.ceil((to.getTime() - from.getTime()) / 1000));

export const expiryOf = (issuedAt: Date, lifetime: OtpLifetime): Date =>
  addSeconds(issuedAt, lifetime.ttlSeconds);

/** The instant from which an OTP answers as if it had never existed. */
const forgottenAt = (otp: Otp, lifetime: OtpLifetime): Date =>
  addSeconds(otp.expiresAt, lifetime.retentionSeconds);

/** The store's time to live for an OTP written now, in seconds: what is left of its life, its retention, and the grace. */
export const otpItemTtl = (otp: Otp, now: Date, lifetime: OtpLifetime): number =>
  secondsBetween(now, forgottenAt(otp, lifetime)) + graceSeconds;

/** The store's time to live for the slot of an OTP issued now, in seconds. */
export const slotItemTtl = (lifetime: OtpLifetime): number => lifetime.ttlSeconds + graceSeconds;

/** Live: neither used nor expired. */
export const isLive = (otp: Otp, now: Date): boolean => otp.use === null && now < otp.expiresAt;

export type Decision =
  /** It was asked for and can be used. */
  | { readonly tag: "live"; readonly otp: Otp }
  /** It can be used, and is once this `otp` is written in place of the one that was read. */
  | { readonly tag: "use"; readonly otp: Otp; readonly use: OtpUse }
  /** The call that used it was this one, or had this one's `Idempotency-Key`. */
  | { readonly tag: "used-by-this-call"; readonly otp: Otp; readonly use: OtpUse }
  | { readonly tag: "otp-already-used" | "otp-expired"; readonly otp: Otp }
  | { readonly tag: "otp-not-found" };

/** Decides a validation: `attempt` is undefined when the merchant only asks. */
export const decideValidation = (
  otp: Otp,
  attempt: UseAttempt | undefined,
  now: Date,
  lifetime: OtpLifetime,
): Decision => {
  // Told by the clock too, because the store may purge late or, as the embedded one, never.
  if (now >= forgottenAt(otp, lifetime)) {
    return { tag: "otp-not-found" };
  }
  if (otp.use !== null) {
    return attempt !== undefined && isSameCall(otp.use, attempt)
      ? { tag: "used-by-this-call", otp, use: otp.use }
      : { tag: "otp-already-used", otp };
  }
  if (now >= otp.expiresAt) {
    return { tag: "otp-expired", otp };
  }
  if (attempt === undefined) {
    return { tag: "live", otp };
  }
  const use = { ...attempt, usedAt: now };
  return { tag: "use", otp: { ...otp, use }, use };
};

const isSameCall = (use: OtpUse, attempt: UseAttempt): boolean =>
  use.attemptId === attempt.attemptId ||
  (attempt.idempotencyKeyHash !== null && use.idempotencyKeyHash === attempt.idempotencyKeyHash);
