/** The shop's checkout: a cart, a field for the code, and a payment that uses the code. */
import {
  afterAsking,
  afterPaying,
  ask,
  codeIn,
  grantedIn,
  isOpen,
  makeCart,
  pay,
  payInFull,
  reductionIn,
  totalIn,
  typeCode,
  type Cart,
} from "./cart";
import { byId, make, reveal, setBusy, setChildren, setText } from "./dom";
import { subtotalOf, testDiscount, type Merchant } from "./merchants";
import type { Locale } from "./messages";
import { showNotices } from "./notices";
import type { Page, Panel } from "./page";
import { keyInUseOf, type Shop } from "./shop";

export interface Checkout extends Panel {
  /** Puts a code in the field, as if the customer pasted it. */
  enterCode(merchantId: string, code: string): void;
  /** The cart of the shop on the page. */
  cart(): Cart;
}

const startCart = (typed?: string): Cart => makeCart(`cart-${crypto.randomUUID()}`, typed);

/** While a shop uses its test key, it knows the discount of the test codes. */
const merchantOf = ({ merchant, isTesting }: Shop): Merchant =>
  isTesting ? { ...merchant, discounts: [testDiscount] } : merchant;

/** @param whenUsed is called with each code that was used. */
export const makeCheckout = (page: Page, whenUsed: (code: string) => void): Checkout => {
  /** Each shop has its own cart. Calls for one cart go on while the page shows another. */
  const carts = new Map<Shop, Cart>();
  const cartOf = (shop: Shop): Cart => {
    const cart = carts.get(shop) ?? startCart();
    carts.set(shop, cart);
    return cart;
  };

  const select = byId("shop", HTMLSelectElement);
  const field = byId("code-field", HTMLInputElement);
  const applyButton = byId("apply", HTMLButtonElement);
  const payButton = byId("pay", HTMLButtonElement);
  const newCart = byId("new-cart", HTMLButtonElement);
  const toPortal = byId("to-portal", HTMLAnchorElement);
  const loseAnswer = byId("lose-answer", HTMLInputElement);
  const useTestKey = byId("use-test-key", HTMLInputElement);

  select.append(...page.shops.map(({ merchant }) => make("option", { value: merchant.id }, merchant.name)));
  select.addEventListener("change", () => {
    page.chooseShop(select.value);
  });
  field.addEventListener("input", () => {
    change(page.shop(), typeCode(cartOf(page.shop()), field.value));
  });
  byId("code-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void apply(page.shop());
  });
  payButton.addEventListener("click", () => {
    void settle(page.shop());
  });
  newCart.addEventListener("click", ({ detail }) => {
    // This button replaces the pay button. The second click of a double click there must not count here.
    if (detail <= 1) {
      change(page.shop(), startCart());
      field.focus();
    }
  });
  toPortal.addEventListener("click", (event) => {
    if (event.detail > 1) {
      event.preventDefault();
    }
  });

  useTestKey.addEventListener("change", () => {
    page.shop().isTesting = useTestKey.checked;
    change(page.shop(), startCart());
    if (useTestKey.checked) {
      reveal(byId("test-codes", HTMLElement));
    }
  });
  const testCodes = Object.keys(page.locale().messages.testCodes).map((code) => {
    const meaning = make("span");
    const choose = make("button", { type: "button" }, make("code", {}, code), " ", meaning);
    choose.addEventListener("click", () => {
      enterCode(page.shop().merchant.id, code);
    });
    byId("test-codes-list", HTMLElement).append(make("li", {}, choose));
    return { code, meaning };
  });

  const change = (shop: Shop, cart: Cart): void => {
    const hadFocus = [applyButton, payButton].some((button) => button === document.activeElement);
    carts.set(shop, cart);
    page.render();
    // If the user moved the focus in the meantime, it stays there.
    if (hadFocus && shop === page.shop()) {
      if (cart.stage.tag === "paid") {
        newCart.focus();
      } else if (cart.stage.tag === "open") {
        field.focus();
      }
    }
    if (shop === page.shop() && cart.notices.length > 0) {
      reveal(payButton, toPortal, byId("cart-total", HTMLElement), byId("checkout-notices", HTMLElement));
    }
  };

  const apply = async (shop: Shop): Promise<void> => {
    const { tag } = cartOf(shop).stage;
    if (tag !== "open" && tag !== "applied") {
      return;
    }
    const asking = ask(cartOf(shop));
    change(shop, asking);
    const apiKey = await keyInUseOf(shop);
    const answer = await page.api.validate(apiKey, codeIn(asking));
    // The customer may have typed another code in the meantime.
    if (cartOf(shop) === asking) {
      change(shop, afterAsking(asking, merchantOf(shop), answer, apiKey));
    }
  };

  const settle = async (shop: Shop): Promise<void> => {
    const cart = cartOf(shop);
    if (cart.stage.tag === "open") {
      change(shop, payInFull(cart, shop.merchant));
      return;
    }
    if (cart.stage.tag !== "applied" && cart.stage.tag !== "unsettled") {
      return;
    }
    const { granted } = cart.stage;
    const paying = pay(cart, granted);
    const use = { idempotencyKey: cart.idempotencyKey, loseAnswer: loseAnswer.checked };
    // Lose one answer only, so that the retry succeeds.
    loseAnswer.checked = false;
    change(shop, paying);
    const apiKey = await keyInUseOf(shop);
    const settled = afterPaying(
      paying,
      shop.merchant,
      await page.api.validate(apiKey, granted.code, use),
      apiKey,
    );
    if (settled.stage.tag === "paid") {
      whenUsed(granted.code);
    }
    change(shop, settled);
  };

  const renderCart = (cart: Cart, { language, messages, formatPrice }: Locale): void => {
    const { merchant } = page.shop();
    const row = (name: string, cents: number, className = ""): HTMLElement =>
      make(
        "tr",
        { class: className },
        make("th", { scope: "row" }, name),
        make("td", {}, formatPrice(cents)),
      );
    const granted = grantedIn(cart);
    setChildren(
      byId("cart-items", HTMLElement),
      merchant.cart.map(({ name, priceInCents }) => row(name[language], priceInCents)),
    );
    setChildren(byId("cart-total", HTMLElement), [
      ...(granted === undefined
        ? []
        : [
            row(messages.subtotal, subtotalOf(merchant.cart)),
            row(granted.discount.name[language], -reductionIn(cart, merchant), "reduction"),
          ]),
      row(messages.total, totalIn(cart, merchant), "total"),
    ]);
  };

  const enterCode = (merchantId: string, code: string): void => {
    if (page.shop().merchant.id !== merchantId) {
      page.chooseShop(merchantId);
    }
    const shop = page.shop();
    const cart = cartOf(shop);
    if (cart.stage.tag === "paid") {
      change(shop, startCart(code));
    } else if (isOpen(cart)) {
      change(shop, typeCode(cart, code));
    }
    // An unsettled payment comes first: the focus moves to it, and the code waits in the app.
    (isOpen(cartOf(shop)) ? applyButton : payButton).focus();
  };

  const renderTest = ({ isTesting, keys }: Shop, cart: Cart, locale: Locale): void => {
    const { messages } = locale;
    const hasTestKey = keys.test.given !== undefined;
    useTestKey.checked = isTesting;
    // The outcome of a payment can only be learned with a key of the same kind.
    const hasToWait = !isOpen(cart) && cart.stage.tag !== "paid";
    useTestKey.disabled = (!hasTestKey && !isTesting) || hasToWait;
    setText(
      byId("use-test-key-hint", HTMLElement),
      !hasTestKey && !isTesting
        ? messages.noTestKey
        : hasToWait
          ? messages.testKeyWaits
          : messages.useTestKeyHint,
    );
    byId("checkout", HTMLElement).classList.toggle("is-testing", isTesting);
    showNotices(
      byId("test-mark", HTMLElement),
      isTesting ? [{ level: "warning", text: () => messages.testMark }] : [],
      locale,
    );
    byId("test-codes", HTMLElement).hidden = !isTesting;
    const meanings: Readonly<Record<string, string>> = messages.testCodes;
    for (const { code, meaning } of testCodes) {
      setText(meaning, meanings[code] ?? "");
    }
  };

  return {
    enterCode,
    cart: () => cartOf(page.shop()),
    render: () => {
      const locale = page.locale();
      const { messages, formatPrice } = locale;
      const { merchant } = page.shop();
      const cart = cartOf(page.shop());
      const { stage } = cart;
      select.value = merchant.id;
      renderCart(cart, locale);
      renderTest(page.shop(), cart, locale);
      setText(byId("idempotency-key", HTMLElement), cart.idempotencyKey);
      // An assignment would move the cursor to the end, so assign only a different text.
      if (field.value !== cart.typed) {
        field.value = cart.typed;
      }
      field.readOnly = !isOpen(cart);
      const isRefused = stage.tag === "open" && stage.isCodeRefused;
      field.ariaInvalid = String(isRefused);
      field.classList.toggle("is-invalid", isRefused);
      byId("code-form", HTMLFormElement).hidden = stage.tag === "paid";
      loseAnswer.disabled = stage.tag !== "applied" && stage.tag !== "unsettled";
      setText(
        byId("lose-answer-hint", HTMLElement),
        grantedIn(cart) === undefined || stage.tag === "paid"
          ? messages.loseAnswerNeeds
          : messages.loseAnswerHint,
      );
      applyButton.hidden = !isOpen(cart);
      setBusy(applyButton, stage.tag === "asking");
      payButton.hidden = stage.tag === "paid";
      setBusy(payButton, stage.tag === "paying", stage.tag === "paying" || stage.tag === "asking");
      setText(
        payButton,
        stage.tag === "unsettled" || (stage.tag === "paying" && stage.isRetry)
          ? messages.retry
          : messages.pay(formatPrice(totalIn(cart, merchant))),
      );
      newCart.hidden = stage.tag !== "paid";
      toPortal.hidden = stage.tag !== "paid" || page.shop().isTesting;
      showNotices(byId("checkout-notices", HTMLElement), cart.notices, locale);
    },
  };
};
