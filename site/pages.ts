/** The pages of the site: from which file each is made, and at which path it is. */
import { readdirSync } from "node:fs";
import path from "node:path";

export type Language = "it" | "en";

/** Where the site is published, at the root: the type of each problem is the address of its page. */
export const siteOrigin = "https://api.cgn.pagopa.it";

/** A page in one language, from a file of the repository. */
export interface SitePage {
  readonly language: Language;
  /** Without slashes at its ends: Italian pages are at the root, English pages under `en`. */
  readonly id: string;
  readonly file: string;
}

type Names = Readonly<Record<Language, string>>;

/** The guides, each a file in `docs/` for each language. A line here puts a guide on the site and into the navigation. */
const guideGroups: readonly { readonly label: Names; readonly guides: readonly Names[] }[] = [
  {
    label: { it: "Per i negozi", en: "For shops" },
    guides: [
      { it: "primi-passi", en: "get-started" },
      { it: "integrazione-operatori", en: "merchant-integration" },
      { it: "integrazione-woocommerce", en: "woocommerce-integration" },
      { it: "integrazione-prestashop", en: "prestashop-integration" },
      { it: "integrazione-magento", en: "magento-integration" },
    ],
  },
  {
    label: { it: "Per portali e piattaforme", en: "For portals and platforms" },
    guides: [
      { it: "integrazione-io", en: "io-integration" },
      { it: "integrazione-portale", en: "portal-integration" },
    ],
  },
];

/** For operators and developers of the service: English only, and in this order. */
const operation = ["deploy", "operate", "settings", "guarantees", "capacity", "benchmarks", "architecture"];

const markdownIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.basename(name, ".md"))
    .toSorted();

export const problems = markdownIn("docs/problems");
const decisions = markdownIn("docs/decisions").map((name) => `decisions/${name}`);

type Translated = Readonly<Record<Language, SitePage>>;

const inBoth = (names: Names, fileOf: (language: Language) => string): Translated => ({
  it: { language: "it", id: names.it, file: fileOf("it") },
  en: { language: "en", id: path.posix.join("en", names.en), file: fileOf("en") },
});
const same = (name: string): Names => ({ it: name, en: name });

const translated: readonly Translated[] = [
  // To the last of these only the footer leads.
  ...[...guideGroups.flatMap(({ guides }) => guides), { it: "accessibilita", en: "accessibility" }].map(
    (names) => inBoth(names, (language) => `docs/${names[language]}.md`),
  ),
  inBoth(same("problems"), (language) => `site/content/problems.${language}.md`),
  // A problem's file has both languages.
  ...problems.map((name) => inBoth(same(`problems/${name}`), () => `docs/problems/${name}.md`)),
];
const playground = inBoth(same(""), (language) => `site/content/playground.${language}.md`);

/** Every page to which a link leads, wherever the site is. */
export const pages: readonly SitePage[] = [
  ...translated.flatMap(({ it, en }) => [it, en]),
  ...[...operation, ...decisions].map((name) => ({
    language: "en" as const,
    id: `en/${name}`,
    file: `docs/${name}.md`,
  })),
];

/** The playground, which only the local host has, and the page for unknown addresses, in both languages. */
export const unlistedPages: readonly SitePage[] = [
  playground.it,
  playground.en,
  { language: "it", id: "404", file: "site/content/404.md" },
];

/** The page in each language, this one included. None: it is written in one only. */
export const alternatesOf = (id: string): readonly SitePage[] => {
  const found = [...translated, playground].find(({ it, en }) => id === it.id || id === en.id);
  return found ? [found.it, found.en] : [];
};

/** Starlight copies each Italian page to `/en`, but the English pages have names of their own. */
export const isCopy = (pathname: string): boolean => {
  const all = [...pages, ...unlistedPages];
  return (
    all.some(({ id, language }) => language === "it" && pathname === path.posix.join("/en", id)) &&
    !all.some(({ id }) => pathname === `/${id}`)
  );
};

/** Addresses that pages once had, or that the contract names, and where they lead. */
export const redirects: Readonly<Record<string, string>> = {
  "/docs": "/en/docs",
  "/docs/openapi.json": "/openapi.yaml",
  ...Object.fromEntries(
    pages
      .filter(({ id }) => id.startsWith("en/") && !pages.some((page) => `en/${page.id}` === id))
      .map(({ id }) => [id.slice("en".length), `/${id}`]),
  ),
};

/** The address on the site for a link in a file. Undefined: the site does not show what it leads to. */
export const resolveLink = (
  address: string,
  { file, language }: Pick<SitePage, "file" | "language">,
): string | undefined => {
  if (/^(?:https?:|mailto:|#)/.test(address)) {
    return address;
  }
  const [target = "", fragment] = address.split("#");
  // The contract's links begin with `/`.
  const wanted = target.startsWith("/")
    ? `docs${target}.md`
    : path.posix.join(path.posix.dirname(file), target);
  if (wanted === "openapi.yaml") {
    return "/openapi.yaml";
  }
  const found = pages.filter((page) => page.file === wanted);
  const page = found.find((each) => each.language === language) ?? found[0];
  return page && `/${page.id}${fragment === undefined ? "" : `#${fragment}`}`;
};

/** The navigation of a language, group by group. A link has the title of its page. */
export const navigationOf = (
  language: Language,
): readonly { readonly label: string; readonly ids: readonly string[]; readonly collapsed: boolean }[] => {
  const group = (label: string, names: readonly string[], collapsed = true) => ({
    label,
    ids: names.map((name) => (language === "en" ? `en/${name}` : name)),
    collapsed,
  });
  return [
    ...guideGroups.map(({ label, guides }) =>
      group(
        label[language],
        guides.map((names) => names[language]),
        false,
      ),
    ),
    group({ it: "Problemi", en: "Problems" }[language], [
      "problems",
      ...problems.map((name) => `problems/${name}`),
    ]),
    ...(language === "en" ? [group("Run the service", operation), group("Decisions", decisions)] : []),
  ];
};
