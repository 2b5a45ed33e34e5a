/** The Markdown files of `docs/` as HTML. */
import path from "node:path";
import MarkdownIt from "markdown-it";
import anchor from "markdown-it-anchor";
import type { Language } from "../playground/page/messages";
import { escapeHtml } from "./layout";
import { markValues, type Reader } from "./reader";

/** A heading that the table of contents leads to. */
export interface Heading {
  readonly level: number;
  readonly id: string;
  readonly text: string;
}

export interface Rendered {
  /** The first heading of level 1, as text. */
  readonly title: string;
  readonly html: string;
  /** Of levels 2 and 3. */
  readonly headings: readonly Heading[];
}

/** What rendering depends on. */
export interface Place {
  /** The file, from the project's folder, to which its links are relative. */
  readonly file: string;
  readonly language: Language;
  readonly reader: Reader;
  /** The address of the page that shows a file of the project. Undefined: the site has none. */
  readonly findPath: (file: string) => string | undefined;
}

// The fragments are the same as in the repository's viewer, so that a link within a guide works in both.
const slugify = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

const isElsewhere = (address: string): boolean => /^(?:https?:|mailto:|#)/.test(address);

/** The address on the site for one in a file. */
const resolve = (address: string, { file, findPath }: Place): string | undefined => {
  if (isElsewhere(address)) {
    return address;
  }
  const [target = "", fragment] = address.split("#");
  // The contract's links begin with `/`: they are paths of the site.
  const found = target.startsWith("/")
    ? findPath(`docs${target}.md`)
    : findPath(path.posix.join(path.posix.dirname(file), target));
  return found && found + (fragment === undefined ? "" : `#${fragment}`);
};

/** A block of code that the reader can copy, with the reader's own values in it. With a title it is closed at first. */
export const renderSample = (code: string, reader: Reader, title?: string): string => {
  const sample = `<pre tabindex="0"><code>${markValues(code, reader)}</code></pre>`;
  const closed = (name: string): string =>
    `<details class="more"><summary>${escapeHtml(name)}</summary>${sample}</details>`;
  return `<div class="sample"><button type="button" class="btn btn-outline-primary btn-xs" hidden></button>${title === undefined ? sample : closed(title)}</div>\n`;
};

/** A whole program is copied rather than read. Whoever reads past it should not have to scroll. */
const longSampleLines = 40;

const nameProgram: Readonly<Record<Language, (lines: number) => string>> = {
  it: (lines) => `Il programma, ${lines} righe`,
  en: (lines) => `The program, ${lines} lines`,
};

/** Within a sentence only the local host's own address is the reader's: the sentence is about the local host. */
const markInline = (code: string, reader: Reader): string =>
  code === "http://127.0.0.1:7071" && reader.localOrigin !== undefined
    ? markValues(code, reader)
    : escapeHtml(code);

export const markdown = new MarkdownIt().use(anchor, { slugify, tabIndex: false });

export const renderMarkdown = (text: string, place: Place): Rendered => {
  const tokens = markdown.parse(text, {});
  const headings: Heading[] = [];
  let title = "";
  tokens.forEach((token, index) => {
    if (token.type === "heading_open") {
      const level = Number(token.tag.slice(1));
      const content = tokens[index + 1]?.children?.map((each) => each.content).join("") ?? "";
      if (level === 1) {
        title ||= content;
      } else if (level <= 3) {
        headings.push({ level, id: String(token.attrGet("id") ?? ""), text: content });
      }
    }
    if (token.type === "fence") {
      token.type = "html_block";
      const lines = token.content.trim().split("\n").length;
      const title = lines > longSampleLines ? nameProgram[place.language](lines) : undefined;
      token.content = renderSample(token.content, place.reader, title);
    }
    // A link to a file that the site does not show is a text.
    let isText = false;
    token.children &&= token.children.filter((child) => {
      if (child.type === "code_inline") {
        child.type = "html_inline";
        child.content = `<code>${markInline(child.content, place.reader)}</code>`;
      }
      if (child.type === "link_open") {
        const address = resolve(String(child.attrGet("href") ?? ""), place);
        isText = address === undefined;
        child.attrSet("href", address ?? "");
      }
      const isLeftOut = isText && child.type.startsWith("link_");
      isText &&= child.type !== "link_close";
      return !isLeftOut;
    });
  });
  const html = markdown.renderer
    .render(tokens, markdown.options, {})
    .replaceAll("<table>", '<div class="rows" tabindex="0"><table>')
    .replaceAll("</table>", "</table></div>")
    // In a task list, the reader can tick the boxes.
    .replaceAll(
      /<li>\[ \] ([^]*?)<\/li>/g,
      '<li class="task"><label><input type="checkbox"><span>$1</span></label></li>',
    );
  return { title, html, headings };
};

/** The headings as nested lists of links. */
export const listHeadings = (headings: readonly Heading[]): string => {
  const chapters: { readonly head: Heading; readonly parts: Heading[] }[] = [];
  for (const heading of headings) {
    if (heading.level === 2) {
      chapters.push({ head: heading, parts: [] });
    } else {
      chapters.at(-1)?.parts.push(heading);
    }
  }
  const link = ({ id, text }: Heading): string => `<a href="#${id}">${escapeHtml(text)}</a>`;
  return `<ul>${chapters
    .map(({ head, parts }) => {
      const inner = parts.map((part) => `<li>${link(part)}</li>`).join("");
      return `<li>${link(head)}${inner && `<ul>${inner}</ul>`}</li>`;
    })
    .join("")}</ul>`;
};
