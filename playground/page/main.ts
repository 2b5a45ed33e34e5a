/** The playground: card holder, shop and merchant on one page. It calls the same API as every client. */
import { makeApi, type Api } from "./api";
import { makeAppIo } from "./app-io";
import { makeCheckout } from "./checkout";
import { setText } from "./dom";
import { merchants } from "./merchants";
import { makeLocale, type Language } from "./messages";
import type { Page } from "./page";
import { makePortal } from "./portal";
import { makeShop, type Shop } from "./shop";
import { readStoreKind, type StoreKind } from "./store-kind";
import { makeStory } from "./story";
import { makeTrace } from "./trace";

const languages: readonly Language[] = ["it", "en"];

const [first, ...others] = merchants;
let shop = makeShop(first);
const shops = [shop, ...others.map(makeShop)];

const asked = new URLSearchParams(location.search).get("lang");
let locale = makeLocale(languages.find((language) => language === asked) ?? "it");

let storeKind: StoreKind | undefined;
const whenStoreKindIsKnown = readStoreKind().then((kind) => {
  storeKind = kind;
  page.render();
});

const trace = makeTrace(() => locale);
const spoken = (): Language => locale.language;
const page: Page = {
  api: makeApi(spoken, (call) => trace.add(call)),
  locale: () => locale,
  shop: () => shop,
  shops,
  storeKind: () => storeKind,
  chooseShop: (merchantId) => {
    shop = shops.find(({ merchant }) => merchant.id === merchantId) ?? shop;
    prepare(shop, page.api);
    page.render();
  },
  render: () => {
    for (const panel of [appIo, checkout, portal, trace, story]) {
      panel.render();
    }
  },
};
const checkout = makeCheckout(page, (code) => {
  appIo.setUsed(code);
});
const portal = makePortal(page);
const appIo = makeAppIo(page, (merchantId, code) => {
  checkout.enterCode(merchantId, code);
});

const story = makeStory(page, () => ({
  cart: checkout.cart(),
  hasLiveCode: appIo.hasLiveCode(),
  hasToAsk: portal.hasToAsk(),
}));

/** Reads and makes the shop's keys. This retries a setup that failed before. */
const prepare = (chosen: Shop, api: Api): void => {
  chosen.ready = Promise.all([chosen.ready, whenStoreKindIsKnown]).then(() => portal.open(chosen, api));
};

/** The texts that depend on nothing but the language. `index.html` and the site's template name each of them at its place. */
const renderTexts = (): void => {
  const { language, messages } = locale;
  const texts: Readonly<Record<string, unknown>> = messages;
  document.documentElement.lang = language;
  document.title = messages.pageTitle;
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) {
    const name = element.dataset["text"] ?? "";
    const text = texts[name];
    if (typeof text !== "string") {
      throw new Error(`there is no text named ${name}`);
    }
    setText(element, text);
  }
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-it]")) {
    link.href = link.dataset[language] ?? "";
  }
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[hreflang]")) {
    link.ariaCurrent = link.hreflang === language ? "true" : null;
  }
};

// The template's links would load the page anew, and what the visitor did on it would be gone.
for (const link of document.querySelectorAll<HTMLAnchorElement>("a[hreflang]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    locale = makeLocale(languages.find((language) => language === link.hreflang) ?? "it");
    history.replaceState(null, "", `?lang=${locale.language}`);
    renderTexts();
    page.render();
  });
}
renderTexts();
prepare(
  shop,
  makeApi(spoken, (call) => trace.addOfStart(call)),
);
page.render();
