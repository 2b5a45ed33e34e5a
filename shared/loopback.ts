import { isIPv4 } from "node:net";

/** Whether a host, named as a `URL` names it, is this machine. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127."));
