/** What is our own in each page's data: navigation and the other language. */
import { defineRouteMiddleware, type StarlightRouteData } from "@astrojs/starlight/route-data";
import { getCollection } from "astro:content";
import * as t from "io-ts";
import { alternatesOf, navigationOf, siteOrigin } from "./pages";

type SidebarEntry = StarlightRouteData["sidebar"][number];

// Astro knows the type of an entry only once it has read them all.
const Entries = t.array(t.type({ id: t.string, data: t.type({ title: t.string }) }));
const entries: unknown = await getCollection("docs");
const titles = new Map(Entries.is(entries) ? entries.map(({ id, data }) => [id, data.title]) : []);

/** What the picture of the playground shows, which other sites have beside a link to a page. */
const picture = {
  it: "L'app, il negozio e il portale di prova",
  en: "The app, the shop and the portal to try",
};

export const onRequest = defineRouteMiddleware(({ locals, url }) => {
  const { starlightRoute } = locals;
  const { id, head } = starlightRoute;
  const language = starlightRoute.lang === "en" ? "en" : "it";
  const link = (label: string, href: string, attrs = {}): SidebarEntry => ({
    type: "link",
    label,
    href,
    isCurrent: url.pathname === href,
    badge: undefined,
    attrs,
  });
  const groups = navigationOf(language).map(({ label, ids, collapsed }): SidebarEntry => ({
    type: "group",
    label,
    entries: ids.map((each) => link(titles.get(each) ?? each, `/${each}`)),
    collapsed,
    badge: undefined,
  }));
  const reference =
    language === "en"
      ? // In this place starlight-openapi puts the contract.
        starlightRoute.sidebar
      : [link("Riferimento API (in inglese)", "/en/docs", { hreflang: "en" })];
  starlightRoute.sidebar = [...groups.slice(0, 2), ...reference, ...groups.slice(2)];

  // starlight-openapi gives its pages no description. Starlight's alternates have the same path in each language.
  const isReference = id.startsWith("en/docs");
  const kept = head.filter(
    ({ attrs = {} }) => attrs["rel"] !== "alternate" && !(isReference && attrs["name"] === "description"),
  );
  const title = head.find(({ tag }) => tag === "title")?.content ?? "";
  const content = `${title}: the reference of the CGN OTP API, with samples in five languages.`;
  starlightRoute.head = [
    ...kept,
    { tag: "meta", attrs: { property: "og:image:alt", content: picture[language] } },
    ...(isReference ? [{ tag: "meta" as const, attrs: { name: "description", content } }] : []),
    ...alternatesOf(id).map((page) => ({
      tag: "link" as const,
      attrs: { rel: "alternate", hreflang: page.language, href: `${siteOrigin}/${page.id}` },
    })),
  ];
});
