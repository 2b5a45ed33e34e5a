/** What the commands and samples need to know of their reader: where the service is, and the reader's keys. */

/** What a value looks like in the guides, which are also read in the repository, and in the reference. */
const written = {
  // In ASCII, so that a key copied as it is written gets an answer that names the header.
  testKey: /cgn_test_demo-shop_(?:YOUR-KEY|LA-TUA-CHIAVE)/,
  key: /cgn_demo-shop_(?:YOUR-KEY|LA-TUA-CHIAVE)/,
  url: /(?<=CGN_URL=)http:\/\/127\.0\.0\.1:7071|https:\/\/api\.cgn\.pagopa\.it(?=\/api\/)/,
  // Where `npm start` runs: only the local host puts another address here.
  local: /http:\/\/127\.0\.0\.1:7071/,
  functionKey: /(?<=CGN_FUNCTION_KEY=)any|cgn-function-key/,
  merchant: /(?<!cgn_|cgn_test_)demo-shop/,
  newMerchant: /(?<!cgn_)new-shop/,
};

export type Value = keyof typeof written;

const anyWritten = new RegExp(
  Object.entries(written)
    .map(([value, { source }]) => `(?<${value}>${source})`)
    .join("|"),
  "g",
);

/** A value in a line of code: where it is, and what the static site shows there. */
export interface Place {
  readonly value: string;
  readonly start: number;
  readonly text: string;
}

export const findValues = (line: string): readonly Place[] =>
  [...line.matchAll(anyWritten)].map((match) => {
    const [value = ""] = Object.entries(match.groups ?? {}).find(([, text]) => text === match[0]) ?? [];
    return { value, start: match.index, text: match[0] };
  });
