import type { ApiKeyBody } from "../../shared/http/bodies";
import type { KeyType } from "./api";
import type { Merchant } from "./merchants";

/** A key in the portal, and in the settings of the shop's server. */
export interface Key {
  /** The key that the portal generated last. */
  issued: ApiKeyBody | undefined;
  /**
   * The key in the settings of the shop's server. After a regeneration this is the replaced key, until it gets the new.
   */
  given: string | undefined;
  isRegenerating: boolean;
}

/**
 * An example shop as the page plays it: the merchant's profile in the portal, and the settings of the shop's server.
 */
export interface Shop {
  readonly merchant: Merchant;
  readonly keys: Readonly<Record<KeyType, Key>>;
  keyInUse: KeyType;
  /** Resolves when the shop has its first keys, or could not get them. */
  ready: Promise<void>;
}

const noKey = (): Key => ({ issued: undefined, given: undefined, isRegenerating: false });

export const makeShop = (merchant: Merchant): Shop => ({
  merchant,
  keys: { primary: noKey(), secondary: noKey() },
  keyInUse: "primary",
  ready: Promise.resolve(),
});

/** The key with which the shop's server makes its calls, once it has its first keys. */
export const keyInUseOf = async (shop: Shop): Promise<string | undefined> => {
  await shop.ready;
  return shop.keys[shop.keyInUse].given;
};
