/** The states of a cart on its way to an order. This file knows neither the page nor the service. */
import type { ValidationBody } from "../../shared/http/bodies";
import type { Answer } from "./api";
import { normalizeCode } from "./code";
import { reductionOf, subtotalOf, type Discount, type Merchant } from "./merchants";
import { explain, type Notice } from "./notices";

/** A code that the service found valid, and what it is worth in this shop. */
export interface Granted {
  readonly code: string;
  readonly discount: Discount;
}

interface Paying {
  readonly tag: "paying";
  readonly granted: Granted;
  readonly isRetry: boolean;
}

export type Stage =
  | { readonly tag: "open"; readonly isCodeRefused: boolean }
  /** The shop asks the service about the code. Until it answers, an earlier grant stays in force. */
  | { readonly tag: "asking"; readonly granted: Granted | undefined }
  | { readonly tag: "applied"; readonly granted: Granted }
  | Paying
  /** Nobody knows the outcome of a payment. Only a retry of the same call can show it. */
  | { readonly tag: "unsettled"; readonly granted: Granted }
  | { readonly tag: "paid"; readonly granted: Granted | undefined };

export interface Cart {
  readonly idempotencyKey: string;
  /** The text in the field for the code. */
  readonly typed: string;
  readonly stage: Stage;
  readonly notices: readonly Notice[];
}

/** A cart that is being paid does not change until the outcome of the payment is known. */
export interface PayingCart extends Cart {
  readonly stage: Paying;
}

export const makeCart = (idempotencyKey: string, typed = ""): Cart => ({
  idempotencyKey,
  typed,
  stage: { tag: "open", isCodeRefused: false },
  notices: [],
});

/** The code as the customer meant it. */
export const codeIn = ({ typed }: Cart): string => normalizeCode(typed);

export const grantedIn = ({ stage }: Cart): Granted | undefined =>
  stage.tag === "open" ? undefined : stage.granted;

export const reductionIn = (cart: Cart, { cart: items }: Merchant): number => {
  const granted = grantedIn(cart);
  return granted === undefined ? 0 : reductionOf(items, granted.discount);
};

export const totalIn = (cart: Cart, merchant: Merchant): number =>
  subtotalOf(merchant.cart) - reductionIn(cart, merchant);

/** Whether the customer may try another code: not while the outcome of a payment with the last one is unknown. */
export const isOpen = ({ stage }: Cart): boolean =>
  stage.tag === "open" || stage.tag === "asking" || stage.tag === "applied";

const at = (cart: Cart, stage: Stage, ...notices: readonly Notice[]): Cart => ({ ...cart, stage, notices });

export const typeCode = (cart: Cart, typed: string): Cart => makeCart(cart.idempotencyKey, typed);

export const ask = (cart: Cart): Cart => at(cart, { tag: "asking", granted: grantedIn(cart) });

export const pay = (cart: Cart, granted: Granted): PayingCart => ({
  ...cart,
  stage: { tag: "paying", granted, isRetry: cart.stage.tag === "unsettled" },
  notices: [],
});

/** Pays the full price, which needs no call. */
export const payInFull = (cart: Cart, merchant: Merchant): Cart => {
  if (codeIn(cart) !== "") {
    return at(cart, cart.stage, { level: "warning", text: ({ messages }) => messages.notApplied });
  }
  return confirm(cart, merchant, undefined, false);
};

const confirm = (cart: Cart, merchant: Merchant, granted: Granted | undefined, isRetry: boolean): Cart => {
  const paid = at(cart, { tag: "paid", granted });
  const total = totalIn(paid, merchant);
  const notice: Notice = {
    level: "success",
    text: ({ messages, formatPrice }) => (isRetry ? messages.paidOnRetry : messages.paid)(formatPrice(total)),
  };
  return { ...paid, notices: [notice] };
};

export const afterAsking = (
  cart: Cart,
  merchant: Merchant,
  answer: Answer<ValidationBody>,
  apiKey: string | undefined,
): Cart => {
  if (answer.tag !== "answered") {
    return at(cart, { tag: "open", isCodeRefused: isOfCode(answer) }, ...explainToShop(answer, apiKey));
  }
  const { discount_id, expires_at } = answer.value;
  const discount = merchant.discounts.find(({ id }) => id === discount_id);
  if (discount === undefined) {
    return at(
      cart,
      { tag: "open", isCodeRefused: true },
      {
        level: "warning",
        text: ({ messages }) => messages.otherDiscount,
      },
    );
  }
  return at(
    cart,
    { tag: "applied", granted: { code: codeIn(cart), discount } },
    {
      level: "success",
      text: ({ messages, language, formatTime }) =>
        messages.applied(discount.name[language], formatTime(new Date(expires_at))),
    },
  );
};

export const afterPaying = (
  cart: PayingCart,
  merchant: Merchant,
  answer: Answer<ValidationBody>,
  apiKey: string | undefined,
): Cart => {
  const { granted, isRetry } = cart.stage;
  if (answer.tag === "answered") {
    return confirm(cart, merchant, granted, isRetry);
  }
  if (answer.tag === "lost") {
    return at(
      cart,
      { tag: "unsettled", granted },
      { level: "warning", text: ({ messages }) => messages.answerLost },
    );
  }
  // After a failure of the service, nobody knows whether the code was used. A refused key says nothing about the code:
  // the cart keeps it for the next try, and an unknown outcome stays unknown.
  const { status } = answer.problem;
  const stage: Stage =
    status >= 500 || (isRetry && status === 401)
      ? { tag: "unsettled", granted }
      : status === 401
        ? { tag: "applied", granted }
        : { tag: "open", isCodeRefused: true };
  return at(cart, stage, ...explainToShop(answer, apiKey));
};

type NotAnswered = Exclude<Answer<ValidationBody>, { tag: "answered" }>;

/** Whether the service refused the code. It did not if it refused the shop's key, or failed. */
const isOfCode = (answer: NotAnswered): boolean =>
  answer.tag === "refused" && answer.problem.status !== 401 && answer.problem.status < 500;

const explainToShop = (answer: NotAnswered, apiKey: string | undefined): readonly Notice[] =>
  answer.tag === "refused" && answer.problem.status === 401
    ? [
        explain(answer),
        {
          level: "info",
          text: ({ messages }) => (apiKey === undefined ? messages.keyMissing : messages.keyRefused),
        },
      ]
    : [explain(answer)];
