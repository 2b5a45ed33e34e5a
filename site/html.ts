/** What the rendered Markdown of a page needs besides, to be a page of the site. */
import { resolveLink, type SitePage } from "./pages";

/** Headings under which a guide has the same for each language: they become tabs. */
const tabNames = ["curl", "PHP", "Node.js", "Python", "C#", "Java"];

const mapLinks = (html: string, page: SitePage): string =>
  html.replaceAll(
    /<a href="([^"]*)"([^>]*)>(.*?)<\/a>/gs,
    (_, address: string, rest: string, text: string) => {
      const resolved = resolveLink(address, page);
      // A link to a file that the site does not show is a text.
      return resolved === undefined ? text : `<a href="${resolved}"${rest}>${text}</a>`;
    },
  );

/** On a phone each row of a table is a list, in which each cell has the name of its column. */
export const labelCells = (html: string): string =>
  html.replaceAll(/<table>.*?<\/table>/gs, (table) => {
    const names = [...table.matchAll(/<th(?: [^>]*)?>(.*?)<\/th>/gs)].map(([, name = ""]) =>
      name.replaceAll(/<[^>]+>/g, "").trim(),
    );
    let column = 0;
    return table
      .replaceAll("<tr>", () => {
        column = 0;
        return '<tr role="row">';
      })
      .replaceAll(/<(td|th)(?=[ >])/g, (_, tag: string) =>
        tag === "th"
          ? '<th role="columnheader"'
          : `<td role="cell" data-label="${names[column++ % names.length] ?? ""}"`,
      )
      .replaceAll(/(<td [^>]*>)(?!<\/td>)(.*?)<\/td>/gs, "$1<span>$2</span></td>")
      .replace("<table>", '<table role="table">');
  });

/** In a task list, the reader can tick the boxes. */
const labelTasks = (html: string): string =>
  html.replaceAll(
    /<li class="task-list-item">\s*(?:<p>)?<input type="checkbox"[^>]*>(.*?)(?:<\/p>)?(\s*(?:<ul>.*?<\/ul>)?\s*)<\/li>/gs,
    '<li class="task-list-item"><label><input type="checkbox"><span>$1</span></label>$2</li>',
  );

/** Sections that follow one another, each about one programming language, become tabs. */
const groupTabs = (html: string): string => {
  const sections = html.split(/(?=<h[23][ >])/);
  const nameOf = (section: string): string | undefined => {
    const [, text = ""] = /^<h3[^>]*>(.*?)<\/h3>/s.exec(section) ?? [];
    return tabNames.find((name) => name === text.replaceAll(/<[^>]+>/g, ""));
  };
  return sections
    .map((section, index) => {
      const name = nameOf(section);
      if (name === undefined) {
        return section;
      }
      const isFirst = nameOf(sections[index - 1] ?? "") === undefined;
      const isLast = nameOf(sections[index + 1] ?? "") === undefined;
      return `${isFirst ? "<language-tabs>" : ""}<section data-tab="${name}">${section}</section>${isLast ? "</language-tabs>" : ""}`;
    })
    .join("");
};

/** Code within a sentence stays in one line. Only a long piece may break, and only between its words. */
const breakCode = (html: string): string =>
  html.replaceAll(/<code>([^<]{18,})<\/code>/g, (_, code: string) => {
    const parts = code.split(/(?<=[/.,=?: _\\-]|&gt;)(?=\w)|(?<=[a-z])(?=[A-Z])/);
    return `<code>${parts.map((part) => `<span>${part}</span>`).join("<wbr>")}</code>`;
  });

const markLocal = (html: string): string =>
  html.replaceAll(
    "<code>http://127.0.0.1:7071</code>",
    '<code data-value="local">http://127.0.0.1:7071</code>',
  );

export const toSiteHtml = (html: string, page: SitePage): string =>
  [labelCells, labelTasks, groupTabs, markLocal, breakCode].reduce(
    (text, change) => change(text),
    mapLinks(html, page),
  );
