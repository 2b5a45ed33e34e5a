/**
 * What Azure Functions does to a request before a function sees it: first its web server (Kestrel, of ASP.NET Core),
 * then the host. `npx jest tests/guarantees/hostile` compares this code with the platform's recorded answers.
 */
import { isUtf8 } from "node:buffer";
import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
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

/**
 * Joins repeated headers as ASP.NET Core does. Kestrel reads values as UTF-8, where Node makes a character of each byte. A
 * character beyond Latin-1 then makes the worker's `Request` throw (WHATWG Fetch: a `ByteString`). Undefined when Kestrel
 * refuses them.
 */
const decodeHeaders = (rawHeaders: readonly string[]): ReadonlyMap<string, string> | undefined => {
  const headers = new Map<string, string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = "", raw = ""] = rawHeaders.slice(index, index + 2);
    const [key, bytes] = [name.toLowerCase(), Buffer.from(raw, "latin1")];
    const before = headers.get(key);
    if (!isUtf8(bytes) || bytes.includes(0) || (key === "host" && before !== undefined)) {
      return undefined;
    }
    headers.set(key, before === undefined ? bytes.toString() : `${before},${bytes.toString()}`);
  }
  return headers;
};

/** Decodes a path as Kestrel does: UTF-8 once, but not `%2F`. Then it resolves dot segments. */
const decodePath = (path: string): string => {
  const decoded = path.replaceAll(/(?:%(?!2f)[\da-f]{2})+/gi, (encoded) => {
    const bytes = Buffer.from(encoded.replaceAll("%", ""), "hex");
    return isUtf8(bytes) ? bytes.toString() : encoded;
  });
  const segments: string[] = [];
  for (const segment of decoded.split("/").slice(1)) {
    if (segment === "..") {
      segments.pop();
    } else if (segment !== ".") {
      segments.push(segment);
    }
  }
  return `/${segments.join("/")}`;
};

/** The request as the host has it, or the status with which the platform refuses it before it looks for a function. */
export const receive = (incoming: IncomingMessage): PlatformRequest | Refused => {
  const { method = "", url: target = "", httpVersion, rawHeaders } = incoming;
  if (`${method} ${target} HTTP/${httpVersion}\r\n`.length > maxRequestLineBytes) {
    return { refusal: 414 };
  }
  const headers = decodeHeaders(rawHeaders);
  if (headers === undefined) {
    return { refusal: 400 };
  }
  // Each header also has a colon, a space, and the end of its line.
  if (
    rawHeaders.length / 2 > maxHeaders ||
    rawHeaders.join("").length + 2 * rawHeaders.length > maxHeadersBytes
  ) {
    return { refusal: 431 };
  }
  const host = headers.get("host") ?? "";
  if (host === "") {
    return { refusal: 500 };
  }
  // RFC 9112, section 3.2.2: a client of a proxy sends a whole URL.
  const [, urlHost = host, pathAndQuery = target] = /^https?:\/\/([^/?]+)(.*)$/s.exec(target) ?? [];
  const [encodedPath = ""] = pathAndQuery.split("?");
  const path = decodePath(encodedPath);
  const transferEncoding = headers.get("transfer-encoding");
  if (
    urlHost !== host ||
    !/^\/[\x01-\x7f]*$/.test(pathAndQuery) ||
    path.includes("\0") ||
    !/(?:^|,)[ \t]*chunked$/i.test(transferEncoding ?? "chunked")
  ) {
    return { refusal: 400 };
  }
  return {
    method,
    url: `http://${host}${pathAndQuery}`,
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
  // Without a listener for the second, Node would answer an unknown `Expect` itself.
  for (const event of ["request", "checkExpectation"]) {
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      underWay.set(request.socket, response);
      response.on("close", () => underWay.delete(request.socket));
      answer(request, response);
    });
  }
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    const response = underWay.get(socket);
    if (response === undefined) {
      refuse(socket, code === "HPE_HEADER_OVERFLOW" ? 431 : code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400);
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
