import * as E from "fp-ts/Either";
import { Defect } from "./failure";
import type { MerchantId, OtpCode } from "./identifiers";
import type { Otp } from "./otp";
import type { Keyring } from "./keyring";
import type { OtpStore, StoreResult } from "./store";

/** The OTP that a slot holds: the latest of its beneficiary and discount, live or not. */
export interface LatestOtp {
  readonly nonce: string;
  readonly slotEtag: string;
  readonly code: OtpCode;
  readonly otp: Otp;
}

/** Follows a slot to its OTP. Undefined when nobody has taken the slot, or the store has purged it since. */
export const findLatestOtp = async (
  merchantId: MerchantId,
  slotId: string,
  { store, keyring }: { readonly store: OtpStore; readonly keyring: Keyring },
): StoreResult<LatestOtp | undefined> => {
  const slotRef = keyring.slotRefWithId(merchantId, slotId);
  const slot = await store.findSlot(slotRef);
  if (E.isLeft(slot) || slot.right === undefined) {
    return E.isLeft(slot) ? slot : E.right(undefined);
  }
  const { value, etag } = slot.right;
  const code = keyring.codeFor(slotRef, value.nonce);
  const otp = await store.findOtp(keyring.otpRefFor(merchantId, code));
  if (E.isLeft(otp)) {
    return otp;
  }
  if (otp.right === undefined) {
    // One batch writes both, and the store keeps the OTP longer. The slot may not be free, so the service must not take
    // it.
    throw new Defect("a slot without its OTP");
  }
  return E.right({ nonce: value.nonce, slotEtag: etag, code, otp: otp.right.value });
};
