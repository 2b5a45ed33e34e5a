/** Every text of the playground, in a file for each language. The type makes sure that both have the same ones. */
import type { Language } from "./shop";
import en from "./texts.en.json";
import it from "./texts.it.json";

export type Texts = typeof it;

const texts: Readonly<Record<Language, Texts>> = { it, en };
const locales: Readonly<Record<Language, string>> = { it: "it-IT", en: "en-IE" };

/** Puts values in the place of their names in braces. */
export const fill = (text: string, values: Readonly<Record<string, string | number>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(values[name]));

/** What depends on the reader's language. */
export interface Locale {
  readonly language: Language;
  readonly texts: Texts;
  readonly formatPrice: (cents: number) => string;
  readonly formatTime: (date: number) => string;
  readonly formatDateTime: (date: number) => string;
}

export const makeLocale = (language: Language): Locale => {
  const locale = locales[language];
  const prices = new Intl.NumberFormat(locale, { style: "currency", currency: "EUR" });
  const times = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
  const dateTimes = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  return {
    language,
    texts: texts[language],
    formatPrice: (cents) => prices.format(cents / 100),
    formatTime: (date) => times.format(date),
    formatDateTime: (date) => dateTimes.format(date),
  };
};
