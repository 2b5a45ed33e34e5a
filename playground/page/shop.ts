import type { ApiKeyBody, ApiKeysBody } from "../../shared/http/bodies";
import type { KeyType, ShopKeyType } from "./api";
import type { Merchant } from "./merchants";

/** A key in the portal, and in the settings of the shop's server. */
export interface Key {
  /** The key that was just made, until the shop gets it. The portal shows this one in full, and no other. */
  fresh: ApiKeyBody | undefined;
  /**
   * The key in the settings of the shop's server. After a regeneration this is the replaced key, until it gets the new.
   */
  given: string | undefined;
  /** The `Idempotency-Key` of a regeneration whose outcome nobody knows. With it, a retry is told the key that was made. */
  unsettled: string | undefined;
  /** One call at a time: the answers of two calls could come in the wrong order, and the page would show a dead key. */
  isBusy: boolean;
}

type ListedKey = ApiKeysBody["api_keys"][number];

/** The keys in force, as ListApiKeys told them last. */
export type KeyList =
  | { readonly tag: "unread" }
  | { readonly tag: "read"; readonly apiKeys: readonly ListedKey[] }
  | { readonly tag: "failed" };

/**
 * An example shop as the page plays it: the merchant's profile in the portal, and the settings of the shop's server.
 */
export interface Shop {
  readonly merchant: Merchant;
  readonly keys: Readonly<Record<KeyType, Key>>;
  list: KeyList;
  /** The last reading of the list that was started, until it ends. */
  reading: symbol | undefined;
  keyInUse: ShopKeyType;
  /** The shop uses its test key for the time being. */
  isTesting: boolean;
  /** Resolves when the shop has its first keys, or could not get them. */
  ready: Promise<void>;
}

const noKey = (): Key => ({ fresh: undefined, given: undefined, unsettled: undefined, isBusy: false });

export const makeShop = (merchant: Merchant): Shop => ({
  merchant,
  keys: { primary: noKey(), secondary: noKey(), test: noKey() },
  list: { tag: "unread" },
  reading: undefined,
  keyInUse: "primary",
  isTesting: false,
  ready: Promise.resolve(),
});

/** What the list says of a key. Undefined when it is not in force, and when nobody knows. */
export const findListed = ({ list }: Shop, keyType: KeyType): ListedKey | undefined =>
  list.tag === "read" ? list.apiKeys.find(({ key_type }) => key_type === keyType) : undefined;

export const typeInUseOf = ({ isTesting, keyInUse }: Shop): KeyType => (isTesting ? "test" : keyInUse);

/** The key with which the shop's server makes its calls. It waits for its first keys only. */
export const keyInUseOf = async (shop: Shop): Promise<string | undefined> => {
  const given = (): string | undefined => shop.keys[typeInUseOf(shop)].given;
  if (given() === undefined) {
    await shop.ready;
  }
  return given();
};
