/** Follows every link of a site, as a reader could. */
import { call } from "../../tools/support/api";

/** What a page has links to, its images and scripts included. */
const addressesIn = (html: string): readonly string[] =>
  [...html.matchAll(/<(?:a|link|script|use|img)\b[^>]*?\s(?:href|src)="([^"]+)"/g)].map(([, address = ""]) =>
    address.replaceAll("&amp;", "&"),
  );

export interface Crawled {
  /** The text of each page, by its path. */
  readonly visited: ReadonlyMap<string, string>;
  /** Each address that leads nowhere, once, though each page may have it. */
  readonly broken: readonly string[];
}

/** Visits everything on the site that the starts lead to, and looks for each fragment on its page. */
export const crawl = async (starts: readonly URL[]): Promise<Crawled> => {
  const visited = new Map<string, string>();
  const missing = new Set<string>();
  /** With a page that leads there. */
  const broken = new Map<string, string>();
  const queue = starts.map((to) => ({ from: "the test", to }));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { from, to } = next;
    if (!starts.some(({ origin }) => origin === to.origin)) {
      continue;
    }
    if (!visited.has(to.pathname) && !missing.has(to.pathname)) {
      const { status, text, headers } = await call(to.origin + to.pathname);
      if (status === 200) {
        visited.set(to.pathname, text);
        const isPage = headers.get("content-type")?.startsWith("text/html") === true;
        for (const address of isPage ? addressesIn(text) : []) {
          queue.push({ from: to.pathname, to: new URL(address, to) });
        }
      } else {
        missing.add(to.pathname);
      }
    }
    const text = visited.get(to.pathname);
    const hasFragment = to.hash === "" || text?.includes(`id="${decodeURIComponent(to.hash.slice(1))}"`);
    if (text === undefined || hasFragment !== true) {
      broken.set(to.href, from);
    }
  }
  return { visited, broken: [...broken].map(([to, from]) => `${to}, to which ${from} leads`) };
};
