/** The settings that only the local host has. */
import { isIP, isIPv6 } from "node:net";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { decodePort } from "./server";

/** Each with what it may be, for its fault. */
export const hostSettings = {
  PORT: "a whole number from 0 to 65535",
  LISTEN_ADDRESS: "an address of this machine, as 127.0.0.1, or 0.0.0.0 for all",
  ALLOWED_HOSTS:
    "names or addresses without a port, with commas between them, as host.docker.internal,192.168.1.20",
} as const;

export interface HostSettings {
  readonly port: number;
  readonly address: string;
  /** What a request may call this machine, besides loopback. */
  readonly allowedHosts: readonly string[];
}

/** Every address of the machine. */
export const isUnspecified = (address: string): boolean => address === "0.0.0.0" || address === "::";

const inUrl = (address: string): string => (isIPv6(address) ? `[${address}]` : address);

/** Where a program on this machine asks a server that listens there. */
export const originOf = (address: string, port: number): string =>
  `http://${isUnspecified(address) ? "127.0.0.1" : inUrl(address)}:${port}`;

/** @returns a left with the names of what is malformed, and no value. */
export const decodeHostSettings = (
  settings: Readonly<Record<string, string | undefined>>,
): Either<string, HostSettings> => {
  const port = decodePort(settings["PORT"], 7071);
  const { LISTEN_ADDRESS: wanted = "", ALLOWED_HOSTS: allowed = "" } = settings;
  const address = wanted === "" ? "127.0.0.1" : wanted;
  const named = allowed.split(",").map((name) => name.trim().toLowerCase());
  const names = named.filter((name) => name !== "");
  const faults: (keyof typeof hostSettings)[] = [
    ...(port === undefined ? (["PORT"] as const) : []),
    ...(isIP(address) === 0 ? (["LISTEN_ADDRESS"] as const) : []),
    ...(names.every((name) => /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/.test(name))
      ? []
      : (["ALLOWED_HOSTS"] as const)),
  ];
  return faults.length > 0 || port === undefined
    ? E.left(faults.map((name) => `${name} is malformed: expected ${hostSettings[name]}`).join("\n"))
    : E.right({ port, address, allowedHosts: isUnspecified(address) ? names : [...names, inUrl(address)] });
};
