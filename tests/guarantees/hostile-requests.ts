/**
 * Requests that a client in error or in bad faith may send, as the bytes that it writes, and the platform's answers.
 *
 * They were recorded from the Azure Functions Node.js worker 3.9.1 on Node.js 22, behind Kestrel (ASP.NET Core 10) with
 * the limits of the Functions host. In place of the host, a program between the two did what the host's routing and its
 * `ToRpcHttp` do, without function keys. The answers to requests without a host are those of the host itself, 4.1037.0.
 */

/** One connection: what the client writes to it, and how the platform answers. */
export interface HostileRequest {
  readonly name: string;
  /** A character is a byte. Where there are two parts, the client writes the second after a first answer. */
  readonly parts: readonly string[];
  /** Each answer's status, `Content-Type` and name of the problem, and `empty` if it has no body. */
  readonly answers: readonly string[];
}

/** A text as UTF-8, with one character for each byte. */
const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

const validate = "/api/v1/merchant/cgn/otp/validate";
const generate = "/api/v1/cgn/otp/AAAAAA00A00A000A";
const merchants = "/api/v1/cgn/merchants";
const regenerate = `${merchants}/hostile-shop/api-keys/primary`;
const document = "/api/v1/openapi.yaml";

/** Asks about a code without an API key: 401 when the body arrived, 400 when it did not. */
const question = '{"otp_code":"AAAAAAAAAAA","invalidate_otp":false}';

const unauthorized = "401 application/problem+json unauthorized";
const invalid = "400 application/problem+json invalid-request";
const found = "200 application/yaml";
const regenerated = "200 application/json";
const refused = "400 empty";
const failed = "500 empty";
const nowhere = "404 empty";

const sized = (body: string): string => `Content-Length: ${body.length}`;

const inChunks = "Transfer-Encoding: chunked";
const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

/** A whole request, without `Host` unless `headers` has one. It asks the host to close the connection after it. */
const request = (line: string, headers: readonly string[], body = ""): string =>
  [line, ...headers, "Connection: close", "", body].join("\r\n");

const post = (target: string, headers: readonly string[], body = ""): string =>
  request(`POST ${target} HTTP/1.1`, ["Host: localhost", ...headers], body);

/** The body arrives, so that only the header can be the fault. */
const ask = (...headers: readonly string[]): string =>
  post(validate, [sized(question), ...headers], question);

const get = (target: string, host = "Host: localhost"): string => request(`GET ${target} HTTP/1.1`, [host]);

/** Names with what the client sends, each answered with `answer`. */
const rows = (answer: string, sent: Readonly<Record<string, string>>): readonly HostileRequest[] =>
  Object.entries(sent).map(([name, bytes]) => ({ name, parts: [bytes], answers: [answer] }));

/** A request that leaves the connection open for what comes behind it. */
const first = (target: string, header: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n${body}`;

const bodies: readonly HostileRequest[] = [
  ...rows(invalid, {
    chunked: post(validate, [inChunks], chunked(question)),
    "chunked, with a size that is no number": post(validate, [inChunks], "zz\r\n{}\r\n"),
    "Content-Length before Transfer-Encoding": post(
      validate,
      ["Content-Length: 4", inChunks],
      chunked(question),
    ),
    "Content-Length smaller than the body": post(validate, ["Content-Length: 2"], question),
    "no Content-Length and a body": post(validate, [], question),
  }),
  ...rows(regenerated, {
    "chunked, to RegenerateApiKey": post(regenerate, [inChunks], chunked("{}")),
    "no Content-Length and no body, to RegenerateApiKey": post(regenerate, []),
  }),
  ...rows(refused, {
    "Transfer-Encoding: gzip": post(validate, ["Transfer-Encoding: gzip"], question),
    "two Content-Length that differ": post(validate, ["Content-Length: 26", "Content-Length: 2"], question),
    "Content-Length below zero": post(validate, ["Content-Length: -26"], question),
  }),
  ...rows(failed, { "Content-Length of 200 MB": post(validate, ["Content-Length: 209715200"], question) }),
  ...rows(unauthorized, {
    "POST a byte order mark and JSON to ValidateOtp": post(
      validate,
      [sized(utf8(`\ufeff${question}`))],
      utf8(`\ufeff${question}`),
    ),
  }),
  ...rows("413 application/problem+json request-too-large", {
    "POST 4,097 bytes to ValidateOtp": post(validate, ["Content-Length: 4097"], question.padEnd(4097)),
  }),
];

const hosts: readonly HostileRequest[] = [
  ...rows(failed, {
    "HTTP/1.0": request(`POST ${validate} HTTP/1.0`, [sized(question)], question),
    "an empty Host": get(document, "Host:"),
    "a whole URL and no Host, in HTTP/1.0": request(`GET http://localhost${document} HTTP/1.0`, []),
    "a Host with port 99999": get(document, "Host: localhost:99999"),
  }),
  ...rows(refused, {
    "no Host": request(`GET ${document} HTTP/1.1`, []),
    "two Hosts": get(document, "Host: localhost\r\nHost: other"),
    "a whole URL of another host": get(`http://other${document}`),
  }),
  ...rows(found, {
    "HTTP/1.0 with Host": request(`GET ${document} HTTP/1.0`, ["Host: localhost"]),
    "a whole URL": get(`http://localhost${document}`),
  }),
];

