/**
 * The keys that the page made on the local host's own store, kept over a reload: a key that was copied into a shop goes on
 * working. A browser keeps them for each origin. They open nothing once the local host has ended, and its store with it.
 */
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { ApiKeyBody } from "../../shared/http/bodies";
import type { KeyType } from "./api";

const storageName = "cgn-otp.keys";

/** By merchant. */
const KeptKeys = t.record(t.string, t.partial({ primary: ApiKeyBody, secondary: ApiKeyBody }));
type KeptKeys = t.TypeOf<typeof KeptKeys>;

/** Nothing where the browser keeps nothing, or somebody else's text. */
const readAll = (): KeptKeys => {
  const keys = E.tryCatch((): unknown => JSON.parse(localStorage.getItem(storageName) ?? "{}"), String);
  return E.isRight(keys) && KeptKeys.is(keys.right) ? keys.right : {};
};

export const findKeptKey = (merchantId: string, keyType: KeyType): ApiKeyBody | undefined =>
  readAll()[merchantId]?.[keyType];

/** Does nothing where the browser keeps nothing: the key lives as long as the page then. */
export const keepKey = (merchantId: string, keyType: KeyType, key: ApiKeyBody): void => {
  const keys = readAll();
  const text = JSON.stringify({ ...keys, [merchantId]: { ...keys[merchantId], [keyType]: key } });
  E.tryCatch(() => {
    localStorage.setItem(storageName, text);
  }, String);
};
