/**
 * What Azure Functions makes of a request before a function sees it: first its web server, Kestrel of ASP.NET Core,
 * then the host. `npx jest tests/guarantees/hostile` holds this against what they answer.
 */
import { createServer, STATUS_CODES } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Answered with a status and an empty body. */
interface Refused {
  readonly refusal: number;
}

/** A request as the host has it (its `GrpcMessageConversionExtensions.cs`, `ToRpcHttp`). */
export interface PlatformRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** 0 for a body in chunks, which the host does not pass on: it goes by `Content-Length` alone. */
  readonly contentLength: number;
}

/** Kestrel's `KestrelServerLimits`, which the Functions host leaves as they are. */
const maxRequestLineBytes = 8192;
const maxHeadersBytes = 32_768;
const maxHeaders = 100;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Kestrel reads header values as UTF-8 and refuses others (its `HttpRequestHeaders.cs`); Node has a character for each
 * byte. What is beyond Latin-1 then stops the worker at its `Request` (WHATWG Fetch: a `ByteString`).
 */
const decodeHeaderValue = (value: string): string | undefined => {
  try {
    return strictUtf8.decode(Buffer.from(value, "latin1"));
  } catch {
    return undefined;
  }
};

interface Target {
  /** How `Host` may name what a whole URL names: none for a target that is a path. */
  readonly hosts: readonly string[];
  readonly path: string;
  readonly query: string;
}

const splitQuery = (target: string, hosts: readonly string[] = []): Target => {
  const [, path = "", query = ""] = /^([^?]*)(.*)$/s.exec(target) ?? [];
  return { hosts, path, query };
};

/** The forms of a target (RFC 9112, section 3.2) that Kestrel's `Http1Connection.cs` knows. */
const parseTarget = (method: string, target: string): Target | Refused => {
  if (/[^\x01-\x7f]/.test(target)) {
    return { refusal: 400 };
  }
  if (target.startsWith("/")) {
    return splitQuery(target);
  }
  if (target === "*") {
    return method === "OPTIONS" ? { hosts: [], path: "", query: "" } : { refusal: 405 };
  }
  if (/^https?:\/\//.test(target)) {
    const url = URL.parse(target);
    if (url === null) {
      return { refusal: 400 };
    }
    const withPort = url.protocol === "http:" ? `${url.host}:80` : `${url.host}:443`;
    return splitQuery(url.pathname + url.search, url.port === "" ? [url.host, withPort] : [url.host]);
  }
  return { refusal: /[^\w.:~-]/.test(target) ? 400 : 405 };
};

/** Percent-encoded UTF-8 of one character. */
const encodedCharacter =
  /%(?:[0-7][\da-f]|[cd][\da-f]%[89ab][\da-f]|e[\da-f](?:%[89ab][\da-f]){2}|f[0-7](?:%[89ab][\da-f]){3})/gi;

/**
 * As Kestrel's `PathDecoder.cs`: what is UTF-8 is decoded once, `%2F` and the rest stay as they are, and dot segments
 * are resolved then. A path parameter is a segment of this: ASP.NET Core's routing decodes nothing more.
 */
const decodePath = (path: string): string => {
  const decoded = path.replaceAll(encodedCharacter, (encoded) => {
    try {
      return encoded.toLowerCase() === "%2f" ? encoded : decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
  const segments: string[] = [];
  const [, ...given] = decoded.split("/");
  for (const [index, segment] of given.entries()) {
    const isDots = segment === "." || segment === "..";
    if (segment === "..") {
      segments.pop();
    }
    if (!isDots) {
      segments.push(segment);
    } else if (index === given.length - 1) {
      segments.push("");
    }
  }
  return given.length === 0 ? decoded : `/${segments.join("/")}`;
};

/** What Kestrel's `HttpCharacters.cs` lets through. */
const isValidHost = (host: string): boolean =>
  /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=-]*)(?::\d*)?$/i.test(host);

/** The request as the host has it, or the status with which it is refused before any function is looked for. */
export const receive = (incoming: IncomingMessage): PlatformRequest | Refused => {
  const { method = "", url: rawTarget = "", httpVersion, rawHeaders } = incoming;
  if (`${method} ${rawTarget} HTTP/${httpVersion}\r\n`.length > maxRequestLineBytes) {
    return { refusal: 414 };
  }
  if (!/^1\.[01]$/.test(httpVersion)) {
    return { refusal: httpVersion === "0.9" ? 400 : 505 };
  }
  const headers = new Map<string, string>();
  let headersBytes = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = "", raw = ""] = rawHeaders.slice(index, index + 2);
    headersBytes += `${name}: ${raw}\r\n`.length;
    const value = decodeHeaderValue(raw);
    if (value === undefined || value.includes("\0")) {
      return { refusal: 400 };
    }
    const key = name.toLowerCase();
    const before = headers.get(key);
    if (key === "host" && before !== undefined) {
      return { refusal: 400 };
    }
    // As `StringValues.ToString()` of ASP.NET Core joins them.
    headers.set(key, before === undefined ? value : `${before},${value}`);
  }
  if (rawHeaders.length / 2 > maxHeaders || headersBytes > maxHeadersBytes) {
    return { refusal: 431 };
  }
  const target = parseTarget(method, rawTarget);
  if ("refusal" in target) {
    return target;
  }
  const [urlHost = ""] = target.hosts;
  const host = headers.get("host") ?? urlHost;
  if (!isValidHost(host) || (target.hosts.length > 0 && !target.hosts.includes(host))) {
    return { refusal: 400 };
  }
  const transferEncoding = headers.get("transfer-encoding");
  if (transferEncoding !== undefined && !/(?:^|,)[ \t]*chunked$/i.test(transferEncoding)) {
    return { refusal: 400 };
  }
  const path = decodePath(target.path);
  if (path.includes("\0")) {
    return { refusal: 400 };
  }
  return {
    method,
    url: `http://${host}${target.path}${target.query}`,
    path,
    headers: Object.fromEntries(headers),
    contentLength: transferEncoding === undefined ? Number(headers.get("content-length") ?? 0) : 0,
  };
};

/** A server whose parser passes on what Kestrel passes on, and answers by itself what Kestrel does. */
export const makePlatformServer = (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Server => {
  // Lenient, because Kestrel takes both lengths of a body, or a line feed alone. `receive` refuses what is too much.
  const server = createServer({ insecureHTTPParser: true, maxHeaderSize: 256 * 1024 });
  const underWay = new WeakMap<Duplex, ServerResponse>();
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    underWay.set(request.socket, response);
    response.on("close", () => underWay.delete(request.socket));
    answer(request, response);
  };
  // Without a listener of their own Node answers the latter two itself.
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    server.on(event, listener);
  }
  server.on("connect", (_, socket) => {
    refuse(socket, 400);
  });
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    const response = underWay.get(socket);
    if (code === "HPE_INVALID_EOF_STATE" || code === "HPE_PAUSED_H2_UPGRADE") {
      socket.destroy();
    } else if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
      refuse(socket, 408);
    } else if (response === undefined) {
      refuse(socket, code === "HPE_HEADER_OVERFLOW" ? 431 : 400);
    } else {
      // The request before the error has its answer first.
      response.on("close", () => {
        refuse(socket, 400);
      });
    }
  });
  return server;
};

const refuse = (socket: Duplex, status: number): void => {
  if (socket.writable) {
    const reason = STATUS_CODES[status] ?? "";
    socket.end(`HTTP/1.1 ${status} ${reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  } else {
    socket.destroy();
  }
};
