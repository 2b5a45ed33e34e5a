/** What the real host writes at the levels of the deployed `host.json`. */
import { readFileSync } from "node:fs";
import * as t from "io-ts";
import type { HostLine } from "../../local/host";
import { decode } from "../../tools/support/either";

const levels = ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"];

const { logLevel } = decode(
  t.type({ logging: t.type({ logLevel: t.record(t.string, t.string) }) }),
  JSON.parse(readFileSync("host.json", "utf8")),
).logging;

/** The longest prefix of the category decides (https://learn.microsoft.com/azure/azure-functions/configure-monitoring). */
export const isLoggedByHost = ({ category, level }: Pick<HostLine, "category" | "level">): boolean => {
  const [best] = Object.keys(logLevel)
    .filter((prefix) => category === prefix || category.startsWith(`${prefix}.`))
    .toSorted((one, other) => other.length - one.length);
  // Without a level of its own a category has the host's default.
  const least = best === undefined ? "Information" : logLevel[best];
  return levels.indexOf(level) >= levels.indexOf(least ?? "");
};
