/**
 * `publiccode.yml` keeps to the standard that it names,
 * https://github.com/publiccodeyml/publiccode.yml/tree/v0.5.0/docs/standard: its `schema.core.rst` in words is here as
 * a JSON schema, for the keys that the file has. A key that is not here is refused.
 */
import { access, readFile } from "node:fs/promises";
import Ajv from "ajv/dist/2020";
import addFormats from "ajv-formats";
import * as t from "io-ts";
import { parse } from "yaml";
import { license } from "../../package.json";
import { decode } from "../../tools/support/either";

const text = { type: "string", minLength: 1 };

const listOf = (items: object): object => ({ type: "array", items, minItems: 1, uniqueItems: true });

/** An object with these keys and no others. */
const object = (
  required: Readonly<Record<string, object>>,
  optional: Readonly<Record<string, object>> = {},
): object => ({
  type: "object",
  properties: { ...required, ...optional },
  required: Object.keys(required),
  additionalProperties: false,
});

const description = object(
  {
    shortDescription: { ...text, maxLength: 150, pattern: String.raw`^[^\n]*$` },
    longDescription: { type: "string", minLength: 150, maxLength: 10_000 },
    features: listOf(text),
  },
  { screenshots: listOf(text) },
);

const dependency = object(
  { name: text },
  { version: text, versionMin: text, versionMax: text, optional: { type: "boolean" } },
);

const schema = object(
  {
    publiccodeYmlVersion: { const: "0.5" },
    name: text,
    url: { type: "string", format: "uri", pattern: "^https://" },
    platforms: listOf(text),
    developmentStatus: { enum: ["concept", "development", "beta", "stable", "obsolete"] },
    softwareType: { enum: ["standalone/backend"] },
    description: {
      type: "object",
      // BCP 47; the languages that the service speaks have no more than this.
      propertyNames: { pattern: "^[a-z]{2}$" },
      additionalProperties: description,
      minProperties: 1,
    },
    // An SPDX expression: one licence.
    legal: object({ license: { const: "EUPL-1.2" } }, { mainCopyrightOwner: text }),
    // Contacts are mandatory for this type; contractors are not allowed.
    maintenance: object({
      type: { const: "internal" },
      contacts: listOf(
        object(
          { name: text },
          { email: { type: "string", format: "email" }, phone: text, affiliation: text },
        ),
      ),
    }),
    localisation: object({ localisationReady: { type: "boolean" }, availableLanguages: listOf(text) }),
  },
  {
    // Two of the words of `categories-list.rst`, and three of `scope-list.rst`.
    categories: listOf({ enum: ["digital-citizenship", "e-commerce"] }),
    intendedAudience: object(
      {},
      {
        countries: listOf({ type: "string", pattern: "^[A-Z]{2}$" }),
        scope: listOf({ enum: ["culture", "government", "society"] }),
      },
    ),
    softwareVersion: text,
    releaseDate: { type: "string", format: "date" },
    dependsOn: object({}, { open: listOf(dependency), proprietary: listOf(dependency) }),
  },
);

const Publiccode = t.type({
  legal: t.type({ license: t.string }),
  description: t.record(t.string, t.type({ screenshots: t.array(t.string) })),
  localisation: t.type({ availableLanguages: t.array(t.string) }),
});

describe("publiccode.yml", () => {
  let file: unknown;
  beforeAll(async () => {
    file = parse(await readFile("publiccode.yml", "utf8"));
  });

  it("keeps to the standard", () => {
    const ajv = new Ajv({ allErrors: true });
    addFormats(ajv);
    const validate = ajv.compile(schema);
    validate(file);
    expect(validate.errors ?? []).toEqual([]);
  });

  it("is true: the licence, the languages and the pictures are the repository's", async () => {
    const { legal, description, localisation } = decode(Publiccode, file);
    expect(legal.license).toBe(license);
    expect(await readFile("LICENSE", "utf8")).toMatch(/^EUROPEAN UNION PUBLIC LICENCE v\. 1\.2\n/);
    expect(Object.keys(description)).toEqual(localisation.availableLanguages);
    for (const { screenshots } of Object.values(description)) {
      await Promise.all(screenshots.map((picture) => access(picture)));
    }
  });
});
