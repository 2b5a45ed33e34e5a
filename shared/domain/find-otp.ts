/** How the service reads OTPs through the port. All else in the domain is pure. */
import * as E from "fp-ts/Either";
import { Defect } from "./failure";
import type { MerchantId, OtpCode } from "./identifiers";
import type { ItemRef, Keyring, Keyrings } from "./keyring";
import type { Otp } from "./otp";
import type { OtpStore, StoreResult, Versioned } from "./store";

/** An OTP as it was read, and the keyring under which it is stored. */
export interface FoundOtp {
  readonly keyring: Keyring;
  readonly ref: ItemRef;
  readonly stored: Versioned<Otp>;
}

/**
 * Looks under the first secret at once. The result looks under the second one too, if the OTP is not there: both at once
 * would cost each call a read (docs/decisions/0015-replacing-the-secret.md).
 */
export const startFindingOtp = (
  merchantId: MerchantId,
  code: OtpCode,
  { store, keyrings: { first, second } }: { readonly store: OtpStore; readonly keyrings: Keyrings },
): (() => StoreResult<FoundOtp | undefined>) => {
  const findUnder = async (keyring: Keyring): StoreResult<FoundOtp | undefined> => {
    const ref = keyring.otpRefFor(merchantId, code);
    return E.map((stored: Versioned<Otp> | undefined) => stored && { keyring, ref, stored })(
      await store.findOtp(ref),
    );
  };
  const underFirst = findUnder(first);
  // A caller without a key in force does not wait for it.
  underFirst.catch(() => undefined);
  return async () => {
    const found = await underFirst;
    return E.isRight(found) && found.right === undefined && second !== undefined ? findUnder(second) : found;
  };
};

/** The OTP that a slot holds: the latest of its beneficiary and discount, live or not. */
export interface LatestOtp {
  readonly nonce: string;
  readonly slotEtag: string;
  readonly code: OtpCode;
  readonly otp: Otp;
}

/** Undefined when nobody has taken the slot, or the store has purged it. */
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
    // One batch writes both, and the store keeps the OTP longer: an OTP may still be live, so the slot stays taken.
    throw new Defect("a slot without its OTP");
  }
  return E.right({ nonce: value.nonce, slotEtag: etag, code, otp: otp.right.value });
};
