import type { Api } from "./api";
import type { Locale } from "./messages";
import type { Shop } from "./shop";
import type { StoreKind } from "./store-kind";

/** The state and functions that the panels share. */
export interface Page {
  readonly api: Api;
  readonly locale: () => Locale;
  /** The shop whose checkout and profile are on the page. */
  readonly shop: () => Shop;
  readonly shops: readonly Shop[];
  /** Undefined until the local host has answered. */
  readonly storeKind: () => StoreKind | undefined;
  chooseShop(merchantId: string): void;
  /** Renders every panel with the current state. */
  render(): void;
}

/** A part of the page. It changes its state, and then has the whole page rendered. */
export interface Panel {
  render(): void;
}
