/** Serves the built site as a host of static files does, and puts the reader's values into its pages. */
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as t from "io-ts";
import { isRight } from "fp-ts/Either";
import { siteOrigin } from "../site/pages";
import type { Value } from "../site/reader";
import { buildSite } from "./site-build";

/** A shop of the local host's own store, for trying things out. */
export interface DemoShop {
  readonly merchantId: string;
  readonly apiKey: string;
  readonly testApiKey: string;
}

export interface Asked {
  readonly path: string;
  /** Whether a browser wants to show the answer. */
  readonly isForBrowser: boolean;
  /** Of the local host, such as `http://127.0.0.1:7071`. */
  readonly localOrigin: string;
  readonly demoShop: DemoShop | undefined;
}

/** Answers a request for the site. False: nothing is at its path, and nobody would read a page that says so. */
export type Site = (asked: Asked, response: ServerResponse) => Promise<boolean>;

const Hosting = t.type({
  globalHeaders: t.record(t.string, t.string),
  routes: t.array(t.type({ route: t.string, redirect: t.string })),
});

/** How a file is served, by the extension of its name. */
const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".map": "application/json",
  ".xml": "application/xml",
  ".yaml": "application/yaml",
};
const typeOf = (file: string): string => contentTypes[path.extname(file)] ?? "application/octet-stream";

/** The content of a file of a folder, and of none outside it. */
const readWithin = async (folder: string, name: string): Promise<Buffer | undefined> => {
  const file = path.join(folder, name);
  return file.startsWith(folder + path.sep) ? readFile(file).catch(() => undefined) : undefined;
};

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** Puts the values of the local host into a page, and what only the local host has into the navigation. */
const fillIn = (html: string, { localOrigin, demoShop }: Asked): string => {
  const known: Readonly<Partial<Record<Value, string>>> = {
    url: localOrigin,
    local: localOrigin,
    ...(demoShop && {
      merchant: demoShop.merchantId,
      key: demoShop.apiKey,
      testKey: demoShop.testApiKey,
    }),
  };
  const values = new Map(Object.entries(known).map(([name, value]) => [name, escapeHtml(value)]));
  return html
    .replaceAll(
      /(<\w+ data-value="(\w+)">)([^<]*)/g,
      (_, start: string, name: string, text: string) => start + (values.get(name) ?? text),
    )
    .replaceAll(
      /(<input data-sets="(\w+)" value=")/g,
      (start, _, name: string) => start + (values.get(name) ?? ""),
    )
    .replace('class="yours" open', demoShop ? 'class="yours"' : 'class="yours" open')
    .replaceAll(/<!--local (.*?)-->/gs, "$1");
};

/** The page that a browser shows until the site is built, and that then asks again. */
const waitingPage = `<!doctype html>
<html lang="it">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Le pagine sono in preparazione</title>
<p>Le pagine sono in preparazione. Tra pochi secondi questa si apre da sola.</p>
<p lang="en">The pages are being made. In a few seconds this one opens by itself.</p>
`;

export const makeSite = (build: () => Promise<string> = buildSite): Site => {
  let building: Promise<string> | undefined;
  let isBuilt = false;
  const whenBuilt = async (): Promise<string> => {
    building ??= build();
    const folder = await building;
    isBuilt = true;
    return folder;
  };

  const answer: Site = async (asked, response) => {
    const asset = /^\/playground\/(.+)$/.exec(asked.path)?.[1];
    if (asset !== undefined) {
      const body = await readWithin(path.join("build", "playground"), asset);
      const headers = { "content-type": typeOf(asset), "x-content-type-options": "nosniff" };
      if (body !== undefined) {
        response.writeHead(200, headers).end(body);
      }
      return body !== undefined;
    }
    // If nothing changed, a page comes at once.
    await Promise.race([whenBuilt().catch(() => undefined), sleep(500, undefined, { ref: false })]);
    if (asked.isForBrowser && !isBuilt) {
      response.writeHead(503, { "content-type": typeOf("index.html"), "cache-control": "no-store" });
      response.write(waitingPage);
      await whenBuilt().then(
        () => response.end('<meta http-equiv="refresh" content="0">'),
        () => response.end("<p>Non è stato possibile prepararle: il terminale dice perché.</p>"),
      );
      return true;
    }
    const root = await whenBuilt();
    const hosting = Hosting.decode(
      JSON.parse(await readFile(path.join(root, "staticwebapp.config.json"), "utf8")),
    );
    if (!isRight(hosting)) {
      throw new Error("staticwebapp.config.json is not what the build of the site writes");
    }
    const { globalHeaders, routes } = hosting.right;
    const wanted = asked.path === "/" ? "/" : asked.path.replace(/\/+$/, "");
    const location = routes.find(({ route }) => route === wanted)?.redirect ?? wanted;
    if (location !== asked.path) {
      response.writeHead(301, { location }).end();
      return true;
    }
    const name = path.extname(wanted) === "" ? path.posix.join(wanted, "index.html") : wanted;
    const found = await readWithin(root, name);
    if (found === undefined && !asked.isForBrowser) {
      return false;
    }
    const [status, file, body] = found
      ? [200, name, found]
      : [404, "404.html", await readFile(path.join(root, "404.html"))];
    const text = body.toString();
    response
      .writeHead(status, { ...globalHeaders, "content-type": typeOf(file) })
      .end(
        file.endsWith(".html")
          ? fillIn(text, asked)
          : file === "/openapi.yaml"
            ? text.replace(`${siteOrigin}/api/v1`, `${asked.localOrigin}/api/v1`)
            : body,
      );
    return true;
  };
  return answer;
};
