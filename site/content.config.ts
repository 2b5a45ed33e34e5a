/** The pages, from Markdown that needs nothing for the site: title and description are its first lines. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { i18nLoader } from "@astrojs/starlight/loaders";
import { docsSchema, i18nSchema } from "@astrojs/starlight/schema";
import { defineCollection } from "astro:content";
import { pages, problems, unlistedPages, type Language, type SitePage } from "./pages";

interface Text {
  readonly title: string;
  /** Markdown. */
  readonly body: string;
}

/** The part of a problem's file that is in one language, after the address that both parts share. */
const takePart = (text: string, language: Language): string => {
  const [head = "", ...parts] = text.split(/^(?=## )/m);
  const heading = { it: "## Italiano\n", en: "## English\n" }[language];
  const part = (parts.find((each) => each.startsWith(heading)) ?? "").slice(heading.length);
  // Without the language's heading, those below it would skip a level.
  return head + part.replaceAll(/^###/gm, "##");
};

const readText = async ({ file, language }: Omit<SitePage, "id">): Promise<Text> => {
  const text = await readFile(file, "utf8");
  const [, title = "", body = ""] =
    /^# (.+)\n([^]*)/.exec(file.startsWith("docs/problems/") ? takePart(text, language) : text) ?? [];
  return {
    title: title.replaceAll("`", ""),
    body: file.startsWith("site/content/problems") ? body + (await listProblems(language)) : body,
  };
};

/** The rows of a table: each problem, with its status and what the customer reads. */
const listProblems = async (language: Language): Promise<string> => {
  const rows = await Promise.all(
    problems.map(async (name) => {
      const { title, body } = await readText({ file: `docs/problems/${name}.md`, language });
      const [, status = ""] = /\((\d+)\)/.exec(title) ?? [];
      const [, shown = ""] = /^> \*\*(.+)\*\*/m.exec(body) ?? [];
      return `| [${name}](/problems/${name}) | ${status} | ${shown} |`;
    }),
  );
  return rows.join("\n");
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

const docs = defineCollection({
  loader: {
    name: "docs",
    load: async (context) => {
      context.store.clear();
      for (const page of [...pages, ...unlistedPages]) {
        const { title, body } = await readText(page);
        const rendered = await context.renderMarkdown(body, { fileURL: pathToFileURL(page.file) });
        const id = page.id || "index";
        const isShort = !rendered.metadata?.headings?.some(({ depth }) => depth < 4);
        const data = {
          title,
          description: describe(body),
          pagefind: pages.includes(page),
          ...((isShort || id === "404") && { tableOfContents: false }),
        };
        context.store.set({
          id,
          data: await context.parseData({ id, data }),
          body,
          filePath: page.file,
          rendered,
        });
      }
    },
  },
  schema: docsSchema(),
});

export const collections = {
  docs,
  i18n: defineCollection({ loader: i18nLoader(), schema: i18nSchema() }),
};
