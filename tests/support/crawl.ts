/** Follows every link of a site, as a reader could. */
import { call } from "../../tools/support/api";

/** A link that leads nowhere: the page that has it, and its address. */
export interface Broken {
  readonly from: string;
  readonly to: string;
}

/** What a page has links to, its images and scripts included. */
const addressesIn = (html: string): readonly string[] =>
  [...html.matchAll(/<(?:a|link|script|use|img)\b[^>]*?\s(?:href|src)="([^"]+)"/g)].map(([, address = ""]) =>
    address.replaceAll("&amp;", "&"),
  );

/** Visits everything on the site that the starts lead to, and looks for each fragment on its page. */
export const crawl = async (
  starts: readonly URL[],
): Promise<{ readonly visited: ReadonlyMap<string, string>; readonly broken: readonly Broken[] }> => {
  const visited = new Map<string, string>();
  const broken: Broken[] = [];
  const missing = new Set<string>();
  const queue = starts.map((to) => ({ from: "", to }));
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
        queue.push(
          ...(isPage ? addressesIn(text) : []).map((address) => ({
            from: to.pathname,
            to: new URL(address, to),
          })),
        );
      } else {
        missing.add(to.pathname);
      }
    }
    const text = visited.get(to.pathname);
    if (
      text === undefined ||
      (to.hash !== "" && !text.includes(`id="${decodeURIComponent(to.hash.slice(1))}"`))
    ) {
      broken.push({ from, to: to.href });
    }
  }
  return { visited, broken };
};
