/**
 * Keeps other web pages away from the local host. A browser lets any page send a POST without a body to any address,
 * and the local host asks for no function key. So any page could replace a merchant's key. With "DNS rebinding", where
 * a second DNS answer resolves the page's own name to loopback, the page could even read the new key.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isLoopback } from "../shared/loopback";

/** The headers that show where a request comes from, each with all the values that were sent. */
export type ArrivalHeaders = Readonly<Partial<Record<"host" | "origin" | "sec-fetch-site", string[]>>>;

/**
 * Why the host refuses a request: one sentence says what was wrong, and one says what to do. Undefined when the request
 * comes from this host's own pages, from the address bar of a browser, or from a program that is not a browser.
 *
 * @param allowedHosts in small letters, without a port: what a request may call this machine, besides loopback.
 */
export const explainForeign = (
  headers: ArrivalHeaders,
  allowedHosts: readonly string[] = [],
): string | undefined => {
  const hosts = headers.host ?? [];
  // After DNS rebinding, a page's request still carries the name of its own site (RFC 9110, section 7.2).
  if (!hosts.every((host) => isThisMachine(host, allowedHosts))) {
    return "The Host of this request is not localhost, an address in 127.0.0.0/8 or [::1]. Ask this local host under one of those, or start it with the Host that it may have, as a container's call has another: npm start ALLOWED_HOSTS=host.docker.internal.";
  }
  // A page whose origin is hidden sends `null` (RFC 6454, section 7.3). This host speaks plain HTTP only.
  const ownOrigins = hosts.map((host) => `http://${host.toLowerCase()}`);
  const isOwn = (origin: string): boolean => ownOrigins.includes(origin.toLowerCase());
  // W3C Fetch Metadata, section 2.4. `none` is the address bar, a bookmark or a link in a terminal. `same-site` is
  // another port of this machine, which serves the pages of another program.
  const isFromOwnPage = (site: string): boolean => site === "same-origin" || site === "none";
  const isAllowed =
    (headers.origin ?? []).every(isOwn) && (headers["sec-fetch-site"] ?? []).every(isFromOwnPage);
  return isAllowed
    ? undefined
    : "A page of another site made this request, or a link on one led here. This local host answers its own pages only: to open one, type its address or paste it into the address bar.";
};

/** With or without a port. */
const isThisMachine = (host: string, allowedHosts: readonly string[]): boolean => {
  const name = host.toLowerCase().replace(/:\d*$/, "");
  return isLoopback(name) || allowedHosts.includes(name);
};

/** Answers 403 to a foreign request. Returns false when the request is not foreign; the caller answers it then. */
export const refuseForeign = (
  request: IncomingMessage,
  response: ServerResponse,
  allowedHosts: readonly string[],
): boolean => {
  const explanation = explainForeign(request.headersDistinct, allowedHosts);
  if (explanation === undefined) {
    return false;
  }
  response
    .writeHead(403, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" })
    .end(`${explanation}\n`);
  return true;
};
