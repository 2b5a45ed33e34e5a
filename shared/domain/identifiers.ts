/**
 * The identifiers of the contract. Each codec refuses what does not match and brands what does, so that a
 * function that takes a `MerchantId` cannot be given any other string.
 */
import * as t from "io-ts";

const fiscalCodePattern =
  /^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$/;
const identifierPattern = /^[A-Za-z0-9-]{1,64}$/;
const otpCodePattern = /^[A-Z0-9]{11}$/;

interface FiscalCodeBrand {
  readonly FiscalCode: unique symbol;
}
/**
 * The beneficiary: an Italian fiscal code (codice fiscale), upper case, omocodia letters included
 * (art. 6 D.M. 23 December 1976: a digit shared by two people is replaced by one of `LMNPQRSTUV`).
 */
export const FiscalCode = t.brand(
  t.string,
  (value): value is t.Branded<string, FiscalCodeBrand> => fiscalCodePattern.test(value),
  "FiscalCode",
);
export type FiscalCode = t.TypeOf<typeof FiscalCode>;

interface MerchantIdBrand {
  readonly MerchantId: unique symbol;
}
/** The shop that grants the discount: 1–64 of `A-Z a-z 0-9 -`, compared case-sensitively. */
export const MerchantId = t.brand(
  t.string,
  (value): value is t.Branded<string, MerchantIdBrand> => identifierPattern.test(value),
  "MerchantId",
);
export type MerchantId = t.TypeOf<typeof MerchantId>;

interface DiscountIdBrand {
  readonly DiscountId: unique symbol;
}
/** One offer of one merchant: 1–64 of `A-Z a-z 0-9 -`, compared case-sensitively. */
export const DiscountId = t.brand(
  t.string,
  (value): value is t.Branded<string, DiscountIdBrand> => identifierPattern.test(value),
  "DiscountId",
);
export type DiscountId = t.TypeOf<typeof DiscountId>;

interface OtpCodeBrand {
  readonly OtpCode: unique symbol;
}
/** What the card holder pastes into the shop's discount field: 11 characters of `A–Z 0–9`. */
export const OtpCode = t.brand(
  t.string,
  (value): value is t.Branded<string, OtpCodeBrand> => otpCodePattern.test(value),
  "OtpCode",
);
export type OtpCode = t.TypeOf<typeof OtpCode>;
