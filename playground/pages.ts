/**
 * The pages that the local host shows beside the functions: the playground, the contract, what each problem means, and
 * the guides.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as t from "io-ts";
import MarkdownIt from "markdown-it";
import anchor from "markdown-it-anchor";
import { parse } from "yaml";

export interface ServedPage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** All files come from this host. Redoc writes its styles into the page, and makes its own worker for searches. */
const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:";

/** Bootstrap Italia's style sheet has icons and a font as `data:` URLs. Everything else is a file of this host. */
const playgroundPolicy =
  "default-src 'self'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const style = `
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: #17324d; }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; padding: 0.75rem 1rem; background: #06c; }
nav a { color: #fff; }
main { max-width: 56rem; margin: auto; padding: 1rem; overflow-wrap: break-word; }
a { color: #06c; }
code { padding: 0.1em 0.3em; border-radius: 0.2em; background: #eef2f6; font-size: 0.875em; }
pre { padding: 1rem; border-radius: 0.25rem; background: #eef2f6; }
pre code { padding: 0; background: none; }
pre, .table { overflow: auto; }
table { border-collapse: collapse; }
th, td { padding: 0.4rem 0.6rem; border: 1px solid #c5d0db; text-align: start; vertical-align: top; }
blockquote { margin-inline: 0; padding-inline-start: 1rem; border-inline-start: 0.25rem solid #06c; }
.task { list-style: none; text-indent: -1.4rem; }
`;

const navigation = `<nav>
<a href="/">CGN OTP</a>
<a href="/docs" lang="en">API</a>
<a href="/integrazione-operatori" lang="it">Guida per operatori</a>
<a href="/merchant-integration" lang="en">Guide for merchants</a>
</nav>`;

const html = (title: string, language: "it" | "en", body: string): ServedPage => ({
  headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": contentSecurityPolicy },
  body: `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/playground/icon.svg" type="image/svg+xml">
<style>${style}</style>
</head>
<body>${body}</body>
</html>`,
});

/** Redoc would fetch this logo from another host. Without this URL it shows no logo. */
const redocLogo = "https://cdn.redoc.ly/redoc/logo-mini.svg";

// The fragments are the same as in the repository's viewer, so that a link within a guide works in both.
const slugify = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

const markdown = new MarkdownIt().use(anchor, { slugify, tabIndex: false });
markdown.renderer.rules["table_open"] = () => `<div class="table"><table>`;
markdown.renderer.rules["table_close"] = () => "</table></div>";

/** A Markdown file of `docs/` as a page: its title is its first heading, its language what most of it is in. */
const renderMarkdown = (name: string, text: string): ServedPage => {
  const tokens = markdown.parse(text, {});
  const title = tokens.find(({ type }) => type === "inline")?.content.replaceAll("`", "") ?? name;
  const language = name === "integrazione-operatori" || name.startsWith("problems/") ? "it" : "en";
  const body = markdown.renderer
    .render(tokens, markdown.options, {})
    // In a task list, the reader can tick the boxes.
    .replaceAll(/<li>\[ \] ([^]*?)<\/li>/g, '<li class="task"><label><input type="checkbox"> $1</label></li>')
    // A problem's page has a part in each language.
    .replaceAll(
      /<h2[^>]*>(Italiano|English)<\/h2>[^]*?(?=<h2|$)/g,
      (part, heading) => `<section lang="${heading === "Italiano" ? "it" : "en"}">${part}</section>`,
    );
  return html(markdown.utils.escapeHtml(title), language, `${navigation}<main>${body}</main>`);
};

/** How a file is served, by the extension of its name. */
const headersOf: Readonly<Record<string, ServedPage["headers"]>> = {
  ".html": { "content-type": "text/html; charset=utf-8", "content-security-policy": playgroundPolicy },
  ".js": { "content-type": "text/javascript; charset=utf-8" },
  ".css": { "content-type": "text/css; charset=utf-8" },
  ".svg": { "content-type": "image/svg+xml" },
  ".woff2": { "content-type": "font/woff2" },
  ".map": { "content-type": "application/json" },
};

/** A file as it is, if it is there. */
const readPage = async (...segments: string[]): Promise<ServedPage | undefined> => {
  const file = path.join(...segments);
  const headers = headersOf[path.extname(file)];
  const body = await readFile(file).catch(() => undefined);
  return headers && body && { headers: { ...headers, "x-content-type-options": "nosniff" }, body };
};

const playgroundFolder = path.join("build", "playground");

const Document = t.intersection([
  t.UnknownRecord,
  t.type({ paths: t.record(t.string, t.record(t.string, t.UnknownRecord)) }),
]);

/** The languages of the guides' programs, by the names in their fences. */
const programLanguages: Readonly<Record<string, string>> = {
  sh: "curl",
  js: "Node.js",
  php: "PHP",
  python: "Python",
};

/**
 * The OpenAPI document as this host shows it: its server is this host instead of production, and Redoc finds the guide's
 * programs beside the call that they make.
 */
const readDocumentForHost = async (host: string | undefined): Promise<unknown> => {
  const document: unknown = parse(await readFile("openapi.yaml", "utf8"));
  const guide = await readFile(path.join("docs", "merchant-integration.md"), "utf8");
  if (!Document.is(document)) {
    return document;
  }
  const validation = document.paths["/merchant/cgn/otp/validate"]?.["post"];
  if (validation !== undefined) {
    validation["x-codeSamples"] = markdown.parse(guide, {}).flatMap(({ type, info, content }) => {
      const label = type === "fence" ? programLanguages[info] : undefined;
      return label === undefined ? [] : [{ lang: info, label, source: content }];
    });
  }
  const origin = host === undefined || host === "" ? "" : `http://${host}`;
  return { ...document, servers: [{ url: `${origin}/api/v1`, description: "The local host." }] };
};

/**
 * The page at a path, if there is one: `/` is the playground, whose other files are under `/playground/`, `/docs` is
 * the OpenAPI document rendered, and any other path, such as that of a problem's type, the Markdown file of that name
 * in `docs/`. Files are read from the project's folder at each request.
 * @param host the `Host` of the request, which names this host as its reader does. Without one, addresses are relative.
 */
export const findPage = async (
  pathname: string,
  host: string | undefined,
): Promise<ServedPage | undefined> => {
  if (pathname === "/") {
    return readPage(playgroundFolder, "index.html");
  }
  // The pattern allows no slashes, so that a name cannot leave its folder.
  const [, asset] = /^\/playground\/([\w-]+(?:\.[\w-]+)+)$/.exec(pathname) ?? [];
  if (asset !== undefined) {
    return readPage(playgroundFolder, asset);
  }
  // The guides link to the contract as `../openapi.yaml`, which must work here as in the repository.
  if (["/docs", "/docs/", "/openapi.yaml"].includes(pathname)) {
    return html(
      "CGN OTP",
      "en",
      `<redoc spec-url="/docs/openapi.json"></redoc><script src="/docs/redoc.standalone.js"></script>`,
    );
  }
  if (pathname === "/docs/openapi.json") {
    return {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(await readDocumentForHost(host)),
    };
  }
  if (pathname === "/docs/redoc.standalone.js") {
    const script = await readPage("node_modules", "redoc", "bundles", "redoc.standalone.js");
    return script && { ...script, body: script.body.toString().replaceAll(redocLogo, "data:,") };
  }
  // The pattern allows letters, digits and hyphens only, so that a name cannot leave its folder.
  const [, name] = /^\/((?:problems\/|decisions\/)?[a-z0-9-]+)(?:\.md)?$/.exec(pathname) ?? [];
  if (name === undefined) {
    return undefined;
  }
  const text = await readFile(path.join("docs", `${name}.md`), "utf8").catch(() => undefined);
  return text === undefined ? undefined : renderMarkdown(name, text);
};
