/**
 * The pages of the site, which the local host serves beside the functions and `npm run site` writes as files: the first
 * steps, the guides, the contract, what each problem means, and the documents that these cite. Only the local host has
 * the playground.
 */
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { makeLocale, type Language } from "../playground/page/messages";
import { problemNames } from "../shared/http/problem";
import { decodeTranslations, renderContract, withServer } from "./contract";
import { contentSecurityPolicy, escapeHtml, languages, renderPage, type Paths } from "./layout";
import { listHeadings, renderMarkdown, type Place, type Rendered } from "./markdown";
import { renderFields, type Reader } from "./reader";

export interface ServedPage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** A page that is made from a file: its path, and the file, in each language in which it is written. */
interface SitePage {
  readonly paths: Paths;
  readonly files: Paths;
}

const inBothLanguages = (path: string, file: string): SitePage => ({
  paths: { it: `/${path}`, en: `/en/${path}` },
  files: { it: file, en: file },
});

const contract = inBothLanguages("docs", "openapi.yaml");

const problems = problemNames.map((name) => inBothLanguages(`problems/${name}`, `docs/problems/${name}.md`));

/** The pages of one file for each language. */
const guides = (
  [
    { it: "primi-passi", en: "get-started" },
    { it: "integrazione-operatori", en: "merchant-integration" },
    { it: "integrazione-woocommerce", en: "woocommerce-integration" },
    { it: "integrazione-prestashop", en: "prestashop-integration" },
    { it: "integrazione-magento", en: "magento-integration" },
    { it: "integrazione-io", en: "io-integration" },
    { it: "integrazione-portale", en: "portal-integration" },
  ] as const
).map(({ it, en }): SitePage => ({
  paths: { it: `/${it}`, en: `/${en}` },
  files: { it: `docs/${it}.md`, en: `docs/${en}.md` },
}));

/** Documents for whoever runs or changes the service are in English only. The guides cite some of them. */
const findOthers = async (): Promise<readonly SitePage[]> => {
  const taken = guides.flatMap(({ files }) => Object.values(files));
  const names = await Promise.all(
    ["docs", "docs/decisions"].map(async (folder) =>
      (await readdir(folder)).map((name) => path.posix.join(folder, name)),
    ),
  );
  return names
    .flat()
    .filter((file) => file.endsWith(".md") && !taken.includes(file))
    .map((file) => ({ paths: { en: file.slice("docs".length, -".md".length) }, files: { en: file } }));
};

const findSitePages = async (): Promise<readonly SitePage[]> => [
  contract,
  ...problems,
  ...guides,
  ...(await findOthers()),
];

/** The site's own sentences. */
const words = {
  it: { contents: "In questa pagina", problems: "Problemi", part: "## Italiano" },
  en: { contents: "On this page", problems: "Problems", part: "## English" },
} as const;

