/** Checks requests and their answers against `openapi.yaml`, which defines both. */
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020";
import addFormats from "ajv-formats";
import * as t from "io-ts";
import { parse } from "yaml";
import { deadlinePassed, type Failure } from "../../shared/domain/failure";
import type { IssuedOtp } from "../../shared/domain/otp";
import type { Audience } from "../../shared/http/problem";
import { decode } from "./either";

const documentName = "openapi.yaml";
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);

/** The keys of a list are its indices. */
const isContainer = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const find = (from: unknown, place: readonly string[]): unknown =>
  place.reduce((value, key) => (isContainer(value) ? value[key] : undefined), from);

const text: unknown = parse(readFileSync(documentName, "utf8"));
const referred = new Map<string, unknown>();

/** The value with what its references refer to. What is referred to twice is one object, which is compiled once. */
const resolve = (value: unknown): unknown => {
  if (t.UnknownArray.is(value)) {
    return value.map(resolve);
  }
  if (!t.UnknownRecord.is(value)) {
    return value;
  }
  const { $ref } = value;
  if (typeof $ref !== "string") {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolve(each)]));
  }
  const known = referred.get($ref) ?? resolve(find(text, $ref.split("/").slice(1)));
  referred.set($ref, known);
  return known;
};

const resolved = resolve(text);

/** The value at a place of the document: the keys that lead there. */
export const valueAt = (place: readonly string[]): unknown => find(resolved, place);

const withRequired = t.partial({ required: t.boolean });
const Content = t.record(
  t.string,
  t.intersection([
    t.type({ schema: t.unknown }),
    t.partial({ examples: t.record(t.string, t.type({ value: t.unknown })) }),
  ]),
);
const Response = t.partial({
  headers: t.record(t.string, t.intersection([t.type({ schema: t.unknown }), withRequired])),
  content: Content,
  "x-sent-by": t.literal("platform"),
});
const Parameter = t.intersection([
  t.type({ name: t.string, in: t.keyof({ header: null, path: null }), schema: t.unknown }),
  withRequired,
]);
const DescribedOperation = t.intersection([
  t.type({ operationId: t.string, responses: t.record(t.string, Response) }),
  t.partial({
    parameters: t.array(Parameter),
    requestBody: t.type({ content: Content }),
    security: t.array(t.UnknownRecord),
  }),
]);
const document = decode(
  t.type({
    servers: t.array(t.type({ url: t.string })),
    paths: t.record(t.string, t.UnknownRecord),
    components: t.type({ securitySchemes: t.record(t.string, t.type({ name: t.string })) }),
  }),
  resolved,
);

/** The path of the server, to which the document's paths are relative. */
const basePath = new URL(document.servers[0]?.url ?? "").pathname;

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

interface Operation {
  readonly id: string;
  readonly method: string;
  /** The whole path on the wire, with the names of its parameters in braces. */
  readonly path: string;
  readonly pattern: RegExp;
  readonly parameters: readonly t.TypeOf<typeof Parameter>[];
  /** The schema of the body. */
  readonly body: unknown;
  readonly responses: Readonly<Record<string, t.TypeOf<typeof Response>>>;
  /** The security schemes. If there are any, a request must satisfy one of them. */
  readonly security: readonly { readonly name: string; readonly header: string }[];
}

