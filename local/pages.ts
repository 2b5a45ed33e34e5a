/**
 * The pages that the local host shows beside the functions: the playground, the contract, what each problem means, and
 * the guides.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as t from "io-ts";
import MarkdownIt from "markdown-it";
import { parse } from "yaml";

export interface ServedPage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** All comes from this host. Redoc writes its styles into the page, and searches in a worker that it makes itself. */
const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:";

/** Bootstrap Italia's style sheet holds icons and a font as `data:` URLs: all else is a file of this host. */
const playgroundPolicy =
  "default-src 'self'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const html = (title: string, body: string): ServedPage => ({
  headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": contentSecurityPolicy },
  body: `<!doctype html>
<html lang="it">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/playground/icon.svg" type="image/svg+xml">
<style>body{margin:0;font-family:system-ui,sans-serif;line-height:1.5}main{max-width:45rem;margin:auto;padding:1rem}</style>
</head>
<body>${body}</body>
</html>`,
});

/** What Redoc would fetch from elsewhere. Without it, it shows none. */
const redocLogo = "https://cdn.redoc.ly/redoc/logo-mini.svg";

const markdown = new MarkdownIt();

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

/** The languages of the guides' programs, by what their fences name. */
const programLanguages: Readonly<Record<string, string>> = {
  sh: "curl",
  js: "Node.js",
  php: "PHP",
  python: "Python",
};

/** The OpenAPI document, with the guide's programs for Redoc to show beside the call that they make. */
const readDocumentWithPrograms = async (): Promise<unknown> => {
  const document: unknown = parse(await readFile("openapi.yaml", "utf8"));
  const guide = await readFile(path.join("docs", "merchant-integration.md"), "utf8");
  const validation = Document.is(document)
    ? document.paths["/api/v1/merchant/cgn/otp/validate"]?.["post"]
    : undefined;
  if (validation !== undefined) {
    validation["x-codeSamples"] = markdown.parse(guide, {}).flatMap(({ type, info, content }) => {
      const label = type === "fence" ? programLanguages[info] : undefined;
      return label === undefined ? [] : [{ lang: info, label, source: content }];
    });
  }
  return document;
};

/**
 * The page at a path, if there is one: `/` is the playground, whose other files are under `/playground/`, `/docs` is the
 * OpenAPI document rendered, and any other path, such as that of a problem's type, the Markdown file of that name in
 * `docs/`. Files are read from the project's folder at each request.
 */
export const findPage = async (pathname: string): Promise<ServedPage | undefined> => {
  if (pathname === "/") {
    return readPage(playgroundFolder, "index.html");
  }
  // No slashes, so that the name leads nowhere else.
  const [, asset] = /^\/playground\/([\w-]+(?:\.[\w-]+)+)$/.exec(pathname) ?? [];
  if (asset !== undefined) {
    return readPage(playgroundFolder, asset);
  }
  // From a guide to the contract it is `../openapi.yaml`, in the repository as here.
  if (pathname === "/docs" || pathname === "/openapi.yaml") {
    return html(
      "CGN OTP",
      `<redoc spec-url="/docs/openapi.json"></redoc><script src="/docs/redoc.standalone.js"></script>`,
    );
  }
  if (pathname === "/docs/openapi.json") {
    return {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(await readDocumentWithPrograms()),
    };
  }
  if (pathname === "/docs/redoc.standalone.js") {
    const script = await readPage("node_modules", "redoc", "bundles", "redoc.standalone.js");
    return script && { ...script, body: script.body.toString().replaceAll(redocLogo, "data:,") };
  }
  // Letters, digits and hyphens only, so that the name leads nowhere else.
  const [, name] = /^\/((?:problems\/|decisions\/)?[a-z0-9-]+)(?:\.md)?$/.exec(pathname) ?? [];
  if (name === undefined) {
    return undefined;
  }
  const text = await readFile(path.join("docs", `${name}.md`), "utf8").catch(() => undefined);
  return text === undefined ? undefined : html(name, `<main>${markdown.render(text)}</main>`);
};
