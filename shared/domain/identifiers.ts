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

/** The shop that grants the discount: 1–64 of `A-Z a-z 0-9 -`, compared case-sensitively. */
export const MerchantId = makeIdentifier("MerchantId", contractIdentifier);
export type MerchantId = t.TypeOf<typeof MerchantId>;

/** One offer of one merchant: 1–64 of `A-Z a-z 0-9 -`, compared case-sensitively. */
export const DiscountId = makeIdentifier("DiscountId", contractIdentifier);
export type DiscountId = t.TypeOf<typeof DiscountId>;

/** What the card holder pastes into the shop's discount field: 11 characters of `A–Z 0–9`. */
export const OtpCode = makeIdentifier("OtpCode", /^[A-Z0-9]{11}$/);
export type OtpCode = t.TypeOf<typeof OtpCode>;
