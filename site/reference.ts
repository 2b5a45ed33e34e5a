/** The contract as the reference shows it: with links of the site, and with each call in five languages. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { isRight } from "fp-ts/Either";
import { HTTPSnippet } from "httpsnippet";
import * as t from "io-ts";
import { parse } from "yaml";
import { resolveLink, siteOrigin } from "./pages";

/** What a sample is made from. References to parameters are left out: those name optional headers. */
const Operation = t.partial({
  security: t.array(t.record(t.string, t.unknown)),
  parameters: t.array(t.partial({ name: t.string, in: t.string, required: t.boolean, example: t.string })),
  requestBody: t.type({
    content: t.record(
      t.string,
      t.partial({ example: t.unknown, examples: t.record(t.string, t.type({ value: t.unknown })) }),
    ),
  }),
});
const Document = t.type({
  info: t.type({ description: t.string }),
  tags: t.array(t.type({ name: t.string, description: t.string })),
  paths: t.record(t.string, t.record(t.string, t.UnknownRecord)),
});

/** What a reader's key looks like in a sample, by the name of its security scheme. */
const keys: Readonly<Record<string, { readonly name: string; readonly value: string }>> = {
  functionKey: { name: "x-functions-key", value: "cgn-function-key" },
  merchantApiKey: { name: "Ocp-Apim-Subscription-Key", value: "cgn_demo-shop_YOUR-KEY" },
};

const languages = [
  { label: "curl", lang: "sh", target: "shell", client: "curl" },
  { label: "PHP", lang: "php", target: "php", client: "curl" },
  { label: "Node.js", lang: "js", target: "node", client: "fetch" },
  { label: "Python", lang: "python", target: "python", client: "requests" },
  { label: "C#", lang: "csharp", target: "csharp", client: "httpclient" },
] as const;

const makeSamples = (method: string, template: string, operation: t.TypeOf<typeof Operation>): object[] => {
  const { security = [], parameters = [], requestBody } = operation;
  const pathname = template.replaceAll(
    /\{(\w+)\}/g,
    (_, wanted: string) => parameters.find(({ name }) => name === wanted)?.example ?? wanted,
  );
  const [media] = Object.values(requestBody?.content ?? {});
  const body = media?.example ?? Object.values(media?.examples ?? {})[0]?.value;
  const snippet = new HTTPSnippet({
    method: method.toUpperCase(),
    url: `${siteOrigin}/api/v1${pathname}`,
    headers: security.flatMap((scheme) => Object.keys(scheme).flatMap((name) => keys[name] ?? [])),
    postData: body === undefined ? undefined : { mimeType: "application/json", text: JSON.stringify(body) },
  });
  return languages.map(({ label, lang, target, client }) => ({
    label,
    lang,
    source: String(snippet.convert(target, client)),
  }));
};

const place = { file: "openapi.yaml", language: "en" } as const;

/**
 * Writes the document for the reference into a folder, and returns its address, with every character as it is: the reader of
 * the reference encodes it, and would encode twice what is encoded, as a space in the path.
 */
export const writeReference = async (folder: string): Promise<string> => {
  const text = (await readFile("openapi.yaml", "utf8")).replaceAll(
    /(?<=\]\()\/[^)]+(?=\))|(?<=^ +url: )\/\S+$/gm,
    (link) => resolveLink(link, place) ?? link,
  );
  const document = Document.decode(parse(text));
  if (!isRight(document)) {
    throw new Error("openapi.yaml has no paths");
  }
  for (const [template, methods] of Object.entries(document.right.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const decoded = Operation.decode(operation);
      if (isRight(decoded)) {
        operation["x-codeSamples"] = makeSamples(method, template, decoded.right);
      }
    }
  }
  const { info, tags, ...shown } = document.right;
  // What a tag says is on the first page. With a description, each would have a page of its own, of a list of its calls.
  const chapters = tags.map(({ name, description }) => `## ${name}\n\n${description}`);
  const description = [info.description, ...chapters].join("\n\n");
  const file = path.join(folder, "openapi.json");
  await mkdir(folder, { recursive: true });
  await writeFile(
    file,
    JSON.stringify({ ...shown, info: { ...info, description }, tags: tags.map(({ name }) => ({ name })) }),
  );
  const absolute = path.resolve(file).replaceAll("\\", "/");
  return `file://${absolute.startsWith("/") ? "" : "/"}${absolute}`;
};
