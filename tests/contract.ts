/** Holds answers against `openapi.yaml`, which is the truth about them. */
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020";
import addFormats from "ajv-formats";
import * as t from "io-ts";
import { parse } from "yaml";

const documentName = "openapi.yaml";
const document: unknown = parse(readFileSync(documentName, "utf8"));

// The document is a schema to no validator; its parts are referred to by pointer.
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema({ $id: documentName, ...(t.UnknownRecord.is(document) ? document : {}) });

/** A place in the document: the keys that lead there. */
type Place = readonly string[];

const escapeKey = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

const pointerTo = (place: Place): string =>
  place.map((key) => `/${encodeURIComponent(escapeKey(key))}`).join("");

/** What stands at a place, and where it really does, with references followed. */
const lookUp = (place: Place): { readonly place: Place; readonly value: unknown } => {
  let found: { place: Place; value: unknown } = { place: [], value: document };
  for (const key of place) {
    const value: unknown = isContainer(found.value) ? found.value[key] : undefined;
    found = { place: [...found.place, key], value };
    if (t.UnknownRecord.is(value) && typeof value["$ref"] === "string") {
      found = lookUp(value["$ref"].replace(/^#\//, "").split("/"));
    }
  }
  return found;
};

/** A list has its indices for keys. */
const isContainer = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const keysAt = (place: Place): readonly string[] => {
  const { value } = lookUp(place);
  return t.UnknownRecord.is(value) ? Object.keys(value) : [];
};

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: RegExp;
  readonly place: Place;
}

const operations: readonly Operation[] = keysAt(["paths"]).flatMap((path) =>
  keysAt(["paths", path])
    .filter((key) => methods.includes(key))
    .map((method) => {
      const place = ["paths", path, method];
      return {
        id: String(lookUp([...place, "operationId"]).value),
        method: method.toUpperCase(),
        path: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+").replaceAll(".", "\\.")}$`),
        place,
      };
    }),
);

/** Every answer that the document describes: operation, status and, of a problem, each of its types. */
export const describedAnswers = (): readonly string[] =>
  operations.flatMap(({ id, place }) =>
    keysAt([...place, "responses"]).flatMap((status) => {
      const response = [...place, "responses", status];
      const schema = lookUp([...response, "content", "application/problem+json", "schema"]);
      const names = problemNames(schema.place);
      return names.length === 0 ? [`${id} ${status}`] : names.map((name) => `${id} ${status} ${name}`);
    }),
  );

const problemNames = (schema: Place): readonly string[] => {
  const { value } = lookUp([...schema, "oneOf"]);
  if (t.UnknownArray.is(value)) {
    return value.flatMap((_, index) => problemNames(lookUp([...schema, "oneOf", String(index)]).place));
  }
  const type = lookUp([...schema, "properties", "type", "const"]).value;
  return typeof type === "string" ? [nameOf(type)] : [];
};

const nameOf = (type: string): string => type.replace(/^.*\//, "");

const seen = new Set<string>();

/** Every answer that was held against the document since the start of the process. */
export const seenAnswers = (): ReadonlySet<string> => seen;

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

/** Throws when an operation of the document answers anything that the document does not describe. */
export const checkAnswer = (method: string, url: string, reply: Answered): void => {
  const { pathname } = new URL(url);
  const operation = operations.find((each) => each.method === method && each.path.test(pathname));
  if (operation === undefined) {
    return;
  }
  const { id, place } = operation;
  const response = lookUp([...place, "responses", String(reply.status)]);
  const fail = (reason: string): never => {
    throw new Error(`${id} answered what ${documentName} does not describe: ${reason}`);
  };
  if (response.value === undefined) {
    fail(`status ${reply.status}`);
  }
  const mediaType = reply.headers.get("content-type") ?? "";
  const content = [...response.place, "content", mediaType];
  if (lookUp(content).value === undefined) {
    fail(`media type ${mediaType} with status ${reply.status}`);
  }
  const body = mediaType.endsWith("json") ? reply.json : reply.text;
  validate([...content, "schema"], body, fail);
  for (const name of keysAt([...response.place, "headers"])) {
    const header = lookUp([...response.place, "headers", name]).place;
    const value = reply.headers.get(name);
    if (value !== null) {
      const isInteger = lookUp([...header, "schema", "type"]).value === "integer";
      validate([...header, "schema"], isInteger ? Number(value) : value, fail);
    } else if (lookUp([...header, "required"]).value === true) {
      fail(`no header ${name} with status ${reply.status}`);
    }
  }
  const type = t.type({ type: t.string }).is(reply.json) ? ` ${nameOf(reply.json.type)}` : "";
  seen.add(`${id} ${reply.status}${reply.status < 400 ? "" : type}`);
};

const validate = (place: Place, value: unknown, fail: (reason: string) => never): void => {
  const check = ajv.getSchema(`${documentName}#${pointerTo(lookUp(place).place)}`);
  if (check === undefined || check(value) === false) {
    fail(`${pointerTo(place)}: ${ajv.errorsText(check?.errors)}`);
  }
};
