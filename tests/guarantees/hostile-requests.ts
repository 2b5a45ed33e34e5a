/**
 * Requests that a client in error or in bad faith may send, as the bytes that it writes. What the platform answers
 * to each is recorded in `hostile-answers.json`.
 */
import { crc32 } from "node:zlib";

/** One connection: what the client writes to it, and what it does then. */
export interface HostileRequest {
  readonly name: string;
  /** A character is a byte. */
  readonly parts: readonly string[];
  /**
   * `wait` waits for the other side to close. `finish` ends the client's side, and waits. `leave` closes at once, and
   * checks on another connection that the host still answers. `continue` writes the second part after a 100 Continue.
   */
  readonly then: "wait" | "finish" | "leave" | "continue";
}

/** A text as UTF-8, with one character for each byte. */
const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

const validate = "/api/v1/merchant/cgn/otp/validate";
const generate = "/api/v1/cgn/otp/AAAAAA00A00A000A";
const regenerate = "/api/v1/cgn/merchants/hostile-shop/api-keys/primary";
const info = "/api/v1/info";
const document = "/api/v1/openapi.yaml";

const keyText = `cgn_hostile-stranger_${"0".repeat(64)}`;
/** A well-formed key with a correct checksum, which was never in force. */
const unknownKey = keyText + crc32(keyText).toString(16).padStart(8, "0");

/** Asks about a code without an API key: 401 when the body arrived, 400 when it did not. */
const question = '{"otp_code":"AAAAAAAAAAA"}';

const sized = (body: string): string => `Content-Length: ${body.length}`;

const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;
const chunked = (...chunks: readonly string[]): string => `${chunks.map(chunk).join("")}0\r\n\r\n`;

