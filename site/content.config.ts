/** The pages, from the Markdown of `docs/`, which needs nothing for the site: title and description are its first lines. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { docsSchema } from "@astrojs/starlight/schema";
import { defineCollection } from "astro:content";
import { toSiteHtml } from "./html";
import { notFound, playground, problemsTitle } from "./own-pages";
import { pages, problems, type Language, type SitePage } from "./pages";

interface Text {
  readonly title: string;
  /** Markdown. */
  readonly body: string;
}

const split = (text: string): Text => {
  const [, title = "", body = ""] = /^# (.+)\n([^]*)/.exec(text) ?? [];
  return { title, body };
};

/** The part of a problem's file that is in one language, after the address that both parts share. */
const takePart = ({ title, body }: Text, language: Language): Text => {
  const [head = "", ...parts] = body.split(/^(?=## )/m);
  const heading = { it: "## Italiano\n", en: "## English\n" }[language];
  const part = (parts.find((each) => each.startsWith(heading)) ?? "").slice(heading.length);
  // Without the language's heading, those below it would skip a level.
  return { title, body: head + part.replaceAll(/^###/gm, "##") };
};

const readText = async ({ file, language }: SitePage): Promise<Text> => {
  const text = split(await readFile(file, "utf8"));
  return file.startsWith("docs/problems/") ? takePart(text, language) : text;
};

/** The first paragraph as plain text, or in a problem's page what happened. */
const describe = (body: string): string => {
  const paragraphs = body.split(/\n{2,}/).map((part) => part.trim());
  const first =
    paragraphs.find((part) => /^\*\*(?:Che cosa è successo|What happened)\.\*\*/.test(part)) ??
    paragraphs.find((part) => /^[\p{L}`*[_]/u.test(part)) ??
    "";
  const plain = first
    .replace(/(?: In (?:inglese|Italian): \[[^\]]+\]\([^)]+\)\.)?\s*$/, "")
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/[`*\\]|^- \w+: /gm, "")
    .replaceAll(/\s+/g, " ");
  return plain.length <= 200 ? plain : `${plain.slice(0, 199).replace(/\s\S*$/, "")}…`;
};

const listProblems = async (language: Language): Promise<string> => {
  const rows = await Promise.all(
    problems.map(async (name) => {
      const file = `docs/problems/${name}.md`;
      const { title, body } = await readText({ file, language, id: "" });
      const [, status = ""] = /\((\d+)\)/.exec(title) ?? [];
      const [, shown = ""] = /^> \*\*(.+)\*\*/m.exec(body) ?? [];
      return `| [${name}](/problems/${name}) | ${status} | ${shown} |`;
    }),
  );
  return [problemsTitle[language].head, "| --- | --- | --- |", ...rows].join("\n");
};

const docs = defineCollection({
  loader: {
    name: "docs",
    load: async (context) => {
      const { store } = context;
      store.clear();
      const add = async (page: SitePage, { title, body }: Text, data: object = {}): Promise<void> => {
        const rendered = await context.renderMarkdown(body, { fileURL: pathToFileURL(page.file) });
        const isShort = !rendered.metadata?.headings?.some(({ depth }) => depth < 4);
        store.set({
          id: page.id,
          data: await context.parseData({
            id: page.id,
            data: { title, description: describe(body), ...(isShort && { tableOfContents: false }), ...data },
          }),
          body,
          filePath: page.file,
          rendered: { ...rendered, html: toSiteHtml(rendered.html, page) },
        });
      };
      for (const page of pages) {
        await add(page, await readText(page));
      }
      for (const language of ["it", "en"] as const) {
        const prefix = language === "it" ? "" : "en/";
        const { title, text } = problemsTitle[language];
        await add(
          { id: `${prefix}problems`, language, file: "docs/problems/index.md" },
          { title, body: `${text}\n\n${await listProblems(language)}` },
        );
        await add(
          { id: language === "it" ? "index" : "en", language, file: "docs/index.md" },
          playground[language],
          {
            description: playground[language].description,
            pagefind: false,
            head: [
              { tag: "link", attrs: { rel: "stylesheet", href: "/playground/playground.css" } },
              { tag: "script", attrs: { type: "module", src: "/playground/main.js" } },
            ],
          },
        );
      }
      await add({ id: "404", language: "it", file: "docs/404.md" }, notFound, {
        tableOfContents: false,
        pagefind: false,
      });
    },
  },
  schema: docsSchema(),
});

export const collections = { docs };
