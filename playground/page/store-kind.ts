/** Whose store the service uses, as the local host says. */
import * as t from "io-ts";

const StoreNotice = t.type({ store: t.keyof({ own: null, named: null }) });

/** `own` ends with the local host. `named` is an account of the settings, where others may have keys. */
export type StoreKind = t.TypeOf<typeof StoreNotice>["store"];

/** Without an answer it is taken for `named`, where nothing is written unasked. */
export const readStoreKind = async (): Promise<StoreKind> => {
  try {
    const response = await fetch("/playground/store.json");
    const notice: unknown = await response.json();
    return StoreNotice.is(notice) ? notice.store : "named";
  } catch {
    return "named";
  }
};
