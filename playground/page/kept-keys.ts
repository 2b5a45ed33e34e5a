/**
 * Keeps the keys that the page made on the local host's own store over a reload, so that a key that somebody copied
 * into a shop keeps working. The browser keeps them for each origin. They are worthless once the local host and its
 * store end.
 */
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { ApiKeyBody } from "../../shared/http/bodies";
import type { KeyType } from "./api";

const storageName = "cgn-otp.keys";

/** By merchant. */
const KeptKeys = t.record(t.string, t.partial({ primary: ApiKeyBody, secondary: ApiKeyBody }));
type KeptKeys = t.TypeOf<typeof KeptKeys>;

/** Nothing when the browser has no entry, or the entry is not this page's. */
const readAll = (): KeptKeys => {
  const keys = E.tryCatch((): unknown => JSON.parse(localStorage.getItem(storageName) ?? "{}"), String);
  return E.isRight(keys) && KeptKeys.is(keys.right) ? keys.right : {};
};

export const findKeptKey = (merchantId: string, keyType: KeyType): ApiKeyBody | undefined =>
  readAll()[merchantId]?.[keyType];

/** Does nothing when the browser has no storage. Then the page forgets the key at a reload. */
export const keepKey = (merchantId: string, keyType: KeyType, key: ApiKeyBody): void => {
  const keys = readAll();
  const text = JSON.stringify({ ...keys, [merchantId]: { ...keys[merchantId], [keyType]: key } });
  E.tryCatch(() => {
    localStorage.setItem(storageName, text);
  }, String);
};
