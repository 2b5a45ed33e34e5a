/** Checks requests and their answers against `openapi.yaml`, which defines both. */
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020";
import addFormats from "ajv-formats";
import * as t from "io-ts";
import { parse } from "yaml";
import { deadlinePassed } from "../../shared/domain/failure";
import type { Failure } from "../../shared/domain/failure";
import type { IssuedOtp } from "../../shared/domain/otp";
import type { Audience } from "../../shared/http/problem";

const documentName = "openapi.yaml";
const document: unknown = parse(readFileSync(documentName, "utf8"));

// The document itself is not a schema. Validators refer to the schemas in it by pointer.
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema({ $id: documentName, ...(t.UnknownRecord.is(document) ? document : {}) });

/** A place in the document: the keys that lead there. */
type Place = readonly string[];

const escapeKey = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

const pointerTo = (place: Place): string =>
  place.map((key) => `/${encodeURIComponent(escapeKey(key))}`).join("");

/** The value at a place and, after following references, the place where it really stands. */
export const lookUp = (place: Place): { readonly place: Place; readonly value: unknown } => {
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

/** The keys of a list are its indices. */
const isContainer = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const keysAt = (place: Place): readonly string[] => {
  const { value } = lookUp(place);
  return t.UnknownRecord.is(value) ? Object.keys(value) : [];
};

const indicesAt = (place: Place): readonly string[] => {
  const { value } = lookUp(place);
  return t.UnknownArray.is(value) ? value.map((_, index) => String(index)) : [];
};

const parametersAt = (place: Place): readonly Parameter[] =>
  indicesAt(place).map((index) => {
    const parameter = lookUp([...place, index]).place;
    return {
      name: String(lookUp([...parameter, "name"]).value),
      isInHeader: lookUp([...parameter, "in"]).value === "header",
      isRequired: lookUp([...parameter, "required"]).value === true,
      place: parameter,
    };
  });

const securityAt = (place: Place): readonly SecurityScheme[] =>
  indicesAt(place)
    .flatMap((index) => keysAt([...place, index]))
    .map((name) => ({
      name,
      header: String(lookUp(["components", "securitySchemes", name, "name"]).value),
    }));

/** The path of the server, to which the document's paths are relative. */
const basePath = new URL(String(lookUp(["servers", "0", "url"]).value)).pathname;

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

interface Operation {
  readonly id: string;
  readonly method: string;
  /** The whole path on the wire, with the names of its parameters in braces. */
  readonly path: string;
  readonly pattern: RegExp;
  readonly place: Place;
  readonly parameters: readonly Parameter[];
  /** The security schemes. If there are any, a request must satisfy one of them. */
  readonly security: readonly SecurityScheme[];
}

interface Parameter {
  readonly name: string;
  readonly isInHeader: boolean;
  readonly isRequired: boolean;
  readonly place: Place;
}

interface SecurityScheme {
  readonly name: string;
  readonly header: string;
}

/** Every operation that the document describes. */
export const operations: readonly Operation[] = keysAt(["paths"]).flatMap((relativePath) =>
  keysAt(["paths", relativePath])
    .filter((key) => methods.includes(key))
    .map((method) => {
      const place = ["paths", relativePath, method];
      const path = basePath + relativePath;
      return {
        id: String(lookUp([...place, "operationId"]).value),
        method: method.toUpperCase(),
        path,
        pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`),
        place,
        parameters: parametersAt([...place, "parameters"]),
        security: securityAt([...place, "security"]),
      };
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

/** The last part of a problem's type. */
export const nameOf = (type: string): string => type.replace(/^.*\//, "");

interface DescribedAnswer {
  readonly operation: Operation;
  readonly status: string;
  /** For a problem: the last part of each type that it can have. */
  readonly problems: readonly string[];
  /** For a problem: its examples. */
  readonly examples: readonly unknown[];
}

/** Every answer that the document describes. */
export const describedAnswers: readonly DescribedAnswer[] = operations.flatMap((operation) =>
  keysAt([...operation.place, "responses"]).map((status) => {
    const problem = [...operation.place, "responses", status, "content", "application/problem+json"];
    return {
      operation,
      status,
      problems: problemNames(lookUp([...problem, "schema"]).place),
      examples: keysAt([...problem, "examples"]).map(
        (name) => lookUp([...problem, "examples", name, "value"]).value,
      ),
    };
  }),
);

/** The name of an answer: its operation, its status and, for a problem, its type. */
export const nameAnswer = (id: string, status: number | string, problem?: string): string =>
  [id, status, ...(problem === undefined ? [] : [problem])].join(" ");

const seen = new Set<string>();

/** Every answer that was checked against the document since the start of the process. */
export const seenAnswers = (): ReadonlySet<string> => seen;

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

/** A failure of each kind; the type makes sure that none is forgotten. */
export const makeFailures = (
  fields: readonly string[],
  otp?: IssuedOtp,
): Readonly<Record<Failure["tag"], Failure>> => ({
  "invalid-request": { tag: "invalid-request", fields },
  "otp-invalid": { tag: "otp-invalid" },
  unauthorized: { tag: "unauthorized" },
  "otp-not-found": { tag: "otp-not-found" },
  "otp-expired": { tag: "otp-expired" },
  "otp-already-used": { tag: "otp-already-used" },
  "otp-conflict": otp === undefined ? { tag: "otp-conflict" } : { tag: "otp-conflict", otp },
  "request-too-large": { tag: "request-too-large" },
  "internal-error": { tag: "internal-error" },
  "service-unavailable": deadlinePassed,
});

/**
 * Headers of an answer that belong to the connection or to the content (RFC 9110, sections 6 and 8; RFC 9112, section
 * 9). An OpenAPI document does not describe them.
 */
const transportHeaders = [
  "connection",
  "content-length",
  "content-type",
  "date",
  "keep-alive",
  "transfer-encoding",
];

/**
 * Throws in three cases: an operation gave an answer that the document does not describe, it accepted a request that
 * the document does not allow, or it refused as not valid a request that the document allows.
 * @param mayAddHeaders whether the platform, or a gateway before it, may add headers that the document does not describe.
 */
export const checkExchange = (
  url: string,
  init: RequestInit,
  reply: Answered,
  mayAddHeaders = false,
): void => {
  const method = init.method ?? "GET";
  const { pathname } = new URL(url);
  const operation = operations.find((each) => each.method === method && each.pattern.test(pathname));
  const fail = (reason: string): never => {
    throw new Error(`${operation?.id ?? url} is not as ${documentName} describes it: ${reason}`);
  };
  if (operation === undefined) {
    // The document says this about all other paths under /api. Other pages belong to the local host.
    if (pathname.startsWith("/api/") && (reply.status !== 404 || reply.text !== "")) {
      fail(`${method} is answered ${reply.status}`);
    }
    return;
  }
  const { id, place, parameters } = operation;
  checkAnswer(place, reply, fail);
  if (!mayAddHeaders) {
    checkNoOtherHeaders(place, parameters, reply, fail);
  }
  const faults = faultsOf(operation, pathname, init);
  if (reply.status === 400 && faults.length === 0 && !isSpent(operation, init, reply)) {
    fail("a request that the document allows is refused");
  }
  // A schema does not limit the size of a body, and a call may fail before it looks at the request.
  if (reply.status !== 400 && reply.status !== 413 && reply.status < 500 && faults.length > 0) {
    fail(`a request that the document does not allow is answered ${reply.status}: ${faults.join(", ")}`);
  }
  if (reply.status < 300) {
    checkSecurity(operation, new Headers(init.headers), fail);
  }
  const isProblem = reply.status >= 400 && t.type({ type: t.string }).is(reply.json);
  seen.add(nameAnswer(id, reply.status, isProblem ? nameOf(reply.json.type) : undefined));
};

/** An `Idempotency-Key` can be well-formed and be refused, because of what was done with it: no schema can say so. */
const isSpent = ({ id }: Operation, init: RequestInit, { text }: Answered): boolean =>
  id === "RegenerateApiKey" &&
  new Headers(init.headers).has("Idempotency-Key") &&
  text.includes(': Idempotency-Key."');

const isSameHeader = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

const checkAnswer = (operation: Place, reply: Answered, fail: (reason: string) => never): void => {
  const response = lookUp([...operation, "responses", String(reply.status)]);
  if (response.value === undefined) {
    fail(`status ${reply.status}`);
  }
  const mediaType = reply.headers.get("content-type") ?? "";
  const content = [...response.place, "content", mediaType];
  const hasContent = lookUp([...response.place, "content"]).value !== undefined;
  if (hasContent ? lookUp(content).value === undefined : mediaType + reply.text !== "") {
    fail(`media type ${mediaType} with status ${reply.status}`);
  }
  const check = (schema: Place, value: unknown): void => {
    const faults = faultsIn(schema, value);
    if (faults !== undefined) {
      fail(`${pointerTo(schema)}: ${faults}`);
    }
  };
  if (hasContent) {
    check([...content, "schema"], mediaType.endsWith("json") ? reply.json : reply.text);
  }
  const names = keysAt([...response.place, "headers"]);
  for (const name of names) {
    const header = lookUp([...response.place, "headers", name]).place;
    const value = reply.headers.get(name);
    if (value !== null) {
      const isInteger = lookUp([...header, "schema", "type"]).value === "integer";
      check([...header, "schema"], isInteger ? Number(value) : value);
    } else if (lookUp([...header, "required"]).value === true) {
      fail(`no header ${name} with status ${reply.status}`);
    }
  }
};

const checkNoOtherHeaders = (
  operation: Place,
  parameters: readonly Parameter[],
  { status, headers }: Answered,
  fail: (reason: string) => never,
): void => {
  const response = lookUp([...operation, "responses", String(status)]).place;
  const described = [...transportHeaders, ...keysAt([...response, "headers"])];
  for (const [name] of headers) {
    if (!described.some((each) => isSameHeader(each, name))) {
      fail(`header ${name} with status ${status}`);
    }
  }
  for (const name of headers.get("vary")?.split(/, */) ?? []) {
    if (!parameters.some((parameter) => isSameHeader(parameter.name, name))) {
      fail(`the answer depends on ${name}, which is no parameter`);
    }
  }
};

/** Who reads the problems of an operation. */
export const audienceOf = ({ id }: Operation): Audience => (id === "ValidateOtp" ? "customer" : "developer");

/** The fields of a request that a refusal can name. */
export const fieldsOf = ({ place, parameters }: Operation): readonly string[] => [
  ...parameters.map(({ name }) => name),
  ...keysAt([...place, "requestBody", "content", "application/json", "schema", "properties"]),
];

/** The parts of a request that the document does not allow. */
const faultsOf = (operation: Operation, pathname: string, init: RequestInit): readonly string[] => {
  const headers = new Headers(init.headers);
  const segments = operation.pattern.exec(pathname)?.groups ?? {};
  const ofParameters = operation.parameters.flatMap(({ name, isInHeader, isRequired, place }) => {
    const value = isInHeader ? headers.get(name) : decodeSegment(segments[name] ?? "");
    const faults = value === null ? undefined : faultsIn([...place, "schema"], value);
    return value === null && isRequired
      ? [`${name} is missing`]
      : faults === undefined
        ? []
        : [`${name} ${faults}`];
  });
  const body = [...operation.place, "requestBody", "content", "application/json", "schema"];
  const ofBody = lookUp(body).value === undefined ? undefined : faultsIn(body, parseBody(init.body));
  return ofBody === undefined ? ofParameters : [...ofParameters, ofBody];
};

const decodeSegment = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Undefined when the body is not JSON in UTF-8. No schema allows undefined. */
const parseBody = (body: RequestInit["body"]): unknown => {
  try {
    const bytes =
      typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : undefined;
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
};

/** On Azure the host checks function keys before it calls the service. The local host asks for none. */
export const functionKeyHeader = "x-functions-key";

const checkSecurity = ({ security }: Operation, headers: Headers, fail: (reason: string) => never): void => {
  for (const { header } of security) {
    if (header !== functionKeyHeader && !headers.has(header)) {
      fail(`a request without ${header} is answered as if it had one`);
    }
  }
};

/** How a value differs from the schema at a place of the document; undefined when it does not. */
export const faultsIn = (place: Place, value: unknown): string | undefined => {
  const check = ajv.getSchema(`${documentName}#${pointerTo(lookUp(place).place)}`);
  return check?.(value) === true ? undefined : ajv.errorsText(check?.errors);
};
