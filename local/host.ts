/**
 * A Functions host for a machine without Core Tools: mounts function values on Node's HTTP server, with the
 * routes, methods and parameters, and the request and response objects, that they get under `func start`.
 * Like `func start` it does not enforce function keys.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { HttpRequest, HttpResponse, InvocationContext } from "@azure/functions";
import type { LogHandler } from "@azure/functions";
import type { HttpFunction } from "../shared/http";
import { findPage } from "./pages";

/** The Functions host's own limit; a connection that sends more is cut. */
const maxRequestBytes = 100 * 1024 * 1024;

/** Of what the functions log, warnings and errors go to standard error. */
const logToStandardError: LogHandler = (level, ...args) => {
  if (level === "warning" || level === "error" || level === "critical") {
    console.error(...args);
  }
};

/** How a line begins that a function logged after its answer: on the platform it would be lost. */
export const lateLogPrefix = "Logged after the answer:";

export const makeHost = (
  functions: readonly HttpFunction[],
  logHandler: LogHandler = logToStandardError,
): Server => {
  const routes = functions.map((mounted) => ({ mounted, pattern: toPattern(mounted.route) }));

  const dispatch = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = parseTarget(request.url ?? "");
    for (const { mounted, pattern } of routes) {
      const match = pattern.exec(url?.pathname ?? "");
      if (match && mounted.methods.some((method) => method === request.method)) {
        await invoke(
          mounted,
          request,
          url?.href ?? "",
          decodeParams(match.groups ?? {}),
          response,
          logHandler,
        );
        return;
      }
    }
    // To HEAD Node sends what it would to GET, without the body.
    const isRead = request.method === "GET" || request.method === "HEAD";
    const page = isRead ? await findPage(url?.pathname ?? "") : undefined;
    if (page !== undefined) {
      response.writeHead(200, page.headers).end(page.body);
      return;
    }
    // No route, or not with this method: the Functions host answers the same to both.
    response.writeHead(404).end();
  };

  return createServer((request, response) => {
    dispatch(request, response).catch((error: unknown) => {
      // The client went away in the middle, or the function threw.
      logHandler("error", error instanceof Error ? error.name : typeof error);
      if (!response.headersSent) {
        response.writeHead(500);
      }
      response.end();
    });
  });
};

/** The target of a request (RFC 9112, section 3.2): a path, however it begins, or a whole URL. */
const parseTarget = (target: string): URL | null => {
  const url = URL.parse(target.startsWith("/") ? `http://localhost${target}` : target);
  if (url !== null) {
    // Node's Request refuses a URL with credentials.
    url.username = "";
    url.password = "";
  }
  return url;
};

/** `api/{name}` as the Functions host matches it: ignoring case, a parameter being one segment. */
const toPattern = (route: string): RegExp =>
  new RegExp(`^/${route.replaceAll(".", "\\.").replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}/?$`, "i");

const decodeParams = (groups: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(groups).map(([name, value]) => {
      try {
        return [name, decodeURIComponent(value)];
      } catch {
        return [name, value];
      }
    }),
  );

const readBody = (request: IncomingMessage): Promise<Buffer> => {
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxRequestBytes) {
      request.destroy();
    }
  });
  return buffer(request);
};

const invoke = async (
  mounted: HttpFunction,
  request: IncomingMessage,
  url: string,
  params: Record<string, string>,
  response: ServerResponse,
  logHandler: LogHandler,
): Promise<void> => {
  const bytes = await readBody(request);
  const headers = Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values = []]) => [name, values.join(", ")]),
  );
  let isOver = false;
  const context = new InvocationContext({
    functionName: mounted.name,
    invocationId: randomUUID(),
    // The Functions host ignores these lines (azure-functions-host, GrpcWorkerChannel.cs, Log).
    logHandler: (level, ...args) => {
      if (isOver) {
        logHandler("error", lateLogPrefix, level, ...args);
      } else {
        logHandler(level, ...args);
      }
    },
  });
  const result = await mounted.handler(
    new HttpRequest({ method: request.method ?? "", url, headers, params, body: { bytes } }),
    context,
  );
  isOver = true;
  const answer = result instanceof HttpResponse ? result : new HttpResponse(result);
  const body = Buffer.from(await answer.arrayBuffer());
  response
    .writeHead(answer.status, { ...Object.fromEntries(answer.headers), "content-length": body.length })
    .end(body);
};
