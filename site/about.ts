/** What the repository says of its owner: read from the files in which the owner puts it. */
import { readFileSync } from "node:fs";

const [, url = ""] = /^url: (\S+)$/m.exec(readFileSync("publiccode.yml", "utf8")) ?? [];
const [, name = ""] =
  /^ {2}contact:\n(?: +#.*\n)*.*\n? *name: (.+)$/m.exec(readFileSync("openapi.yaml", "utf8")) ?? [];

export const source = url;
export const contact = name;
