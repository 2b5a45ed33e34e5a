/** What the commands and samples need to know of their reader: where the service is, and the reader's keys. */

const productionOrigin = "https://api.cgn.pagopa.it";

/**
 * What each value looks like in the guides, which are also read in the repository, and in the reference; and what the
 * static site shows there, if it is something else.
 */
const written = [
  // In ASCII, so that a key copied as it is written gets an answer that names the header.
  ["testKey", /cgn_test_demo-shop_YOUR-KEY/g, "cgn_test_demo-shop_YOUR-KEY"],
  ["testKey", /cgn_test_demo-shop_LA-TUA-CHIAVE/g, "cgn_test_demo-shop_LA-TUA-CHIAVE"],
  ["key", /cgn_demo-shop_YOUR-KEY/g, "cgn_demo-shop_YOUR-KEY"],
  ["key", /cgn_demo-shop_LA-TUA-CHIAVE/g, "cgn_demo-shop_LA-TUA-CHIAVE"],
  [
    "url",
    /(?<=CGN_URL=)http:\/\/127\.0\.0\.1:7071|https:\/\/api\.cgn\.pagopa\.it(?=\/api\/)/g,
    productionOrigin,
  ],
  // Where `npm start` runs: only the local host puts another address here.
  ["local", /http:\/\/127\.0\.0\.1:7071/g, "http://127.0.0.1:7071"],
  ["functionKey", /(?<=CGN_FUNCTION_KEY=)any/g, "any"],
  ["functionKey", /cgn-function-key/g, "cgn-function-key"],
  ["merchant", /demo-shop/g, "demo-shop"],
  ["newMerchant", /new-shop/g, "new-shop"],
] as const;

export type Value = (typeof written)[number][0];

/** Each value is one character of Unicode's private use area in the code, so the highlighting cannot divide it. */
const firstMark = 0xe000;

export const markValues = (code: string): string =>
  written.reduce(
    (text, [, pattern], index) => text.replaceAll(pattern, String.fromCharCode(firstMark + index)),
    code,
  );

export const showValues = (html: string): string =>
  html.replaceAll(/[\ue000-\ue0ff]/g, (mark) => {
    const [value = "", , shown = ""] = written[mark.charCodeAt(0) - firstMark] ?? [];
    return `<span data-value="${value}">${shown}</span>`;
  });