interface Parts {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** A whole request that asks the host to close the connection after it. */
const request = ({
  method = "POST",
  target = validate,
  version = "HTTP/1.1",
  headers = ["Host: localhost"],
  body = "",
}: Parts): string =>
  [`${method} ${target} ${version}`, ...headers, "Connection: close", "", body].join("\r\n");

const sent = (name: string, bytes: string): HostileRequest => ({ name, parts: [bytes], then: "wait" });
const finished = (name: string, bytes: string): HostileRequest => ({ name, parts: [bytes], then: "finish" });
const left = (name: string, bytes: string): HostileRequest => ({ name, parts: [bytes], then: "leave" });

const post = (name: string, target: string, headers: readonly string[], body: string): HostileRequest =>
  sent(name, request({ target, headers: ["Host: localhost", ...headers], body }));

/** The body arrives, so that only the header can be the fault. */
const withHeaders = (name: string, ...headers: readonly string[]): HostileRequest =>
  post(name, validate, [sized(question), ...headers], question);

const read = (name: string, target: string): HostileRequest => sent(name, request({ method: "GET", target }));

const body = (name: string, bytes: string): readonly HostileRequest[] => [
  post(`POST ${name} to ValidateOtp`, validate, [sized(bytes)], bytes),
  post(`POST ${name} to GenerateOtp`, generate, [sized(bytes)], bytes),
];

const generateFor = (name: string, fiscalCode: string): HostileRequest =>
  post(`a fiscal code ${name}`, `/api/v1/cgn/otp/${fiscalCode}`, [sized("{}")], "{}");

const regenerateFor = (name: string, merchant: string, keyType = "primary"): HostileRequest =>
  post(
    `a merchant ${name}`,
    `/api/v1/cgn/merchants/${merchant}/api-keys/${keyType}`,
    ["Content-Length: 0"],
    "",
  );

const framing: readonly HostileRequest[] = [
  post("chunked", validate, ["Transfer-Encoding: chunked"], chunked(question)),
  post("chunked, to GenerateOtp", generate, ["Transfer-Encoding: chunked"], chunked("{}")),
  post("chunked, to RegenerateApiKey", regenerate, ["Transfer-Encoding: chunked"], chunked("{}")),
  post("chunked, in three chunks", validate, ["Transfer-Encoding: chunked"], chunked(question, " ", " ")),
  post("chunked, of 5,000 bytes", validate, ["Transfer-Encoding: chunked"], chunked("x".repeat(5000))),
  post("chunked, with nothing in it", validate, ["Transfer-Encoding: chunked"], chunked()),
  post("chunked, in capitals", validate, ["TRANSFER-ENCODING: CHUNKED"], chunked(question)),
  post(
    "chunked, with an extension",
    validate,
    ["Transfer-Encoding: chunked"],
    `1a;a=b\r\n${question}\r\n0\r\n\r\n`,
  ),
  post(
    "chunked, with a trailer",
    validate,
    ["Transfer-Encoding: chunked", "Trailer: X-Sum"],
    `1a\r\n${question}\r\n0\r\nX-Sum: 1\r\n\r\n`,
  ),
  post("chunked, with a size that is no number", validate, ["Transfer-Encoding: chunked"], "zz\r\n{}\r\n"),
  post(
    "chunked, with a size of 20 digits",
    validate,
    ["Transfer-Encoding: chunked"],
    `${"f".repeat(20)}\r\n{}\r\n`,
  ),
  post("chunked, with a size below zero", validate, ["Transfer-Encoding: chunked"], "-2\r\n{}\r\n0\r\n\r\n"),
  post(
    "chunked, with data longer than its size",
    validate,
    ["Transfer-Encoding: chunked"],
    "1\r\n{}\r\n0\r\n\r\n",
  ),
  post("Transfer-Encoding: gzip, chunked", validate, ["Transfer-Encoding: gzip, chunked"], chunked(question)),
  post("Transfer-Encoding: chunked, gzip", validate, ["Transfer-Encoding: chunked, gzip"], chunked(question)),
  post("Transfer-Encoding: gzip", validate, ["Transfer-Encoding: gzip"], question),
  post("Transfer-Encoding: identity", validate, ["Transfer-Encoding: identity"], question),
  post(
    "Transfer-Encoding: identity, and Content-Length",
    validate,
    ["Transfer-Encoding: identity", sized(question)],
    question,
  ),
  post(
    "Transfer-Encoding: chunked, twice",
    validate,
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    chunked(question),
  ),
  post("Transfer-Encoding: xchunked", validate, ["Transfer-Encoding: xchunked"], chunked(question)),
  post(
    "Content-Length before Transfer-Encoding",
    validate,
    ["Content-Length: 4", "Transfer-Encoding: chunked"],
    chunked(question),
  ),
  post(
    "Transfer-Encoding before Content-Length",
    validate,
    ["Transfer-Encoding: chunked", "Content-Length: 4"],
    chunked(question),
  ),
  post("two Content-Length that differ", validate, ["Content-Length: 26", "Content-Length: 2"], question),
  post("two Content-Length that agree", validate, [sized(question), sized(question)], question),
  post("two lengths in one Content-Length", validate, ["Content-Length: 26, 26"], question),
  post("Content-Length with a plus sign", validate, ["Content-Length: +26"], question),
  post("Content-Length below zero", validate, ["Content-Length: -26"], question),
  post("Content-Length in hexadecimal", validate, ["Content-Length: 0x1a"], question),
  post("Content-Length with a fraction", validate, ["Content-Length: 26.0"], question),
  post("Content-Length with zeros in front", validate, ["Content-Length: 00026"], question),
  post("Content-Length that is a word", validate, ["Content-Length: twenty-six"], question),
  post("Content-Length that is empty", validate, ["Content-Length:"], question),
  post("Content-Length of 30 digits", validate, [`Content-Length: ${"9".repeat(30)}`], question),
  post("Content-Length of 200 MB", validate, ["Content-Length: 209715200"], question),
  post("Content-Length smaller than the body", validate, ["Content-Length: 2"], question),
  finished(
    "Content-Length larger than the body",
    request({ headers: ["Host: localhost", "Content-Length: 40"], body: question }),
  ),
  post("Content-Length of 0 and a body", validate, ["Content-Length: 0"], question),
  post("no Content-Length and a body", validate, [], question),
  post("no Content-Length and no body", validate, [], ""),
  post("no Content-Length and no body, to GenerateOtp", generate, [], ""),
  post("no Content-Length and no body, to RegenerateApiKey", regenerate, [], ""),
];

const versions: readonly HostileRequest[] = [
  sent("HTTP/1.0", request({ version: "HTTP/1.0", headers: [sized(question)], body: question })),
  sent(
    "HTTP/1.0, chunked",
    request({ version: "HTTP/1.0", headers: ["Transfer-Encoding: chunked"], body: chunked(question) }),
  ),
  sent("HTTP/1.0 with Host", request({ method: "GET", target: document, version: "HTTP/1.0" })),
  sent("HTTP/0.9", `GET ${document}\r\n\r\n`),
  sent("HTTP/1.2", request({ method: "GET", target: document, version: "HTTP/1.2" })),
  sent("HTTP/2.0", request({ method: "GET", target: document, version: "HTTP/2.0" })),
  sent("HTTP/9", request({ method: "GET", target: document, version: "HTTP/9" })),
  sent("http/1.1 in small letters", request({ method: "GET", target: document, version: "http/1.1" })),
  sent("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  sent("the first bytes of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
  sent("not HTTP", "hello\r\n\r\n"),
  sent("empty lines before the request", `\r\n\r\n${request({ method: "GET", target: document })}`),
  sent("two spaces after the method", request({ method: "GET ", target: document })),
  sent("two spaces after the target", request({ method: "GET", target: `${document} ` })),
  sent("a tab after the method", `GET\t${document} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
  sent("no target", "GET HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
];

const hosts: readonly HostileRequest[] = [
  sent("no Host", request({ method: "GET", target: document, headers: [] })),
  sent("an empty Host", request({ method: "GET", target: document, headers: ["Host:"] })),
  sent(
    "two Hosts",
    request({ method: "GET", target: document, headers: ["Host: localhost", "Host: other"] }),
  ),
  sent(
    "two Hosts that agree",
    request({ method: "GET", target: document, headers: ["Host: localhost", "Host: localhost"] }),
  ),
  sent("a Host with a space", request({ method: "GET", target: document, headers: ["Host: a b"] })),
  sent("a Host with a path", request({ method: "GET", target: document, headers: ["Host: localhost/path"] })),
  sent("a Host with a user", request({ method: "GET", target: document, headers: ["Host: user@localhost"] })),
  sent(
    "a Host with port 99999",
    request({ method: "GET", target: document, headers: ["Host: localhost:99999"] }),
  ),
  sent(
    "a Host with a port that is a word",
    request({ method: "GET", target: document, headers: ["Host: localhost:a"] }),
  ),
  sent(
    "a Host with half an IPv6 address",
    request({ method: "GET", target: document, headers: ["Host: [::1"] }),
  ),
  sent(
    "a Host with an IPv6 address",
    request({ method: "GET", target: document, headers: ["Host: [::1]:80"] }),
  ),
  sent(
    "a Host with a percent sign",
    request({ method: "GET", target: document, headers: ["Host: localh%6fst"] }),
  ),
  sent("a Host with a €", request({ method: "GET", target: document, headers: [utf8("Host: negozio€")] })),
  sent("a Host with an underscore", request({ method: "GET", target: document, headers: ["Host: my_shop"] })),
];

const headers: readonly HostileRequest[] = [
  withHeaders("a € in User-Agent", utf8("User-Agent: negozio €")),
  withHeaders("a € in X-Custom", utf8("X-Custom: €")),
  withHeaders("a € in Idempotency-Key", utf8("Idempotency-Key: €")),
  withHeaders("a € in Ocp-Apim-Subscription-Key", utf8("Ocp-Apim-Subscription-Key: €")),
  withHeaders("a € in Accept-Language", utf8("Accept-Language: €")),
  withHeaders("a € in Content-Type", utf8("Content-Type: application/json; charset=€")),
  withHeaders("an emoji in User-Agent", utf8("User-Agent: negozio 🎁")),
  post("a € in User-Agent, to GenerateOtp", generate, [sized("{}"), utf8("User-Agent: negozio €")], "{}"),
  sent(
    "a € in User-Agent, to Info",
    request({ method: "GET", target: info, headers: ["Host: localhost", utf8("User-Agent: negozio €")] }),
  ),
  sent(
    "a € in User-Agent, to no function",
    request({
      method: "GET",
      target: "/api/v1/none",
      headers: ["Host: localhost", utf8("User-Agent: negozio €")],
    }),
  ),
  withHeaders("an è in User-Agent, in UTF-8", utf8("User-Agent: caffè")),
  withHeaders("an è in Idempotency-Key, in UTF-8", utf8("Idempotency-Key: caffè")),
  withHeaders("an è in User-Agent, in Latin-1", "User-Agent: caff\xe8"),
  withHeaders("an è in Idempotency-Key, in Latin-1", "Idempotency-Key: caff\xe8"),
  withHeaders("half a € in User-Agent", "User-Agent: \xe2\x82"),
  withHeaders("an overlong slash in User-Agent", "User-Agent: \xc0\xaf"),
  withHeaders("half a surrogate pair in User-Agent", "User-Agent: \xed\xa0\xbd"),
  withHeaders("a byte order mark in User-Agent", "User-Agent: \xef\xbb\xbfshop"),
  withHeaders("a soft hyphen in User-Agent", utf8("User-Agent: a\u00adb")),
  withHeaders("the byte 80 as UTF-8 in User-Agent", utf8("User-Agent: a\u0080b")),
  withHeaders("NUL in a header value", "X-Custom: a\0b"),
  withHeaders("CR in a header value", "X-Custom: a\rb"),
  withHeaders("LF in a header value", "X-Custom: a\nb"),
  withHeaders("an escape character in a header value", "X-Custom: a\x1bb"),
  withHeaders("DEL in a header value", "X-Custom: a\x7fb"),
  withHeaders("a tab in a header value", "X-Custom: a\tb"),
  withHeaders("spaces round a header value", "Idempotency-Key:  \t key \t "),
  withHeaders("an obsolete fold", "X-Custom: a\r\n b"),
  withHeaders("a header name with a space", "X Custom: a"),
  withHeaders("a space before the colon", "X-Custom : a"),
  withHeaders("a header without a colon", "X-Custom"),
  withHeaders("an empty header name", ": a"),
  withHeaders("a header name in UTF-8", utf8("X-Negozio-€: a")),
  withHeaders("a header name with NUL", "X-\0: a"),
  withHeaders("a header name with a parenthesis", "X-(a): a"),
  withHeaders("a header name with an underscore", "X_Custom: a"),
  withHeaders("a header named __proto__", "__proto__: a"),
  withHeaders("a header named constructor", "constructor: a"),
  withHeaders("an empty header value", "X-Custom:"),
  withHeaders("an empty Idempotency-Key", "Idempotency-Key:"),
  withHeaders("an Idempotency-Key of 255 characters", `Idempotency-Key: ${"k".repeat(255)}`),
  withHeaders("an Idempotency-Key of 256 characters", `Idempotency-Key: ${"k".repeat(256)}`),
  withHeaders("two Idempotency-Keys", "Idempotency-Key: a", "Idempotency-Key: b"),
  withHeaders(
    "two Idempotency-Keys, of 255 characters together",
    `Idempotency-Key: ${"k".repeat(127)}`,
    `Idempotency-Key: ${"k".repeat(127)}`,
  ),
  withHeaders(
    "two Idempotency-Keys, of 256 characters together",
    `Idempotency-Key: ${"k".repeat(127)}`,
    `Idempotency-Key: ${"k".repeat(128)}`,
  ),
  withHeaders("an unknown API key", `Ocp-Apim-Subscription-Key: ${unknownKey}`),
  withHeaders(
    "two API keys",
    `Ocp-Apim-Subscription-Key: ${unknownKey}`,
    `Ocp-Apim-Subscription-Key: ${unknownKey}`,
  ),
  withHeaders("an empty API key", "Ocp-Apim-Subscription-Key:"),
  withHeaders("two Accept-Language", "Accept-Language: en", "Accept-Language: it"),
  withHeaders("two Content-Type", "Content-Type: application/json", "Content-Type: text/plain"),
  withHeaders("a Content-Type that is not one", "Content-Type: ;;;"),
  withHeaders("a multipart Content-Type", "Content-Type: multipart/form-data"),
  withHeaders("a Content-Encoding", "Content-Encoding: gzip"),
  withHeaders("X-HTTP-Method-Override", "X-HTTP-Method-Override: DELETE"),
  withHeaders("X-Forwarded-Host with a €", utf8("X-Forwarded-Host: €")),
  withHeaders("a traceparent that is not one", "traceparent: 00-zz"),
  withHeaders("an Upgrade to h2c", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
  withHeaders("an Upgrade to WebSocket", "Upgrade: websocket"),
  withHeaders("a Cookie of 8 KB", `Cookie: a=${"x".repeat(8000)}`),
  withHeaders("100 headers", ...Array.from({ length: 97 }, (_, index) => `X-${index}: a`)),
  withHeaders("101 headers", ...Array.from({ length: 98 }, (_, index) => `X-${index}: a`)),
  withHeaders("a header of 20 KB", `X-Custom: ${"x".repeat(20_000)}`),
  withHeaders("a header of 31 KB", `X-Custom: ${"x".repeat(31_000)}`),
  withHeaders("a header of 33 KB", `X-Custom: ${"x".repeat(33_000)}`),
  withHeaders(
    "headers of 60 KB",
    ...Array.from({ length: 60 }, (_, index) => `X-${index}: ${"x".repeat(1000)}`),
  ),
  sent("lines that end in LF only", `GET ${document} HTTP/1.1\nHost: localhost\nConnection: close\n\n`),
  sent(
    "header lines that end in LF only",
    `GET ${document} HTTP/1.1\r\nHost: localhost\nConnection: close\n\r\n`,
  ),
  left("lines that end in CR only", `GET ${document} HTTP/1.1\rHost: localhost\rConnection: close\r\r`),
];

const bodies: readonly HostileRequest[] = [
  ...body("a byte order mark and JSON", utf8(`\ufeff${question}`)),
  ...body("two byte order marks and JSON", utf8(`\ufeff\ufeff${question}`)),
  ...body("a byte order mark alone", utf8("\ufeff")),
  ...body("invalid UTF-8", '{"otp_code":"\xff"}'),
  ...body("overlong UTF-8", '{"otp_code":"\xc0\xaf"}'),
  ...body("half a surrogate pair", '{"otp_code":"\xed\xa0\xbd"}'),
  ...body("UTF-16 with a byte order mark", Buffer.from(`\ufeff${question}`, "utf16le").toString("latin1")),
  ...body("UTF-16 without one", Buffer.from(question, "utf16le").toString("latin1")),
  ...body("NUL bytes", "\0".repeat(100)),
  ...body("JSON 2,000 levels deep", "[".repeat(2000) + "]".repeat(2000)),
  ...body("white space", " \r\n\t "),
  ...body("an escaped NUL", '{"otp_code":"\\u0000"}'),
  ...body("an escaped half of a pair", '{"otp_code":"\\ud83d"}'),
  ...body("__proto__", '{"__proto__":{"otp_code":"AAAAAAAAAAA"}}'),
  ...body("4,096 bytes", question.padEnd(4096)),
  ...body("4,097 bytes", question.padEnd(4097)),
  ...body("1 MB", question.padEnd(1_000_000)),
  post("POST a body to RegenerateApiKey", regenerate, [sized("{}")], "{}"),
];

const targets: readonly HostileRequest[] = [
  generateFor("of another length", "AAAAAA"),
  generateFor("in small letters", "aaaaaa00a00a000a"),
  generateFor("of which a letter is percent-encoded", "%41AAAAA00A00A000A"),
  generateFor("of which a letter is percent-encoded twice", "%2541AAAAA00A00A000A"),
  generateFor("with a broken percent sign", "%zzAAAAAA00A00A000A"),
  generateFor("with a percent sign at its end", "AAAAAA00A00A000A%"),
  generateFor("with an encoded slash", "AAAAAA00A00A000A%2F"),
  generateFor("with an encoded slash in small letters", "AAAAAA00A00A000A%2f"),
  generateFor("with an encoded backslash", "AAAAAA00A00A000A%5C"),
  generateFor("with an encoded NUL", "AAAAAA00A00A000A%00"),
  generateFor("with an encoded line feed", "AAAAAA00A00A000A%0A"),
  generateFor("with an encoded space", "AAAAAA00A00A000A%20"),
  generateFor("with an encoded question mark", "AAAAAA00A00A000A%3Fa"),
  generateFor("with an encoded hash", "AAAAAA00A00A000A%23a"),
  generateFor("with a hash", "AAAAAA00A00A000A#a"),
  generateFor("with an encoded €", "AAAAAA00A00A000A%E2%82%AC"),
  generateFor("with an encoded byte that is not UTF-8", "AAAAAA00A00A000A%FF"),
  generateFor("with an encoded overlong dot", "AAAAAA00A00A000A%C0%AE"),
  generateFor("with raw UTF-8", utf8("AAAAAA00A00A000A€")),
  generateFor("with a raw byte that is not UTF-8", "AAAAAA00A00A000A\xff"),
  generateFor("with a raw NUL", "AAAAAA00A00A000A\0"),
  generateFor("with a raw tab", "AAAAAA00A00A000A\t"),
  generateFor("with a raw backslash", "AAAAAA00A00A000A\\a"),
  generateFor("with a raw quotation mark", 'AAAAAA00A00A000A"'),
  generateFor("with raw braces", "{fiscalcode}"),
  generateFor("with a semicolon", "AAAAAA00A00A000A;a=b"),
  generateFor("of one dot", "."),
  generateFor("of two dots", ".."),
  generateFor("of two encoded dots", "%2e%2e"),
  generateFor("after a dot segment", "./AAAAAA00A00A000A"),
  generateFor("after a segment that two dots take back", "x/../AAAAAA00A00A000A"),
  generateFor("after a segment that encoded dots take back", "x/%2e%2e/AAAAAA00A00A000A"),
  generateFor("that is empty", ""),
  generateFor("of 3,000 letters", "A".repeat(3000)),
  generateFor("before a slash", "AAAAAA00A00A000A/"),
  generateFor("before two slashes", "AAAAAA00A00A000A//"),
  generateFor("after two slashes", "/AAAAAA00A00A000A"),
  regenerateFor("of letters", "hostile-shop"),
  regenerateFor("of which a letter is percent-encoded", "hostile%2dshop", "prim%61ry"),
  regenerateFor("of which a letter is percent-encoded beside a broken percent sign", "%68ostile%zz"),
  regenerateFor("with an encoded slash", "hostile%2Fshop"),
  regenerateFor("with an encoded slash and a letter encoded twice", "hostile%2F%2541"),
  regenerateFor("with a key type in capitals", "hostile-shop", "PRIMARY"),
  regenerateFor("of 65 letters", "a".repeat(65)),
  regenerateFor("named __proto__", "__proto__"),
  read("a path in capitals", "/API/V1/OPENAPI.YAML"),
  read("a path of which a letter is percent-encoded", "/api/v1/openapi.y%61ml"),
  read("a path with a percent-encoded slash", "/api/v1%2fopenapi.yaml"),
  read("a path with a slash at its end", `${document}/`),
  read("a path with two slashes at its end", `${document}//`),
  read("a path with two slashes in front", `/${document}`),
  read("a path with two slashes within", "/api//v1/openapi.yaml"),
  read("a path with a dot segment", "/api/./v1/openapi.yaml"),
  read("a path with two dots", "/api/v1/x/../openapi.yaml"),
  read("a path with two encoded dots", "/api/v1/x/%2e%2e/openapi.yaml"),
  read("a path with two dots and an encoded slash", "/api/v1/x/..%2fopenapi.yaml"),
  read("a path with more dots than segments", "/../../api/v1/openapi.yaml"),
  read("a path with a backslash", "/api\\v1\\openapi.yaml"),
  read("a path with an encoded NUL", `${document}%00`),
  read("a path with an encoded space at its end", `${document}%20`),
  read("a path with another character for a dot", "/api/v1/openapi-yaml"),
  read("a path without a slash in front", "api/v1/openapi.yaml"),
  read("a query", `${document}?a=b`),
  read("a query with a name twice", `${document}?a=b&a=c&A=d`),
  read("a query with broken percent signs", `${document}?a=%zz&%=%&b=%ff%00`),
  read("a query with an encoded NUL", `${document}?a=%00`),
  read("a query with raw UTF-8", utf8(`${document}?a=€`)),
  read("a query with raw characters of a page", `${document}?a=<"'>\`{|}^`),
  read("a query named __proto__", `${document}?__proto__=a&constructor=b`),
  read("a query of nothing", `${document}?`),
  read("a query of question marks", `${document}??a?`),
  read("a query of 7,000 characters", `${document}?a=${"x".repeat(7000)}`),
  read("a request line of 8,200 characters", `${document}?a=${"x".repeat(8200 - 40)}`),
  read("a request line of 20,000 characters", `${document}?a=${"x".repeat(20_000)}`),
  read("a request line of 100,000 characters", `${document}?a=${"x".repeat(100_000)}`),
  read("a whole URL", `http://localhost${document}`),
  read("a whole URL of another host", `http://other${document}`),
  read("a whole URL with credentials", `http://user:password@localhost${document}`),
  read("a whole URL of another port", `http://localhost:81${document}`),
  sent(
    "a whole URL whose Host names the port",
    request({ method: "GET", target: `http://localhost${document}`, headers: ["Host: localhost:80"] }),
  ),
  sent(
    "a whole URL whose Host is in capitals",
    request({ method: "GET", target: `http://localhost${document}`, headers: ["Host: LOCALHOST"] }),
  ),
  sent(
    "a whole URL and no Host, in HTTP/1.0",
    request({ method: "GET", target: `http://localhost${document}`, version: "HTTP/1.0", headers: [] }),
  ),
  read("a whole URL with dot segments", "http://localhost/api/v1/x/../openapi.yaml"),
  read("a whole URL with an encoded slash", "http://localhost/api/v1%2fopenapi.yaml"),
  read("a whole URL with a letter percent-encoded", "http://localhost/api/v1/openapi.y%61ml"),
  read("a path with DEL", `${document}\x7f`),
  read("a path with an escape character", `${document}\x1b`),
  read("a whole URL with https", `https://localhost${document}`),
  read("a whole URL with ftp", `ftp://localhost${document}`),
  read("a whole URL in capitals", `HTTP://SHOP${document}`),
  read("a whole URL without a path", "http://localhost"),
  read("half a URL", "http://"),
  read("a URL with half an IPv6 address", `http://[::1${document}`),
  read("a script's URL", "javascript:alert(1)"),
  read("an asterisk, with GET", "*"),
  sent("an asterisk, with OPTIONS", request({ method: "OPTIONS", target: "*" })),
  read("an authority, with GET", "localhost:80"),
  sent("an authority, with CONNECT", request({ method: "CONNECT", target: "localhost:80" })),
];

const methods: readonly HostileRequest[] = [
  ...["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"].flatMap((method) => [
    sent(`${method} ValidateOtp`, request({ method, target: validate })),
    sent(`${method} GenerateOtp`, request({ method, target: generate })),
  ]),
  ...["POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"].map((method) =>
    sent(
      `${method} OpenApi`,
      request({ method, target: document, headers: ["Host: localhost", "Content-Length: 0"] }),
    ),
  ),
  sent("HEAD Info", request({ method: "HEAD", target: info })),
  sent(
    "GET OpenApi with a body",
    request({
      method: "GET",
      target: document,
      headers: ["Host: localhost", sized(question)],
      body: question,
    }),
  ),
  sent(
    "GET OpenApi with a chunked body",
    request({
      method: "GET",
      target: document,
      headers: ["Host: localhost", "Transfer-Encoding: chunked"],
      body: chunked(question),
    }),
  ),
  sent("GET Info", request({ method: "GET", target: info })),
  sent("a method in small letters", request({ method: "get", target: document })),
  sent(
    "post in small letters",
    request({ method: "post", headers: ["Host: localhost", sized(question)], body: question }),
  ),
  sent("a method of mixed letters", request({ method: "Get", target: document })),
  sent("an unknown method", request({ method: "BREW", target: document })),
  sent("a method of WebDAV", request({ method: "PROPFIND", target: document })),
  sent("QUERY", request({ method: "QUERY", target: document })),
  sent("a method with a slash", request({ method: "GE/T", target: document })),
  sent("a method of 100 letters", request({ method: "A".repeat(100), target: document })),
  sent("an empty method", request({ method: "", target: document })),
];

const connections: readonly HostileRequest[] = [
  left("half a request line, and away", "POST /api/v1/mer"),
  left("half a head, and away", `POST ${validate} HTTP/1.1\r\nHost: sh`),
  left(
    "half a body, and away",
    request({ headers: ["Host: localhost", "Content-Length: 26"], body: '{"otp_code":' }),
  ),
  left(
    "half a chunk, and away",
    request({ headers: ["Host: localhost", "Transfer-Encoding: chunked"], body: '1a\r\n{"otp_code":' }),
  ),
  left(
    "a whole request, and away",
    request({ headers: ["Host: localhost", sized(question)], body: question }),
  ),
  left("nothing, and away", ""),
  finished("nothing, and no more", ""),
  {
    name: "Expect: 100-continue",
    parts: [request({ headers: ["Host: localhost", sized(question), "Expect: 100-continue"] }), question],
    then: "continue",
  },
  {
    name: "Expect: 100-continue, to no function",
    parts: [
      request({
        target: "/api/v1/none",
        headers: ["Host: localhost", sized(question), "Expect: 100-continue"],
      }),
      question,
    ],
    then: "continue",
  },
  sent(
    "Expect: 100-continue with the body at once",
    request({ headers: ["Host: localhost", sized(question), "Expect: 100-continue"], body: question }),
  ),
  sent(
    "an Expect that nobody meets",
    request({ headers: ["Host: localhost", sized(question), "Expect: tea"], body: question }),
  ),
  sent(
    "three requests at once",
    `POST ${validate} HTTP/1.1\r\nHost: localhost\r\n${sized(question)}\r\n\r\n${question}` +
      `POST ${validate} HTTP/1.1\r\nHost: localhost\r\n${sized("{}")}\r\n\r\n{}` +
      request({ method: "GET", target: document }),
  ),
  sent(
    "a request behind a chunked one",
    `POST ${validate} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(question)}` +
      request({ method: "GET", target: document }),
  ),
  sent(
    "a request behind a bad one",
    `POST ${validate} HTTP/1.1\r\nHost: localhost\r\nContent-Length: a\r\n\r\n` +
      request({ method: "GET", target: document }),
  ),
  sent(
    "a request behind one with more body than its Content-Length",
    `POST ${validate} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n${question}` +
      request({ method: "GET", target: document }),
  ),
  sent(
    "a request behind one with a € in its User-Agent",
    `GET ${document} HTTP/1.1\r\nHost: localhost\r\n${utf8("User-Agent: €")}\r\n\r\n` +
      request({ method: "GET", target: document }),
  ),
];

export const hostileRequests: readonly HostileRequest[] = [
  ...framing,
  ...versions,
  ...hosts,
  ...headers,
  ...bodies,
  ...targets,
  ...methods,
  ...connections,
];
