/** The playground: the three people of this system at work on one page, over the API that everybody calls. */
import { makeApi } from "./api";
import { makeAppIo } from "./app-io";
import { makeCheckout } from "./checkout";
import { byId, setText } from "./dom";
import { merchants } from "./merchants";
import { makeLocale } from "./messages";
import type { Language } from "./messages";
import type { Page } from "./page";
import { makePortal } from "./portal";
import { makeShop } from "./shop";
import { readStoreKind } from "./store-kind";
import type { StoreKind } from "./store-kind";
import { makeTrace } from "./trace";

const languages: readonly Language[] = ["it", "en"];
const guides = { it: "/integrazione-operatori", en: "/merchant-integration" };

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
const page: Page = {
  api: makeApi(
    () => locale.language,
    (call) => trace.add(call),
  ),
  locale: () => locale,
  shop: () => shop,
  shops,
  storeKind: () => storeKind,
  chooseShop: (merchantId) => {
    shop = shops.find(({ merchant }) => merchant.id === merchantId) ?? shop;
    const chosen = shop;
    chosen.ready = Promise.all([chosen.ready, whenStoreKindIsKnown]).then(async () => {
      // Once more when it could not be done before. In a store that is not the local host's own, whoever is at the page
      // has to ask for it.
      if (storeKind === "own") {
        await portal.setUp(chosen);
      }
    });
    page.render();
  },
  render: () => {
    for (const panel of [appIo, checkout, portal, trace]) {
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

/** The texts that never change but with the language: `index.html` names each where it belongs. */
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
  byId("guide", HTMLAnchorElement).href = guides[language];
  for (const each of languages) {
    byId(`language-${each}`, HTMLButtonElement).setAttribute("aria-pressed", String(each === language));
  }
};

for (const language of languages) {
  byId(`language-${language}`, HTMLButtonElement).addEventListener("click", () => {
    locale = makeLocale(language);
    history.replaceState(null, "", `?lang=${language}`);
    renderTexts();
    page.render();
  });
}
renderTexts();
page.chooseShop(shop.merchant.id);
