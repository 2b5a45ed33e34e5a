/** The pages that the local host shows beside the functions: the contract, what each problem means, and the guides. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import MarkdownIt from "markdown-it";

export interface Page {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** All comes from this host. Redoc writes its styles into the page, and searches in a worker that it makes itself. */
const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:";

const html = (title: string, body: string): Page => ({
  headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": contentSecurityPolicy },
  body: `<!doctype html>
<html lang="it">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>body{margin:0;font-family:system-ui,sans-serif;line-height:1.5}main{max-width:45rem;margin:auto;padding:1rem}</style>
</head>
<body>${body}</body>
</html>`,
});

const markdown = new MarkdownIt();

const redocScript = path.join("node_modules", "redoc", "bundles", "redoc.standalone.js");

/**
 * The page at a path, if there is one: `/docs` is the OpenAPI document rendered, and any other path, such as that of
 * a problem's type, the Markdown file of that name in `docs/`. Files
 * are read from the project's folder at each request.
 */
export const findPage = async (pathname: string): Promise<Page | undefined> => {
  if (pathname === "/docs") {
    return html(
      "CGN OTP",
      `<redoc spec-url="/api/v1/openapi.yaml"></redoc><script src="/docs/redoc.standalone.js"></script>`,
    );
  }
  if (pathname === "/docs/redoc.standalone.js") {
    return {
      headers: { "content-type": "text/javascript; charset=utf-8" },
      body: await readFile(redocScript),
    };
  }
  // Letters, digits and hyphens only, so that the name leads nowhere else.
  const [, name] = /^\/((?:problems\/|decisions\/)?[a-z0-9-]+)(?:\.md)?$/.exec(pathname) ?? [];
  if (name === undefined) {
    return undefined;
  }
  const text = await readFile(path.join("docs", `${name}.md`), "utf8").catch(() => undefined);
  return text === undefined ? undefined : html(name, `<main>${markdown.render(text)}</main>`);
};
