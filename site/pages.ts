/** The pages of the site: from which file each is made, and at which path it is. */
import { readdirSync } from "node:fs";
import path from "node:path";

export type Language = "it" | "en";
export const languages = ["it", "en"] as const;

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

/** With the page to which only the footer leads. */
const inBothLanguages: readonly Names[] = [
  ...guideGroups.flatMap(({ guides }) => guides),
  { it: "accessibilita", en: "accessibility" },
];

/** For whoever runs the service, and for whoever changes it: English only, and in this order. */
const operation = ["deploy", "operate", "settings", "guarantees", "capacity", "benchmarks", "architecture"];

const markdownIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.basename(name, ".md"))
    .toSorted();

export const problems = markdownIn("docs/problems");
const decisions = markdownIn("docs/decisions").map((name) => `decisions/${name}`);

const prefixes: Names = { it: "", en: "en/" };

/** Every page that is made from a file. A problem's file has both languages. */
export const pages: readonly SitePage[] = [
  ...inBothLanguages.flatMap((names) =>
    languages.map((language) => ({
      language,
      id: prefixes[language] + names[language],
      file: `docs/${names[language]}.md`,
    })),
  ),
  ...problems.flatMap((name) =>
    languages.map((language) => ({
      language,
      id: `${prefixes[language]}problems/${name}`,
      file: `docs/problems/${name}.md`,
    })),
  ),
  ...[...operation, ...decisions].map((name) => ({
    language: "en" as const,
    id: `en/${name}`,
    file: `docs/${name}.md`,
  })),
];

/** The pages that say the same, by the path of either: of the English pages without an Italian one there is only `en`. */
export const alternatesOf = (id: string): Readonly<Partial<Record<Language, string>>> => {
  const names = inBothLanguages.find(({ it, en }) => id === it || id === prefixes.en + en);
  if (names) {
    return { it: `/${names.it}`, en: `/en/${names.en}` };
  }
  const name = id.replace(/^en(\/|$)/, "");
  return /^(problems(\/.*)?|)$/.test(name)
    ? { it: `/${name}`, en: `/en${name && `/${name}`}` }
    : { en: `/${id}` };
};

/** Starlight copies each Italian page to `/en`, but the English pages have names of their own. */
export const isCopy = (pathname: string): boolean =>
  [...pages, { id: "404", language: "it" }].some(
    ({ id, language }) => language === "it" && pathname === `/en/${id}`,
  ) && !pages.some(({ id }) => pathname === `/${id}`);

/** Addresses that pages once had, or that the contract names, and where they lead. */
export const redirects: Readonly<Record<string, string>> = {
  "/docs": "/en/docs",
  "/docs/openapi.json": "/openapi.yaml",
  ...Object.fromEntries(
    pages
      .filter(({ id }) => id.startsWith("en/") && !id.startsWith("en/problems"))
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
  if (/^\/(?:en\/)?problems$/.test(target)) {
    return address;
  }
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
): readonly { readonly label: string; readonly ids: readonly string[]; readonly collapsed?: boolean }[] => {
  const group = (label: string, names: readonly string[], collapsed = true) => ({
    label,
    ids: names.map((name) => prefixes[language] + name),
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
