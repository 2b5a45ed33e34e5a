/**
 * Keeps other web pages away from the local host. A browser lets any page send a POST without a body to any address, and
 * the local host asks for no function key: such a page could replace a merchant's key. A page whose own name leads to
 * loopback by its second DNS answer ("DNS rebinding") could read the new one, too.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isIPv4 } from "node:net";

/** The headers of a request that tell where it comes from, each with every value that it was sent with. */
export type ArrivalHeaders = Readonly<Partial<Record<"host" | "origin" | "sec-fetch-site", string[]>>>;

/**
 * Why a request is not answered: a sentence that says what was wrong, and one that says what to do. Undefined when the
 * request comes from this host's own pages, from the address bar of a browser, or from a program that is no browser.
 */
export const explainForeign = (headers: ArrivalHeaders): string | undefined => {
  const hosts = headers.host ?? [];
  // A page that was rebound sends the name of its own site: RFC 9110, section 7.2.
  if (!hosts.every(isLoopback)) {
    return "The Host of this request is not localhost, an address in 127.0.0.0/8 or [::1]. Ask this local host under one of those.";
  }
  // RFC 6454, section 7.3: a page that must not be named says `null`. This host speaks plain HTTP only.
  const ownOrigins = hosts.map((host) => `http://${host.toLowerCase()}`);
  const isOwn = (origin: string): boolean => ownOrigins.includes(origin.toLowerCase());
  // W3C Fetch Metadata, section 2.4. `none` is the address bar, a bookmark or a link in a terminal. `same-site` is
  // another port of this machine, where another program's pages are.
  const isFromOwnPage = (site: string): boolean => site === "same-origin" || site === "none";
  const isAllowed =
    (headers.origin ?? []).every(isOwn) && (headers["sec-fetch-site"] ?? []).every(isFromOwnPage);
  return isAllowed
    ? undefined
    : "A page of another site made this request, or a link on one led here. This local host answers its own pages only: to open one, type its address or paste it into the address bar.";
};

/** With or without a port. */
const isLoopback = (host: string): boolean => {
  const name = host.toLowerCase().replace(/:\d*$/, "");
  return name === "localhost" || name === "[::1]" || (isIPv4(name) && name.startsWith("127."));
};

/** Answers 403 to a request that is foreign. False when it is not, and is still to be answered. */
export const refuseForeign = (request: IncomingMessage, response: ServerResponse): boolean => {
  const explanation = explainForeign(request.headersDistinct);
  if (explanation === undefined) {
    return false;
  }
  response
    .writeHead(403, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" })
    .end(`${explanation}\n`);
  return true;
};
