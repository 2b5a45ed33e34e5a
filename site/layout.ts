/** The one template of every page: header, navigation, languages, footer. */
import { makeLocale, type Language, type Messages } from "../playground/page/messages";

export const languages: readonly Language[] = ["it", "en"];

/** For each language the path of a page. A language in which the page is not written is missing. */
export type Paths = Readonly<Partial<Record<Language, string>>>;

export interface Content {
  readonly language: Language;
  readonly paths: Paths;
  /** As text, not as HTML. */
  readonly title: string;
  /** HTML: `<main>`, and what belongs beside it. */
  readonly main: string;
  /** The names of its style sheets and of its script. */
  readonly styles: readonly string[];
  readonly script: string;
  /** Whether the local host serves the page, where `/` is the playground. */
  readonly isLocal: boolean;
}

/** All files come from the site itself. Bootstrap Italia's style sheet has icons and a font as `data:` URLs. */
export const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** The names of the messages that are plain texts. */
type Text = { [K in keyof Messages]: Messages[K] extends string ? K : never }[keyof Messages];

/** What the navigation leads to. */
const places: readonly { readonly text: Text; readonly paths: Required<Paths> }[] = [
  { text: "start", paths: { it: "/primi-passi", en: "/get-started" } },
  { text: "guide", paths: { it: "/integrazione-operatori", en: "/merchant-integration" } },
  { text: "contract", paths: { it: "/docs", en: "/en/docs" } },
  { text: "keysGuide", paths: { it: "/integrazione-portale", en: "/portal-integration" } },
];
const playground = { text: "playground", paths: { it: "/", en: "/?lang=en" } } as const;

/** Each text names its message, and each link its address in either language, so that the playground can switch. */
export const renderPage = ({ language, paths, title, main, styles, script, isLocal }: Content): string => {
  const { messages } = makeLocale(language);
  const text = (name: Text): string => `data-text="${name}">${escapeHtml(messages[name])}`;
  const link = ({ text: name, paths: to }: (typeof places)[number]): string =>
    `<li><a href="${to[language]}" data-it="${to.it}" data-en="${to.en}"${
      to[language] === paths[language] ? ' aria-current="page"' : ""
    } ${text(name)}</a></li>`;
  const home = isLocal ? playground.paths : { it: "/", en: "/get-started" };
  const languageLink = (each: Language, name: string): string =>
    paths[each] === undefined
      ? ""
      : `<a href="${paths[each]}" lang="${each}" hreflang="${each}"${each === language ? ' aria-current="true"' : ""}>${name}</a>`;
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="/playground/icon.svg" type="image/svg+xml">
${styles.map((name) => `<link rel="stylesheet" href="/playground/${name}">`).join("\n")}
<script type="module" src="/playground/${script}"></script>
</head>
<body>
<div class="skiplinks"><a class="visually-hidden-focusable" href="#content" ${text("skip")}</a></div>
<header class="it-header-wrapper">
<div class="it-header-slim-wrapper"><div class="container-xxl slim">
<span class="slim-name" ${text("card")}</span>
<nav class="languages" aria-labelledby="languages-label">
<span class="visually-hidden" id="languages-label" ${text("language")}</span>
${languageLink("it", "Italiano")}
${languageLink("en", "English")}
</nav>
</div></div>
<div class="it-header-center-wrapper"><div class="container-xxl center">
<a class="brand" href="${home[language]}" data-it="${home.it}" data-en="${home.en}">
<svg class="icon icon-lg icon-white" aria-hidden="true"><use href="/playground/sprites.svg#it-card"></use></svg>
<span ${text("brand")}</span></a>
<nav class="places" aria-labelledby="places-label">
<span class="visually-hidden" id="places-label" ${text("places")}</span>
<ul>${(isLocal ? [playground, ...places] : places).map(link).join("")}</ul>
</nav>
</div></div>
</header>
${main}
<footer class="it-footer"><div class="it-footer-small-prints"><div class="container-xxl"><span class="slim-name" ${text("card")}</span></div></div></footer>
<p class="visually-hidden" role="status" id="copy-status"></p>
</body>
</html>`;
};
