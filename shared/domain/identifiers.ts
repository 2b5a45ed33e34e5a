/** The identifiers of the contract. Each codec brands what it accepts, so no other string passes for a `MerchantId`. */
import * as t from "io-ts";

export type Identifier<Name extends string> = t.Branded<string, Readonly<Record<Name, symbol>>>;

export const makeIdentifier = <Name extends string>(
  name: Name,
  pattern: RegExp,
): t.BrandC<t.StringC, Readonly<Record<Name, symbol>>> =>
  t.brand(t.string, (value): value is Identifier<Name> => pattern.test(value), name);

/**
 * The beneficiary: an Italian fiscal code (codice fiscale), upper case, omocodia letters included
 * (art. 6 D.M. 23 December 1976: a digit shared by two people is replaced by one of `LMNPQRSTUV`).
 */
export const FiscalCode = makeIdentifier(
  "FiscalCode",
  /^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$/,
);
export type FiscalCode = t.TypeOf<typeof FiscalCode>;

const contractIdentifier = /^[A-Za-z0-9-]{1,64}$/;

export const MerchantId = makeIdentifier("MerchantId", contractIdentifier);
export type MerchantId = t.TypeOf<typeof MerchantId>;

export const DiscountId = makeIdentifier("DiscountId", contractIdentifier);
export type DiscountId = t.TypeOf<typeof DiscountId>;

export const OtpCode = makeIdentifier("OtpCode", /^[A-Z0-9]{11}$/);
export type OtpCode = t.TypeOf<typeof OtpCode>;
