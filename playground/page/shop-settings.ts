/**
 * The keys in the settings of each shop's server. This page plays that server too, and without its key the shop could
 * do nothing after a reload. So the browser keeps these keys for each origin, as a real server keeps its settings. The
 * portal reads none of them: which keys are in force it knows from ListApiKeys alone, and it shows a key only when the
 * key was just made. On the local host's own store these keys are worthless once that store ends. In a store that the
 * settings name they are not kept.
 */
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import type { KeyType } from "./api";

const storageName = "cgn-otp.keys";

/** By merchant. */
const ShopSettings = t.record(
  t.string,
  t.partial({ primary: t.string, secondary: t.string, test: t.string }),
);
type ShopSettings = t.TypeOf<typeof ShopSettings>;

/** Nothing when the browser has no entry, or the entry is not this page's. */
const readAll = (): ShopSettings => {
  const settings = E.tryCatch((): unknown => JSON.parse(localStorage.getItem(storageName) ?? "{}"), String);
  return E.isRight(settings) && ShopSettings.is(settings.right) ? settings.right : {};
};

export const findGivenKey = (merchantId: string, keyType: KeyType): string | undefined =>
  readAll()[merchantId]?.[keyType];

/** Does nothing when the browser has no storage. Then the page forgets the key at a reload. */
export const keepGivenKey = (merchantId: string, keyType: KeyType, apiKey: string): void => {
  const settings = readAll();
  const text = JSON.stringify({
    ...settings,
    [merchantId]: { ...settings[merchantId], [keyType]: apiKey },
  });
  E.tryCatch(() => {
    localStorage.setItem(storageName, text);
  }, String);
};
