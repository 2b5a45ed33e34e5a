import type { ApiKey, KeyType } from "./api";
import type { Merchant } from "./merchants";

/** An example shop as the page plays it: the merchant's profile in the portal, and the settings of the shop's server. */
export interface Shop {
  readonly merchant: Merchant;
  /** What the portal generated last. */
  readonly issued: Map<KeyType, ApiKey>;
  /** What the shop's server has been given: after a regeneration, the replaced key until it gets the new one. */
  readonly given: Map<KeyType, string>;
  keyInUse: KeyType;
  /** Resolves when the shop has got its first keys, or could not get them. Undefined until it is chosen. */
  ready: Promise<void> | undefined;
}

export const makeShop = (merchant: Merchant): Shop => ({
  merchant,
  issued: new Map(),
  given: new Map(),
  keyInUse: "primary",
  ready: undefined,
});

/** The key with which the shop's server makes its calls, once it has got its first ones. */
export const keyInUseOf = async (shop: Shop): Promise<string | undefined> => {
  await shop.ready;
  return shop.given.get(shop.keyInUse);
};
