/** What the content of a page needs besides, to be a page of the site: changes of the HTML that others made. */
import { pages, resolveLink, unlistedPages, type SitePage } from "./pages";
import { showValues } from "./reader";

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
const labelCells = (html: string): string =>
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

/** Sections that follow one another, each about one programming language, become items for Starlight's tabs. */
const groupTabs = (html: string): string =>
  html
    .split(/(?=<h[23][ >])/)
    .map((section) => {
      const [, text = ""] = /^<h3[^>]*>(.*?)<\/h3>/s.exec(section) ?? [];
      const name = tabNames.find((each) => each === text.replaceAll(/<[^>]+>/g, ""));
      return name === undefined
        ? section
        : `<language-tabs><starlight-tab-item data-label="${name}">${section.replace("<h3", '<h3 class="sr-only"')}</starlight-tab-item></language-tabs>`;
    })
    .join("")
    .replaceAll("</language-tabs><language-tabs>", "");

/** Only a long piece of code within a sentence may break, and only between its words, not at hyphens. */
const breakCode = (html: string): string =>
  html.replaceAll(/<code>([^<]{18,})<\/code>/g, (_, code: string) => {
    const parts = code.split(/(?<= )|(?<=[/.,=?:_\\]|&gt;)(?=\w)|(?<=[a-z])(?=[A-Z])/);
    // A space at the end of a part would be lost.
    return `<code>${parts.map((part) => part.replace(/\S+/, "<span>$&</span>")).join("<wbr>")}</code>`;
  });

const markLocal = (html: string): string =>
  html.replaceAll(
    "<code>http://127.0.0.1:7071</code>",
    '<code data-value="local">http://127.0.0.1:7071</code>',
  );

/** In the reference, headings of examples would skip a level, and the fragment of an answer's headers would be ambiguous. */
const mendReference = (html: string): string => {
  let answers = 0;
  return html
    .replaceAll(/<h5( class="sl-openapi-examples-heading[^>]*>[^<]*<)\/h5>/g, "<p$1/p>")
    .replaceAll(/(<h4 id="|href="#)headers"/g, (_, start: string) => {
      answers += start.startsWith("<") ? 1 : 0;
      return `${start}headers-${answers}"`;
    });
};

export const toSiteHtml = (html: string, id: string): string => {
  const page = [...pages, ...unlistedPages].find((each) => each.id === id);
  const changes = page ? [labelTasks, groupTabs, markLocal, breakCode] : [mendReference];
  return [labelCells, ...changes, showValues].reduce(
    (text, change) => change(text),
    page ? mapLinks(html, page) : html,
  );
};
