import type { Call } from "./api";

/** Quotes for a POSIX shell: inside single quotes, only the closing quote has a meaning. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A shell command that repeats the call. */
export const toCurl = ({ method, url, request }: Call): string =>
  [
    `curl -sS -X ${method}`,
    ...request.headers.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(request.body === "" ? [] : [`--data-raw ${quote(request.body)}`]),
    quote(url),
  ].join(" ");
