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

export const onRequest = defineRouteMiddleware((context) => {
  const { starlightRoute } = context.locals;
  const language = starlightRoute.lang === "en" ? "en" : "it";
  const link = (label: string, href: string, attrs = {}): SidebarEntry => ({
    type: "link",
    label,
    href,
    isCurrent: context.url.pathname === href,
    badge: undefined,
    attrs,
  });
  const groups = navigationOf(language).map(({ label, ids, collapsed = false }): SidebarEntry => ({
    type: "group",
    label,
    entries: ids.map((id) => link(titles.get(id) ?? id, `/${id}`)),
    collapsed,
    badge: undefined,
  }));
  const reference =
    language === "en"
      ? // In this place starlight-openapi puts the contract.
        starlightRoute.sidebar
      : [link("Riferimento API (in inglese)", "/en/docs", { hreflang: "en" })];
  starlightRoute.sidebar = [...groups.slice(0, 2), ...reference, ...groups.slice(2)];

  // starlight-openapi gives its pages no description.
  const title = starlightRoute.head.find(({ attrs }) => attrs?.["property"] === "og:title")?.attrs?.[
    "content"
  ];
  const description = starlightRoute.id.startsWith("en/docs")
    ? [`${String(title)}: the reference of the CGN OTP API, with samples in five languages.`]
    : [];

  const isAlternate = (attrs: Readonly<Record<string, unknown>> = {}): boolean =>
    attrs["rel"] === "alternate";
  const paths = Object.entries(alternatesOf(starlightRoute.id));
  starlightRoute.head = [
    ...starlightRoute.head.filter(
      ({ attrs }) => !isAlternate(attrs) && !(description.length > 0 && attrs?.["name"] === "description"),
    ),
    {
      tag: "meta" as const,
      attrs: {
        property: "og:image:alt",
        content:
          language === "it"
            ? "L'app, il negozio e il portale di prova"
            : "The app, the shop and the portal to try",
      },
    },
    ...description.map((content) => ({ tag: "meta" as const, attrs: { name: "description", content } })),
    ...(paths.length < 2 ? [] : paths).map(([hreflang, path]) => ({
      tag: "link" as const,
      attrs: { rel: "alternate", hreflang, href: new URL(path, siteOrigin).href },
      content: "",
    })),
  ];
});
