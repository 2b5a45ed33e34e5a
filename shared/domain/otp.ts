/** The life of an OTP: pure decisions on what the service read from the store. */
import type { DiscountId, OtpCode } from "./identifiers";

export interface Otp {
  readonly discountId: DiscountId;
  /** The slot of its beneficiary and discount. It leads to a newer OTP, if there is one. */
  readonly slotId: string;
  readonly expiresAt: Date;
  readonly use: OtpUse | undefined;
}

/** What a call writes into the OTP that it uses. After a lost answer it recognises its own use by it. */
export interface UseMark {
  /** Drawn anew by each call. */
  readonly callId: string;
  /** A repetition of the call has the same. */
  readonly idempotencyKeyHash: string | undefined;
}

export interface OtpUse extends UseMark {
  readonly usedAt: Date;
}

/** The code of the latest OTP of a beneficiary and discount is derived from its nonce. */
export interface Slot {
  readonly nonce: string;
}

export interface OtpLifetime {
  readonly ttlSeconds: number;
  /** How long an OTP is still known after its expiry. */
  readonly retentionSeconds: number;
}

/**
 * The store keeps an item longer than the service needs it, by more than clocks can differ: a purged slot is free, and only
 * the service's own clock may decide that.
 */
const graceSeconds = 300;

const addSeconds = (instant: Date, seconds: number): Date => new Date(instant.getTime() + seconds * 1000);

const secondsBetween = (from: Date, to: Date): number =>
  Math.max(1, Math.ceil((to.getTime() - from.getTime()) / 1000));

export const expiryOf = (issuedAt: Date, lifetime: OtpLifetime): Date =>
  addSeconds(issuedAt, lifetime.ttlSeconds);

const forgottenAt = (otp: Otp, lifetime: OtpLifetime): Date =>
  addSeconds(otp.expiresAt, lifetime.retentionSeconds);

/** In seconds, for an OTP written now: the rest of its life, its retention, and the grace. */
export const otpItemTtl = (otp: Otp, now: Date, lifetime: OtpLifetime): number =>
  secondsBetween(now, forgottenAt(otp, lifetime)) + graceSeconds;

export const slotItemTtl = (lifetime: OtpLifetime): number => lifetime.ttlSeconds + graceSeconds;

export const isLive = (otp: Otp, now: Date): boolean => otp.use === undefined && now < otp.expiresAt;

/** An OTP as its beneficiary sees it; `ttlSeconds` is its full lifetime, not what is left of it. */
export interface IssuedOtp {
  readonly code: OtpCode;
  readonly expiresAt: Date;
  readonly ttlSeconds: number;
}

export type Decision =
  | { readonly tag: "live"; readonly otp: Otp }
  | { readonly tag: "use"; readonly otp: Otp; readonly use: OtpUse }
  /** This call used it, or an earlier call with the same `Idempotency-Key` did. */
  | { readonly tag: "used-by-this-call"; readonly otp: Otp; readonly use: OtpUse }
  | { readonly tag: "otp-already-used" | "otp-expired"; readonly otp: Otp }
  | { readonly tag: "otp-not-found" };

/** @param mark undefined when the merchant only asks. */
export const decideValidation = (
  otp: Otp,
  mark: UseMark | undefined,
  now: Date,
  lifetime: OtpLifetime,
): Decision => {
  // The store may purge late, and the embedded one never does.
  if (now >= forgottenAt(otp, lifetime)) {
    return { tag: "otp-not-found" };
  }
  if (otp.use !== undefined) {
    return mark !== undefined && isSameCall(otp.use, mark)
      ? { tag: "used-by-this-call", otp, use: otp.use }
      : { tag: "otp-already-used", otp };
  }
  if (now >= otp.expiresAt) {
    return { tag: "otp-expired", otp };
  }
  if (mark === undefined) {
    return { tag: "live", otp };
  }
  const use = { ...mark, usedAt: now };
  return { tag: "use", otp: { ...otp, use }, use };
};

const isSameCall = (use: OtpUse, mark: UseMark): boolean =>
  use.callId === mark.callId ||
  (mark.idempotencyKeyHash !== undefined && use.idempotencyKeyHash === mark.idempotencyKeyHash);
