import path from "node:path";
import starlight from "@astrojs/starlight";
import { satteri } from "@astrojs/markdown-satteri";
import sitemap from "@astrojs/sitemap";
import { defineConfig } from "astro/config";
import starlightOpenApi, { openAPISidebarGroups } from "starlight-openapi";
import { writeReference } from "./reference";
import { hosting } from "./hosting";
import { alternatesOf, isCopy, siteOrigin } from "./pages";

const buildFolder = process.env.SITE_BUILD_FOLDER ?? path.resolve("build", "pages", "astro.new");

const reference = await writeReference(buildFolder);

export default defineConfig({
  site: siteOrigin,
  srcDir: ".",
  publicDir: "./public",
  // Named by whoever builds, so that two builds at a time do not meet.
  outDir: path.join(buildFolder, "site"),
  cacheDir: path.join(buildFolder, "cache"),
  trailingSlash: "never",
  prefetch: false,
  devToolbar: { enabled: false },
  build: { inlineStylesheets: "never" },
  // Astro needs another version than the one at the root of node_modules.
  vite: {
    // A script that is in each page would be loaded with each.
    build: { assetsInlineLimit: 0 },
    cacheDir: path.join(buildFolder, "vite"),
    environments: { prerender: { resolve: { noExternal: ["cookie"] } } },
  },
  markdown: { processor: satteri({ features: { smartPunctuation: false } }) },
  integrations: [
    starlight({
      title: { it: "Codici sconto CGN", en: "CGN discount codes" },
      description: "Carta Giovani Nazionale",
      locales: { root: { label: "Italiano", lang: "it" }, en: { label: "English", lang: "en" } },
      favicon: "/icon.svg",
      customCss: ["./theme.css"],
      components: {
        Footer: "./components/Footer.astro",
        LanguageSelect: "./components/LanguageSelect.astro",
        MarkdownContent: "./components/MarkdownContent.astro",
        PageTitle: "./components/PageTitle.astro",
        SocialIcons: "./components/SocialIcons.astro",
      },
      head: [{ tag: "meta", attrs: { property: "og:image", content: `${siteOrigin}/playground.png` } }],
      routeMiddleware: "./route.ts",
      pagination: false,
      sidebar: openAPISidebarGroups,
      plugins: [
        starlightOpenApi([
          { base: "en/docs", schema: reference, sidebar: { label: "API reference", collapsed: false } },
        ]),
      ],
    }),
    sitemap({
      filter: (page) => !isCopy(new URL(page).pathname),
      serialize: (item) => {
        const links = alternatesOf(new URL(item.url).pathname.slice(1)).map(({ id, language }) => ({
          lang: language,
          url: `${siteOrigin}/${id}`,
        }));
        return { ...item, links: links.length > 0 ? links : undefined };
      },
    }),
    hosting,
  ],
});
