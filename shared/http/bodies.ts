/** The bodies of the contract's answers. */
import * as t from "io-ts";
import type { IssuedOtp } from "../domain/otp";

/** `ttl` is the full lifetime in seconds. */
export const OtpBody = t.type({ code: t.string, expires_at: t.string, ttl: t.number });
export type OtpBody = t.TypeOf<typeof OtpBody>;

export const otpBody = ({ code, expiresAt, ttlSeconds }: IssuedOtp): OtpBody => ({
  code,
  expires_at: expiresAt.toISOString(),
  ttl: ttlSeconds,
});

/** An OTP for a merchant; after a use `expires_at` is the instant of the use. */
export const ValidationBody = t.type({ expires_at: t.string, discount_id: t.string });
export type ValidationBody = t.TypeOf<typeof ValidationBody>;

export const ApiKeyBody = t.type({
  merchant_id: t.string,
  key_type: t.string,
  api_key: t.string,
  created_at: t.string,
});
export type ApiKeyBody = t.TypeOf<typeof ApiKeyBody>;

/** The keys in force. `hint` is empty if the key has none. */
export const ApiKeysBody = t.type({
  merchant_id: t.string,
  api_keys: t.readonlyArray(t.type({ key_type: t.string, created_at: t.string, hint: t.string })),
});
export type ApiKeysBody = t.TypeOf<typeof ApiKeysBody>;

/** RFC 9457. A gateway's problem may have no `instance`. `otp` is the live OTP, in an `otp-conflict` of GenerateOtp. */
export const ProblemBody = t.intersection([
  t.type({ type: t.string, title: t.string, status: t.number, detail: t.string }),
  t.partial({ instance: t.string, otp: OtpBody }),
]);
export type ProblemBody = t.TypeOf<typeof ProblemBody>;
