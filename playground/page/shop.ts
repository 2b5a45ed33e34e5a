import type { ApiKeyBody } from "../../shared/http/bodies";
import type { KeyType } from "./api";
import type { Merchant } from "./merchants";

/** A key in the portal, and in the settings of the shop's server. */
export interface Key {
  /** What the portal generated last. */
  issued: ApiKeyBody | undefined;
  /** What the shop's server has been given: after a regeneration, the replaced key until it gets the new one. */
  given: string | undefined;
  isRegenerating: boolean;
}

/** An example shop as the page plays it: the merchant's profile in the portal, and the settings of the shop's server. */
export interface Shop {
  readonly merchant: Merchant;
  readonly keys: Readonly<Record<KeyType, Key>>;
  keyInUse: KeyType;
  /** Resolves when the shop has got its first keys, or could not get them. */
  ready: Promise<void>;
}

const noKey = (): Key => ({ issued: undefined, given: undefined, isRegenerating: false });

export const makeShop = (merchant: Merchant): Shop => ({
  merchant,
  keys: { primary: noKey(), secondary: noKey() },
  keyInUse: "primary",
  ready: Promise.resolve(),
});

/** The key with which the shop's server makes its calls, once it has got its first ones. */
export const keyInUseOf = async (shop: Shop): Promise<string | undefined> => {
  await shop.ready;
  return shop.keys[shop.keyInUse].given;
};
