import { testDiscountId } from "../../shared/domain/test-codes";
import type { Language } from "./messages";

type Translated = Readonly<Record<Language, string>>;

/** An offer, as the app lists it and the shop knows it. */
export interface Discount {
  readonly id: string;
  readonly name: Translated;
  readonly percent: number;
}

export interface Item {
  readonly name: Translated;
  readonly priceInCents: number;
}

/** An example shop: what it sells, and which discounts it grants to card holders. */
export interface Merchant {
  readonly id: string;
  readonly name: string;
  readonly discounts: readonly Discount[];
  readonly cart: readonly Item[];
}

/** None is `demo-shop`: the commands that `npm start` prints keep using its key. */
export const merchants: readonly [Merchant, ...Merchant[]] = [
  {
    id: "esempio-libreria",
    name: "Libreria Il Segnalibro",
    discounts: [
      { id: "libri-15", percent: 15, name: { it: "15% sui libri", en: "15% off books" } },
      {
        id: "universita-25",
        percent: 25,
        name: { it: "25% per chi va all'università", en: "25% off for university students" },
      },
    ],
    cart: [
      { name: { it: "Romanzo", en: "Novel" }, priceInCents: 1490 },
      { name: { it: "Guida di Roma", en: "Guide to Rome" }, priceInCents: 1850 },
      { name: { it: "Taccuino", en: "Notebook" }, priceInCents: 690 },
    ],
  },
  {
    id: "esempio-cinema",
    name: "Cinema Aurora",
    discounts: [{ id: "cinema-30", percent: 30, name: { it: "30% al cinema", en: "30% off at the cinema" } }],
    cart: [
      { name: { it: "Due biglietti, sabato sera", en: "Two tickets, Saturday night" }, priceInCents: 1900 },
      { name: { it: "Popcorn", en: "Popcorn" }, priceInCents: 450 },
    ],
  },
  {
    id: "esempio-viaggi",
    name: "Meridiana Viaggi",
    discounts: [
      {
        id: "treni-20",
        percent: 20,
        name: { it: "20% su treni e ostelli", en: "20% off trains and hostels" },
      },
    ],
    cart: [
      { name: { it: "Treno Roma–Lecce", en: "Train from Rome to Lecce" }, priceInCents: 5990 },
      { name: { it: "Due notti in ostello", en: "Two nights in a hostel" }, priceInCents: 6400 },
    ],
  },
];

/** The discount of the test codes, which each shop grants while it uses its test key. */
export const testDiscount: Discount = {
  id: testDiscountId,
  percent: 10,
  name: { it: "10% di prova", en: "10% as a test" },
};

export const subtotalOf = (cart: readonly Item[]): number =>
  cart.reduce((sum, { priceInCents }) => sum + priceInCents, 0);

/** What a discount takes off a cart, in whole cents. */
export const reductionOf = (cart: readonly Item[], { percent }: Discount): number =>
  Math.round((subtotalOf(cart) * percent) / 100);