/** Every operation that the document describes. */
export const operations: readonly Operation[] = Object.entries(document.paths).flatMap(
  ([relativePath, described]) =>
    methods
      .filter((method) => method in described)
      .map((method) => {
        const operation = decode(DescribedOperation, described[method]);
        const { operationId: id, responses, parameters = [], requestBody, security = [] } = operation;
        const path = basePath + relativePath;
        return {
          ...{ id, path, responses, parameters },
          method: method.toUpperCase(),
          pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`),
          body: requestBody?.content["application/json"]?.schema,
          security: security
            .flatMap((schemes) => Object.keys(schemes))
            .map((name) => ({ name, header: document.components.securitySchemes[name]?.name ?? "" })),
        };
      }),
);

const OneType = t.type({ const: t.string });
/** Of all spellings the one that every generator of clients takes for a string: docs/decisions/0023-generated-clients.md. */
const SomeTypes = t.type({ allOf: t.tuple([t.type({ enum: t.array(t.string) })]) });

const problemNames = (schema: unknown): readonly string[] => {
  const type = find(schema, ["properties", "type"]);
  const types = OneType.is(type) ? [type.const] : SomeTypes.is(type) ? type.allOf[0].enum : [];
  return types.map(nameOf);
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

/** Every answer of the service that the document describes, without those of the platform. */
export const describedAnswers: readonly DescribedAnswer[] = operations.flatMap((operation) =>
  Object.entries(operation.responses)
    .filter(([, response]) => response["x-sent-by"] !== "platform")
    .map(([status, { content }]) => {
      const { schema, examples = {} } = content?.["application/problem+json"] ?? {};
      return {
        ...{ operation, status, problems: problemNames(schema) },
        examples: Object.values(examples).map(({ value }) => value),
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
  "too-many-requests": { tag: "too-many-requests", retryAfterSeconds: 1 },
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
  checkAnswer(operation, reply, fail);
  if (!mayAddHeaders) {
    checkNoOtherHeaders(operation, reply, fail);
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
  seen.add(nameAnswer(operation.id, reply.status, isProblem ? nameOf(reply.json.type) : undefined));
};

/** An `Idempotency-Key` can be well-formed and be refused, because of what was done with it: no schema can say so. */
const isSpent = ({ id }: Operation, init: RequestInit, { text }: Answered): boolean =>
  id === "RegenerateApiKey" &&
  new Headers(init.headers).has("Idempotency-Key") &&
  text.includes(': Idempotency-Key."');

const isSameHeader = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

const checkAnswer = (operation: Operation, reply: Answered, fail: (reason: string) => never): void => {
  const response = operation.responses[reply.status] ?? fail(`status ${reply.status}`);
  const { content, headers = {} } = response;
  const mediaType = reply.headers.get("content-type") ?? "";
  const described = content?.[mediaType];
  if (content === undefined ? mediaType + reply.text !== "" : described === undefined) {
    fail(`media type ${mediaType} with status ${reply.status}`);
  }
  const check = (name: string, schema: unknown, value: unknown): void => {
    const faults = faultsIn(schema, value);
    if (faults !== undefined) {
      fail(`${name} with status ${reply.status}: ${faults}`);
    }
  };
  if (described !== undefined) {
    check("the body", described.schema, mediaType.endsWith("json") ? reply.json : reply.text);
  }
  for (const [name, { schema, required }] of Object.entries(headers)) {
    const value = reply.headers.get(name);
    if (value !== null) {
      check(name, schema, find(schema, ["type"]) === "integer" ? Number(value) : value);
    } else if (required === true) {
      fail(`no header ${name} with status ${reply.status}`);
    }
  }
};

const checkNoOtherHeaders = (
  { responses, parameters }: Operation,
  { status, headers }: Answered,
  fail: (reason: string) => never,
): void => {
  const described = [...transportHeaders, ...Object.keys(responses[status]?.headers ?? {})];
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
export const fieldsOf = ({ body, parameters }: Operation): readonly string[] => [
  ...parameters.map(({ name }) => name),
  ...Object.keys(find(body, ["properties"]) ?? {}),
];

/** The parts of a request that the document does not allow. */
const faultsOf = (operation: Operation, pathname: string, init: RequestInit): readonly string[] => {
  const headers = new Headers(init.headers);
  const segments = operation.pattern.exec(pathname)?.groups ?? {};
  const ofParameters = operation.parameters.flatMap(({ name, in: where, required, schema }) => {
    const value = where === "header" ? headers.get(name) : decodeSegment(segments[name] ?? "");
    if (value === null) {
      return required === true ? [`${name} is missing`] : [];
    }
    const faults = faultsIn(schema, value);
    return faults === undefined ? [] : [`${name} ${faults}`];
  });
  const ofBody = operation.body === undefined ? undefined : faultsIn(operation.body, parseBody(init.body));
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

/** How a value differs from a schema; undefined when it does not. */
export const faultsIn = (schema: unknown, value: unknown): string | undefined =>
  t.UnknownRecord.is(schema) && ajv.validate(schema, value) ? undefined : ajv.errorsText();
