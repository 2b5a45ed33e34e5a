/** What a host of the site must know: the headers of each file, where old addresses lead, and the page for unknown ones. */
import { createHash } from "node:crypto";
import { copyFile, glob, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { redirects } from "./pages";

/** The inline scripts of a page. What has another type than JavaScript is data. */
const inlineScripts = (html: string): readonly string[] =>
  [...html.matchAll(/<script(?![^>]*\ssrc=)(?![^>]*type="application)[^>]*>([^]*?)<\/script>/g)].map(
    ([, script = ""]) => script,
  );

const hash = (script: string): string => `'sha256-${createHash("sha256").update(script).digest("base64")}'`;

export const hosting = {
  name: "hosting",
  hooks: {
    "astro:build:done": async ({ dir }: { readonly dir: URL }): Promise<void> => {
      const folder = fileURLToPath(dir);
      const scripts = new Set<string>();
      for await (const file of glob(`${folder}/**/*.html`)) {
        inlineScripts(await readFile(file, "utf8")).forEach((script) => scripts.add(hash(script)));
      }
      const policy = [
        "default-src 'self'",
        // The search is a module of WebAssembly.
        `script-src 'self' 'wasm-unsafe-eval' ${[...scripts].toSorted().join(" ")}`,
        // The colours of highlighted code are styles of their elements.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ].join("; ");
      await copyFile("openapi.yaml", `${folder}/openapi.yaml`);
      await copyFile("docs/playground-1440.png", `${folder}/playground.png`);
      await writeFile(
        `${folder}/staticwebapp.config.json`,
        JSON.stringify({
          trailingSlash: "never",
          globalHeaders: {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
          },
          mimeTypes: { ".woff2": "font/woff2", ".yaml": "application/yaml" },
          routes: Object.entries(redirects).map(([route, redirect]) => ({
            route,
            redirect,
            statusCode: 301,
          })),
          responseOverrides: { "404": { rewrite: "/404.html" } },
        }),
      );
    },
  },
};
