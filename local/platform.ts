/**
 * What Azure Functions does to a request before a function sees it: first its web server (Kestrel, of ASP.NET Core),
 * then the host. `npx jest tests/guarantees/hostile` compares this code with their recorded answers.
 */
import { createServer, STATUS_CODES } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** The platform answers such a request with this status and an empty body. */
interface Refused {
  readonly refusal: number;
}

/** A request as the host has it (its `GrpcMessageConversionExtensions.cs`, `ToRpcHttp`). */
export interface PlatformRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** 0 for a body in chunks: the host looks at `Content-Length` only, and does not pass such a body on. */
  readonly contentLength: number;
}

/** Kestrel's `KestrelServerLimits`. The Functions host does not change them. */
const maxRequestLineBytes = 8192;
const maxHeadersBytes = 32_768;
const maxHeaders = 100;
/** Node closes an idle connection after 5 s, perhaps in the moment in which a client sends its next call. */
const keepAliveTimeoutMs = 130_000;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Kestrel reads header values as UTF-8 and refuses other bytes (its `HttpRequestHeaders.cs`). Node makes a character of
 * each byte. A character beyond Latin-1 then makes the worker's `Request` throw (WHATWG Fetch: a `ByteString`).
 */
const decodeHeaderValue = (value: string): string | undefined => {
  try {
    return strictUtf8.decode(Buffer.from(value, "latin1"));
  } catch {
    return undefined;
  }
};

interface Target {
  /** The values of `Host` that agree with a whole URL. Empty when the target is a path. */
  readonly hosts: readonly string[];
  readonly path: string;
  readonly query: string;
}

const splitQuery = (target: string, hosts: readonly string[] = []): Target => {
  const [, path = "", query = ""] = /^([^?]*)(.*)$/s.exec(target) ?? [];
  return { hosts, path, query };
};

/** The forms of a target (RFC 9112, section 3.2) that Kestrel accepts (its `Http1Connection.cs`). */
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

/** One character as percent-encoded UTF-8. */
const encodedCharacter =
  /%(?:[0-7][\da-f]|[cd][\da-f]%[89ab][\da-f]|e[\da-f](?:%[89ab][\da-f]){2}|f[0-7](?:%[89ab][\da-f]){3})/gi;

/**
 * Decodes a path as Kestrel's `PathDecoder.cs` does. It decodes UTF-8 once, leaves `%2F` and all else as they are, and
 * then resolves dot segments. A path parameter is a segment of the result: ASP.NET Core's routing decodes nothing more.
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

/** Accepts the hosts that Kestrel's `HttpCharacters.cs` accepts. */
const isValidHost = (host: string): boolean =>
  /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=-]*)(?::\d*)?$/i.test(host);

/** The request as the host has it, or the status with which the platform refuses it before it looks for a function. */
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
    // ASP.NET Core joins repeated headers like this (`StringValues.ToString()`).
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

/** A server that accepts at least what Kestrel accepts, and answers malformed requests as Kestrel does. */
export const makePlatformServer = (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Server => {
  // Kestrel accepts a bare line feed, and a body with both lengths, so this parser must be lenient. `receive` refuses
  // the rest of what Kestrel refuses.
  const server = createServer({
    insecureHTTPParser: true,
    maxHeaderSize: 256 * 1024,
    keepAliveTimeout: keepAliveTimeoutMs,
  });
  const underWay = new WeakMap<Duplex, ServerResponse>();
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    underWay.set(request.socket, response);
    response.on("close", () => underWay.delete(request.socket));
    answer(request, response);
  };
  // Without a listener for the last two events, Node would answer such requests itself.
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
      // An earlier request on this connection must get its answer before the error is answered.
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
