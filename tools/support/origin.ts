/** A service that a tool is pointed at: its address, and the function key that the platform asks for. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { isLoopback } from "../../shared/loopback";
import type { Send } from "./api";
import { functionKeyHeader } from "./document";

/** Whether an address is one of this machine. */
export const isOnThisMachine = (url: string): boolean => isLoopback(new URL(url).hostname);

/** Takes an origin and no more: the contract fixes the paths, and a name and a password would be a secret. */
export const decodeOrigin = (text: string): Either<string, string> => {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    return E.left("--url is malformed: expected an origin, as https://example.azurewebsites.net");
  }
  return url.protocol === "https:" || isLoopback(url.hostname)
    ? E.right(url.origin)
    : E.left("--url is plain HTTP: keys would go over the network readable. Use https.");
};

/** Sends the key to the paths that the Functions host opens with a function key only. */
export const withFunctionKey =
  (functionKey: string | undefined, send: Send): Send =>
  (url, init = {}) => {
    const headers = new Headers(init.headers);
    if (functionKey !== undefined && new URL(url).pathname.startsWith("/api/v1/cgn/")) {
      headers.set(functionKeyHeader, functionKey);
    }
    return send(url, { ...init, headers, redirect: "manual" });
  };
