import type { Call } from "./api";

/** For a POSIX shell: nothing inside single quotes means anything, but the quote that ends them. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A command for a shell that makes the same call again. */
export const toCurl = ({ url, request }: Call): string =>
  [
    "curl -sS -X POST",
    ...request.headers.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(request.body === "" ? [] : [`--data-raw ${quote(request.body)}`]),
    quote(url),
  ].join(" ");
