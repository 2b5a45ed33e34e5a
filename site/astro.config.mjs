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

/** Starlight has no Italian words for the results of the search. */
const searchInItalian = {
  "search.cancelLabel": "Annulla",
  "pagefind.clear_search": "Cancella",
  "pagefind.load_more": "Mostra altri risultati",
  "pagefind.search_label": "Cerca nel sito",
  "pagefind.zero_results": "Nessun risultato per [SEARCH_TERM]",
  "pagefind.many_results": "[COUNT] risultati per [SEARCH_TERM]",
  "pagefind.one_result": "[COUNT] risultato per [SEARCH_TERM]",
  "pagefind.alt_search": "Nessun risultato per [SEARCH_TERM]. Ecco i risultati per [DIFFERENT_TERM]",
  "pagefind.search_suggestion": "Nessun risultato per [SEARCH_TERM]. Prova con:",
  "pagefind.searching": "Cerco [SEARCH_TERM]…",
};

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
        PageTitle: "./components/PageTitle.astro",
        SocialIcons: "./components/SocialIcons.astro",
      },
      head: [{ tag: "meta", attrs: { property: "og:image", content: `${siteOrigin}/playground.png` } }],
      routeMiddleware: "./route.ts",
      pagination: false,
      sidebar: openAPISidebarGroups,
      plugins: [
        {
          name: "italian-search",
          hooks: {
            "config:setup": () => {},
            "i18n:setup": ({ injectTranslations }) => injectTranslations({ it: searchInItalian }),
          },
        },
        starlightOpenApi([
          { base: "en/docs", schema: reference, sidebar: { label: "API reference", collapsed: false } },
        ]),
      ],
    }),
    sitemap({
      filter: (page) => !isCopy(new URL(page).pathname),
      serialize: (item) => {
        const paths = Object.entries(alternatesOf(new URL(item.url).pathname.slice(1)));
        const links = paths.map(([lang, path]) => ({ lang, url: siteOrigin + path }));
        return { ...item, links: links.length < 2 ? undefined : links };
      },
    }),
    hosting,
  ],
});
