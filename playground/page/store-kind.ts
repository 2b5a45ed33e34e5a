/** Which store the service uses, according to the local host. */
import * as t from "io-ts";

const StoreNotice = t.type({ store: t.keyof({ own: null, named: null }) });

/** `own` ends with the local host. `named` is the account in the settings, where others may have keys. */
export type StoreKind = t.TypeOf<typeof StoreNotice>["store"];

/** Without an answer the page assumes `named`, because there it writes nothing unasked. */
export const readStoreKind = async (): Promise<StoreKind> => {
  try {
    const response = await fetch("/playground/store.json");
    const notice: unknown = await response.json();
    return StoreNotice.is(notice) ? notice.store : "named";
  } catch {
    return "named";
  }
};
