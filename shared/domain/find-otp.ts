import * as E from "fp-ts/Either";
import type { MerchantId, OtpCode } from "./identifiers";
import type { ItemRef, Keyring, Keyrings } from "./keyring";
import type { Otp } from "./otp";
import type { OtpStore, StoreResult, Versioned } from "./store";

/** An OTP as it was read, and the keyring under which it is stored: all that is derived for it comes from that one. */
export interface FoundOtp {
  readonly keyring: Keyring;
  readonly ref: ItemRef;
  readonly stored: Versioned<Otp>;
}

/**
 * Finds a merchant's OTP by its code: under the first secret or, if it is not there, under the second. The second look-up
 * waits for the first because it is seldom needed. To make both at once would cost each call a read
 * (docs/decisions/0015-replacing-the-secret.md).
 */
export const findOtpWithCode = async (
  merchantId: MerchantId,
  code: OtpCode,
  { store, keyrings: { first, second } }: { readonly store: OtpStore; readonly keyrings: Keyrings },
): StoreResult<FoundOtp | undefined> => {
  for (const keyring of second === undefined ? [first] : [first, second]) {
    const ref = keyring.otpRefFor(merchantId, code);
    const stored = await store.findOtp(ref);
    if (E.isLeft(stored)) {
      return stored;
    }
    if (stored.right !== undefined) {
      return E.right({ keyring, ref, stored: stored.right });
    }
  }
  return E.right(undefined);
};