/** The part of a problem's file that is in one language, under the title that both parts share. */
const takePart = (text: string, language: Language): string => {
  const [head = "", ...parts] = text.split(/^(?=## )/m);
  const own = parts.find((part) => part.startsWith(words[language].part)) ?? "";
  return head + own.replace(/^## .*\n/, "");
};

const renderContents = (title: string, list: string): string =>
  `<nav class="contents" aria-label="${title}"><details><summary>${title}</summary>${list}</details></nav>`;

const listProblems = (shown: SitePage, language: Language): string =>
  `<ul>${problems
    .map((each) => {
      const at = each.paths[language] ?? "";
      const current = each === shown ? ' aria-current="page"' : "";
      return `<li><a href="${at}"${current}>${escapeHtml(path.posix.basename(at))}</a></li>`;
    })
    .join("")}</ul>`;

const readDocument = async (): Promise<unknown> => parse(await readFile("openapi.yaml", "utf8"));

const renderReference = async (place: Place): Promise<Rendered> =>
  renderContract({
    document: await readDocument(),
    translations: decodeTranslations(parse(await readFile("site/openapi.it.yaml", "utf8"))),
    guide: await readFile("docs/merchant-integration.md", "utf8"),
    problemNames,
    place,
  });

const render = async (
  page: SitePage,
  language: Language,
  pages: readonly SitePage[],
  reader: Reader,
): Promise<string> => {
  const file = page.files[language] ?? "";
  const place: Place = {
    file,
    language,
    reader,
    // A link leads to the language of the file that it names. A file of both languages leaves it to the page.
    findPath: (target) => {
      const found = pages.find(({ files }) => Object.values(files).includes(target));
      const wanted = [language, ...languages].find((each) => found?.files[each] === target);
      return wanted && found?.paths[wanted];
    },
  };
  const isProblem = problems.includes(page);
  const rendered =
    page === contract
      ? await renderReference(place)
      : await readFile(file, "utf8").then((text) =>
          renderMarkdown(isProblem ? takePart(text, language) : text, place),
        );
  const { contents, problems: problemsTitle } = words[language];
  // What the page asks of its reader stands between its title and its text.
  const [title = "", ...rest] = rendered.html.split(/(?<=<\/h1>)/);
  return renderPage({
    language,
    paths: page.paths,
    title: `${rendered.title} – ${makeLocale(language).messages.brand}`,
    main: `<div class="container-xxl reading">
${isProblem ? renderContents(problemsTitle, listProblems(page, language)) : renderContents(contents, listHeadings(rendered.headings))}
<main id="content" class="prose" tabindex="-1">${title}${renderFields(rendered.html, language, reader)}${rest.join("")}</main>
</div>`,
    styles: ["site.css"],
    script: "reader.js",
    isLocal: reader.localOrigin !== undefined,
  });
};

const toHtml = (body: string): ServedPage => ({
  headers: {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": contentSecurityPolicy,
    "x-content-type-options": "nosniff",
  },
  body,
});

/** What the pages load: what they look like, and their programs. */
const assets = "build/playground";

/** How a file is served, by the extension of its name. */
const contentTypes: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".map": "application/json",
};

const readAsset = async (name: string): Promise<ServedPage | undefined> => {
  const contentType = contentTypes[path.extname(name)];
  const body = await readFile(path.join(assets, name)).catch(() => undefined);
  return contentType && body
    ? { headers: { "content-type": contentType, "x-content-type-options": "nosniff" }, body }
    : undefined;
};

/**
 * What the local host serves at a path, if anything: `/` is the playground, and what pages load is under `/playground/`.
 * Files are read from the project's folder at each request.
 */
export const findPage = async (pathname: string, reader: Reader): Promise<ServedPage | undefined> => {
  if (pathname === "/") {
    return toHtml(await readFile(path.join(assets, "index.html"), "utf8"));
  }
  // The pattern allows no slashes, so that a name cannot leave its folder.
  const [, asset] = /^\/playground\/([\w-]+(?:\.[\w-]+)+)$/.exec(pathname) ?? [];
  if (asset !== undefined) {
    return readAsset(asset);
  }
  if (pathname === "/docs/openapi.json") {
    return {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(withServer(await readDocument(), reader.localOrigin)),
    };
  }
  const pages = await findSitePages();
  for (const page of pages) {
    const language = languages.find((each) => page.paths[each] === pathname);
    if (language !== undefined) {
      return toHtml(await render(page, language, pages, reader));
    }
  }
  return undefined;
};

/** The site's files by their names, as any host of static files serves them: a page is the `index.html` of its path. */
export const renderSite = async (): Promise<ReadonlyMap<string, string | Buffer>> => {
  const files = new Map<string, string | Buffer>();
  const pages = await findSitePages();
  // Of the other documents only those are on the site that some page cites.
  const wanted = new Set([contract, ...problems, ...guides]);
  for (const page of wanted) {
    for (const language of languages) {
      const at = page.paths[language];
      if (at !== undefined) {
        const html = await render(page, language, pages, {});
        files.set(`${at.slice(1)}/index.html`, html);
        for (const [, cited] of html.matchAll(/ href="(\/[^"#]*)/g)) {
          pages.filter(({ paths }) => paths.en === cited).forEach((each) => wanted.add(each));
        }
      }
    }
  }
  // Without the local host there is no service for a playground to call. The site starts with the first steps.
  files.set("index.html", files.get("primi-passi/index.html") ?? "");
  files.set("docs/openapi.json", JSON.stringify(await readDocument()));
  for (const name of await readdir(assets)) {
    if (!/^(?:main|playground|preview|index)\.|\.map$/.test(name)) {
      files.set(`playground/${name}`, await readFile(path.join(assets, name)));
    }
  }
  files.set(
    "staticwebapp.config.json",
    JSON.stringify({
      globalHeaders: {
        "content-security-policy": contentSecurityPolicy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      },
      mimeTypes: { ".woff2": "font/woff2" },
    }),
  );
  return files;
};
