/** The shop's checkout: a cart, a field for the code, and a payment that uses the code up. */
import type { Answer, Validation } from "./api";
import { byId, make, setChildren, setText, showNotices, toNotice } from "./dom";
import type { Notice } from "./dom";
import type { Locale } from "./messages";
import { reductionOf, subtotalOf } from "./merchants";
import type { Discount } from "./merchants";
import type { Page, Panel } from "./page";

/** A cart on its way to an order. */
interface Cart {
  readonly idempotencyKey: string;
  /** A code that the service found valid, and what it is worth in this shop. */
  granted: { readonly code: string; readonly discount: Discount } | undefined;
  /** A payment was made of which it is not known what it came to: only the same call again can tell. */
  unsettled: boolean;
  paid: boolean;
}

const makeCart = (): Cart => ({
  idempotencyKey: `cart-${crypto.randomUUID()}`,
  granted: undefined,
  unsettled: false,
  paid: false,
});

export interface Checkout extends Panel {
  /** Puts a code in the field, as if it were pasted there. */
  enterCode(merchantId: string, code: string): void;
}

export const makeCheckout = (page: Page): Checkout => {
  let cart = makeCart();
  let notices: readonly Notice[] = [];
  let calling = false;

  const select = byId("shop", HTMLSelectElement);
  const field = byId("code-field", HTMLInputElement);
  const apply = byId("apply", HTMLButtonElement);
  const pay = byId("pay", HTMLButtonElement);
  const newCart = byId("new-cart", HTMLButtonElement);
  const loseAnswer = byId("lose-answer", HTMLInputElement);

  select.append(...page.shops.map(({ merchant }) => make("option", { value: merchant.id }, merchant.name)));
  select.addEventListener("change", () => {
    startCart(select.value);
  });
  field.addEventListener("input", () => {
    cart.granted = undefined;
    notices = [];
    page.render();
  });
  byId("code-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void once(ask);
  });
  pay.addEventListener("click", () => {
    void once(settle);
  });
  newCart.addEventListener("click", () => {
    startCart(page.shop().merchant.id);
    field.focus();
  });

  const startCart = (merchantId: string): void => {
    cart = makeCart();
    notices = [];
    field.value = "";
    page.chooseShop(merchantId);
  };

  /** A second click while the first is at work does nothing. */
  const once = async (task: () => Promise<void>): Promise<void> => {
    if (calling) {
      return;
    }
    calling = true;
    page.render();
    await task();
    calling = false;
    page.render();
  };

  /** The code as the customer meant it: people paste spaces too, and small letters. */
  const typedCode = (): string => field.value.replaceAll(/\s/g, "").toUpperCase();

  /** The key that the shop's server has been given. */
  const apiKey = async (): Promise<string | undefined> => {
    const shop = page.shop();
    await shop.ready;
    return shop.given.get(shop.keyInUse);
  };

  const ask = async (): Promise<void> => {
    const asked = cart;
    const code = typedCode();
    const answer = await page.api.validate(await apiKey(), code);
    if (asked !== cart || typedCode() !== code) {
      return; // The customer did something else in the meantime.
    }
    cart.granted = undefined;
    if (answer.tag !== "answered") {
      notices = explain(answer);
      return;
    }
    const { discount_id, expires_at } = answer.value;
    const discount = page.shop().merchant.discounts.find(({ id }) => id === discount_id);
    if (discount === undefined) {
      notices = [{ level: "warning", text: ({ messages }) => messages.otherDiscount }];
      return;
    }
    cart.granted = { code, discount };
    notices = [
      {
        level: "success",
        text: ({ messages, language, formatTime }) =>
          messages.applied(discount.name[language], formatTime(new Date(expires_at))),
      },
    ];
  };

  const settle = async (): Promise<void> => {
    const { granted, unsettled } = cart;
    if (granted === undefined && typedCode() !== "") {
      notices = [{ level: "warning", text: ({ messages }) => messages.notApplied }];
      field.focus();
      return;
    }
    if (granted !== undefined) {
      const paying = cart;
      const { idempotencyKey } = cart;
      const use = { idempotencyKey, loseAnswer: loseAnswer.checked };
      // Once: the retry is to be seen to succeed.
      loseAnswer.checked = false;
      const answer = await page.api.validate(await apiKey(), granted.code, use);
      if (paying !== cart) {
        return;
      }
      if (answer.tag === "lost") {
        cart.unsettled = true;
        notices = [{ level: "warning", text: ({ messages }) => messages.answerLost }];
        return;
      }
      if (answer.tag === "refused") {
        // A failure of the service does not tell whether the code was used, and a refused key tells nothing of the
        // code: the cart keeps it for the next try.
        const { status } = answer.problem;
        cart.unsettled = status >= 500 || (unsettled && status === 401);
        cart.granted = status >= 500 || status === 401 ? granted : undefined;
        notices = explain(answer);
        return;
      }
    }
    cart.paid = true;
    const total = totalOf();
    notices = [
      {
        level: "success",
        text: ({ messages, formatPrice }) =>
          unsettled ? messages.paidOnRetry(formatPrice(total)) : messages.paid(formatPrice(total)),
      },
    ];
    page.render();
    newCart.focus();
  };

  const explain = (answer: Exclude<Answer<Validation>, { tag: "answered" }>): readonly Notice[] => {
    if (answer.tag === "lost") {
      return [{ level: "danger", text: ({ messages }) => messages.noAnswer }];
    }
    const refusal = toNotice(answer.problem, answer.language);
    return answer.problem.status === 401
      ? [refusal, { level: "info", text: ({ messages }) => messages.keyRefused }]
      : [refusal];
  };

  const reduction = (): number => {
    const { discount } = cart.granted ?? {};
    return discount === undefined ? 0 : reductionOf(page.shop().merchant.cart, discount);
  };
  const totalOf = (): number => subtotalOf(page.shop().merchant.cart) - reduction();

  const renderCart = ({ language, messages, formatPrice }: Locale): void => {
    const { merchant } = page.shop();
    const row = (name: string, cents: number, className = ""): HTMLElement =>
      make(
        "tr",
        { class: className },
        make("th", { scope: "row" }, name),
        make("td", {}, formatPrice(cents)),
      );
    const { granted } = cart;
    setChildren(
      byId("cart-items", HTMLElement),
      merchant.cart.map(({ name, priceInCents }) => row(name[language], priceInCents)),
    );
    setChildren(byId("cart-total", HTMLElement), [
      ...(granted === undefined
        ? []
        : [
            row(messages.subtotal, subtotalOf(merchant.cart)),
            row(granted.discount.name[language], -reduction(), "reduction"),
          ]),
      row(messages.total, totalOf(), "total"),
    ]);
  };

  return {
    enterCode: (merchantId, code) => {
      if (cart.paid || cart.unsettled || merchantId !== page.shop().merchant.id) {
        startCart(merchantId);
      }
      field.value = code;
      cart.granted = undefined;
      notices = [];
      page.render();
      apply.focus();
    },
    render: () => {
      const locale = page.locale();
      const { messages } = locale;
      select.value = page.shop().merchant.id;
      renderCart(locale);
      setText(byId("idempotency-key", HTMLElement), cart.idempotencyKey);
      const isOpen = !cart.paid && !cart.unsettled;
      field.readOnly = !isOpen || calling;
      byId("code-form", HTMLFormElement).hidden = cart.paid;
      byId("lose-answer-row", HTMLElement).hidden = cart.paid;
      apply.hidden = !isOpen;
      pay.hidden = cart.paid;
      setText(pay, cart.unsettled ? messages.retry : messages.pay(locale.formatPrice(totalOf())));
      newCart.hidden = !cart.paid;
      showNotices(byId("checkout-notices", HTMLElement), notices, locale);
    },
  };
};
