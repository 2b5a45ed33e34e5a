/** Shows which step of the story comes next, and stresses the one button that leads on. */
import { keyTypes, type KeyType } from "./api";
import { codeIn, type Cart } from "./cart";
import { byId } from "./dom";
import type { Page, Panel } from "./page";
import type { Shop } from "./shop";

/** The elements that can lead on, by their ids. */
type Action =
  | "generate"
  | "use-at-checkout"
  | "apply"
  | "pay"
  | "new-cart"
  | "to-portal"
  | "ask-for-keys-button"
  | `${KeyType}-give`;

/** The step to which each of them belongs. */
const stepOf: Readonly<Record<Action, 1 | 2 | 3>> = {
  generate: 1,
  "use-at-checkout": 2,
  apply: 2,
  pay: 2,
  "new-cart": 2,
  "to-portal": 3,
  "ask-for-keys-button": 3,
  "primary-give": 3,
  "secondary-give": 3,
  "test-give": 3,
};

export interface Situation {
  readonly shop: Shop;
  /** The shop's cart. */
  readonly cart: Cart;
  /** The app shows a code that is live. */
  readonly hasLiveCode: boolean;
  /** The shop gets no keys before the user asks for them. */
  readonly hasToAsk: boolean;
}

/** What leads on. Undefined while the shop tries its test codes, of which none comes before the others. */
const nextIn = ({
  shop: { keys, isTesting },
  cart,
  hasLiveCode,
  hasToAsk,
}: Situation): Action | undefined => {
  const { stage } = cart;
  const fresh = keyTypes.find((keyType) => keys[keyType].fresh !== undefined);
  if (fresh !== undefined) {
    return `${fresh}-give`;
  }
  if (stage.tag === "applied" || stage.tag === "paying" || stage.tag === "unsettled") {
    return "pay";
  }
  if (stage.tag === "asking" || (stage.tag === "open" && codeIn(cart) !== "" && !stage.isCodeRefused)) {
    return hasToAsk ? "ask-for-keys-button" : "apply";
  }
  if (isTesting) {
    return stage.tag === "paid" ? "new-cart" : undefined;
  }
  return hasLiveCode ? "use-at-checkout" : stage.tag === "paid" ? "to-portal" : "generate";
};

export const makeStory = (page: Page, situation: () => Omit<Situation, "shop">): Panel => {
  const buttons = Object.keys(stepOf).map((id) => byId(id, HTMLElement));
  const steps = ([1, 2, 3] as const).map((step) => ({
    step,
    link: byId(`step-${step}`, HTMLAnchorElement),
  }));
  return {
    render: () => {
      const next = nextIn({ ...situation(), shop: page.shop() });
      for (const button of buttons) {
        button.classList.toggle("btn-primary", button.id === next);
        button.classList.toggle("btn-outline-primary", button.id !== next);
      }
      const current = next === undefined ? 2 : stepOf[next];
      for (const { step, link } of steps) {
        link.ariaCurrent = step === current ? "step" : null;
        link.classList.toggle("is-done", step < current);
      }
    },
  };
};
