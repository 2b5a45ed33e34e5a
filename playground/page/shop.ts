/** The example shop: what it sells, and the discounts that it grants to card holders. */
import { testDiscountId } from "../../shared/domain/test-codes";

export type Language = "it" | "en";
type Translated = Readonly<Record<Language, string>>;

export interface Discount {
  readonly id: string;
  readonly name: Translated;
  readonly percent: number;
}

/** Not `demo-shop`: the commands that `npm start` prints keep using its key. */
export const merchantId = "esempio-libreria";
export const shopName = "Libreria Il Segnalibro";
export const cardDiscount: Discount = {
  id: "libri-15",
  percent: 15,
  name: { it: "15% sui libri", en: "15% off books" },
};
const testDiscount: Discount = {
  id: testDiscountId,
  percent: 10,
  name: { it: "10% di prova", en: "10% as a test" },
};

export const findDiscount = (id: string | undefined): Discount | undefined =>
  [cardDiscount, testDiscount].find((each) => each.id === id);

export const items: readonly { readonly name: Translated; readonly cents: number }[] = [
  { name: { it: "Romanzo", en: "Novel" }, cents: 1490 },
  { name: { it: "Guida di Roma", en: "Guide to Rome" }, cents: 1850 },
  { name: { it: "Taccuino", en: "Notebook" }, cents: 690 },
];
export const subtotalCents = items.reduce((sum, { cents }) => sum + cents, 0);