const headers: readonly HostileRequest[] = [
  ...rows(failed, {
    "a € in User-Agent": ask(utf8("User-Agent: negozio €")),
    "a € in Idempotency-Key": ask(utf8("Idempotency-Key: €")),
    "a byte order mark in User-Agent": ask("User-Agent: \xef\xbb\xbfshop"),
  }),
  ...rows(refused, {
    "an è in User-Agent, in Latin-1": ask("User-Agent: caff\xe8"),
    "NUL in a header value": ask("X-Custom: a\0b"),
  }),
  ...rows(invalid, {
    "an è in Idempotency-Key, in UTF-8": ask(utf8("Idempotency-Key: caffè")),
    "two Idempotency-Keys, of 256 characters together": ask(
      `Idempotency-Key: ${"k".repeat(127)}`,
      `Idempotency-Key: ${"k".repeat(128)}`,
    ),
  }),
  ...rows(unauthorized, {
    "an è in User-Agent, in UTF-8": ask(utf8("User-Agent: caffè")),
    "two Idempotency-Keys, of 255 characters together": ask(
      `Idempotency-Key: ${"k".repeat(127)}`,
      `Idempotency-Key: ${"k".repeat(127)}`,
    ),
    "an Upgrade to h2c": ask("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "an Expect that nobody meets": ask("Expect: tea"),
    "100 headers": ask(...Array.from({ length: 97 }, (_, index) => `X-${index}: a`)),
    "a header of 31 KB": ask(`X-Custom: ${"x".repeat(31_000)}`),
  }),
  ...rows("431 empty", {
    "101 headers": ask(...Array.from({ length: 98 }, (_, index) => `X-${index}: a`)),
    "a header of 33 KB": ask(`X-Custom: ${"x".repeat(33_000)}`),
  }),
];

const targets: readonly HostileRequest[] = [
  ...rows(regenerated, {
    "a merchant of which a letter is percent-encoded": post(
      `${merchants}/hostile%2dshop/api-keys/prim%61ry`,
      ["Content-Length: 0"],
    ),
  }),
  ...rows(invalid, {
    "a merchant with an encoded slash": post(`${merchants}/hostile%2Fshop/api-keys/primary`, [
      "Content-Length: 0",
    ]),
    "a fiscal code with an encoded byte that is not UTF-8": post(`${generate}%FF`, [sized("{}")], "{}"),
  }),
  ...rows(refused, {
    "a fiscal code with an encoded NUL": post(`${generate}%00`, [sized("{}")], "{}"),
    "a fiscal code with raw UTF-8": post(utf8(`${generate}€`), [sized("{}")], "{}"),
    "a path without a slash in front": get("api/v1/openapi.yaml"),
  }),
  ...rows(found, {
    "a path in capitals": get("/API/V1/OPENAPI.YAML"),
    "a path with a slash at its end": get(`${document}/`),
    "a path with two dots": get("/api/v1/x/../openapi.yaml"),
    "a path with two encoded dots": get("/api/v1/x/%2e%2e/openapi.yaml"),
    "a query with broken percent signs": get(`${document}?a=%zz&%=%&b=%ff%00`),
  }),
  ...rows(nowhere, {
    "a path with a percent-encoded slash": get("/api/v1%2fopenapi.yaml"),
    "a path with two slashes within": get("/api//v1/openapi.yaml"),
  }),
  ...rows("414 empty", {
    "a request line of 8,200 characters": get(`${document}?a=${"x".repeat(8200 - 40)}`),
  }),
];

const methods: readonly HostileRequest[] = [
  ...rows(nowhere, {
    "GET ValidateOtp": get(validate),
    "OPTIONS ValidateOtp": request(`OPTIONS ${validate} HTTP/1.1`, ["Host: localhost"]),
    "an unknown method": request(`BREW ${document} HTTP/1.1`, ["Host: localhost"]),
  }),
  ...rows(found, { "a method in small letters": request(`get ${document} HTTP/1.1`, ["Host: localhost"]) }),
  ...rows(found, {
    "lines that end in LF only": `GET ${document} HTTP/1.1\nHost: localhost\nConnection: close\n\n`,
  }),
];

const connections: readonly HostileRequest[] = [
  {
    name: "Expect: 100-continue",
    parts: [post(validate, [sized(question), "Expect: 100-continue"]), question],
    answers: ["100 empty", unauthorized],
  },
  {
    name: "three requests at once",
    parts: [first(validate, sized(question), question) + first(validate, sized("{}"), "{}") + get(document)],
    answers: [unauthorized, invalid, found],
  },
  {
    name: "a request behind a chunked one",
    parts: [first(validate, inChunks, chunked(question)) + get(document)],
    answers: [invalid, found],
  },
  {
    name: "a request behind one with more body than its Content-Length",
    parts: [first(validate, "Content-Length: 2", question) + get(document)],
    answers: [invalid, refused],
  },
];

export const hostileRequests: readonly HostileRequest[] = [
  ...bodies,
  ...hosts,
  ...headers,
  ...targets,
  ...methods,
  ...connections,
];
