/** What the guides' commands and samples need to know of their reader: where the service is, and the reader's keys. */
import type { Language } from "../playground/page/messages";
import { problemTypeBase } from "../shared/http/problem";
import { escapeHtml } from "./layout";

/** A shop of the local host's own store, for trying things out. */
export interface DemoShop {
  readonly merchantId: string;
  readonly apiKey: string;
  readonly testApiKey: string;
}

export interface Reader {
  /** The origin of the local host, such as `http://127.0.0.1:7071`, if that serves the page. */
  readonly localOrigin?: string | undefined;
  /** Undefined where the page knows no key: the reader types one. */
  readonly demoShop?: DemoShop | undefined;
}

type Value = "url" | "merchant" | "key" | "testKey" | "functionKey";

/** Where a service answers that is not the local host. The problems' types have the same host. */
const productionOrigin = new URL(problemTypeBase).origin;

/** What a value looks like in the guides, which are also read in the repository. */
const written: Readonly<Record<Value, RegExp>> = {
  testKey: /cgn_test_demo-shop_…/,
  key: /cgn_demo-shop_…/,
  url: /http:\/\/127\.0\.0\.1:7071/,
  functionKey: /(?<=CGN_FUNCTION_KEY=)any/,
  merchant: /(?<!cgn_|cgn_test_)demo-shop|new-shop/,
};
const values: readonly Value[] = ["url", "merchant", "key", "testKey", "functionKey"];
const anyWritten = new RegExp(values.map((value) => `(?<${value}>${written[value].source})`).join("|"), "g");

/** A command for the local host, whose address has a path here. The others take the address from `CGN_URL`. */
const isForLocalHost = (code: string): boolean => code.includes("http://127.0.0.1:7071/");

const known = (value: Value, { localOrigin, demoShop }: Reader): string | undefined =>
  ({
    url: localOrigin ?? productionOrigin,
    merchant: demoShop?.merchantId,
    key: demoShop?.apiKey,
    testKey: demoShop?.testApiKey,
    functionKey: undefined,
  })[value];

/** For commands that name the service itself, wherever it is: those of the contract. */
export const withAddress = (reader: Reader): Reader => ({
  ...reader,
  localOrigin: reader.localOrigin ?? productionOrigin,
});

/** The code as HTML, with the reader's values marked, so that they can change. */
export const markValues = (code: string, reader: Reader): string => {
  if (reader.localOrigin === undefined && isForLocalHost(code)) {
    return escapeHtml(code);
  }
  let end = 0;
  let html = "";
  for (const match of code.matchAll(anyWritten)) {
    const [text] = match;
    const value = values.find((each) => match.groups?.[each]) ?? "url";
    const shown = text === "new-shop" ? text : (known(value, reader) ?? text);
    html += `${escapeHtml(code.slice(end, match.index))}<span data-value="${value}">${escapeHtml(shown)}</span>`;
    end = match.index + text.length;
  }
  return html + escapeHtml(code.slice(end));
};

const words = {
  it: {
    title: "I tuoi valori",
    ask: "Scrivili qui e li trovi nei comandi e negli esempi di questa pagina. Restano in questa pagina: non vengono salvati né inviati.",
    filled:
      "I comandi e gli esempi di questa pagina hanno già l'indirizzo di questo servizio e le chiavi del negozio di prova. Puoi cambiarli: restano in questa pagina.",
    url: "Indirizzo del servizio",
    merchant: "Identificativo dell'operatore",
    key: "Chiave API",
    testKey: "Chiave API di prova",
    functionKey: "Chiave della funzione",
  },
  en: {
    title: "Your values",
    ask: "Type them here, and find them in the commands and samples of this page. They stay in this page: they are neither kept nor sent.",
    filled:
      "The commands and samples of this page have the address of this service and the keys of the demo shop already. You can change them: they stay in this page.",
    url: "Address of the service",
    merchant: "Merchant's identifier",
    key: "API key",
    testKey: "Test API key",
    functionKey: "Function key",
  },
} satisfies Readonly<Record<Language, Readonly<Record<Value | "title" | "ask" | "filled", string>>>>;

/** The fields for the values that are marked in a page. Nothing, if none is. */
export const renderFields = (html: string, language: Language, reader: Reader): string => {
  const used = values.filter((value) => html.includes(`data-value="${value}"`));
  const { title, ask, filled, ...labels } = words[language];
  const field = (value: Value): string =>
    `<label>${escapeHtml(labels[value])}<input data-sets="${value}" value="${escapeHtml(known(value, reader) ?? "")}" autocomplete="off" autocapitalize="off" spellcheck="false"></label>`;
  // What is known needs no looking at, and what is not must be seen.
  const [text, state] = reader.demoShop === undefined ? [ask, " open"] : [filled, ""];
  return used.length === 0
    ? ""
    : `<details class="yours"${state}><summary>${escapeHtml(title)}</summary><p>${escapeHtml(text)}</p><div>${used.map(field).join("")}</div></details>`;
};
