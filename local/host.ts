/**
 * A Functions host for a machine without Core Tools. It mounts the functions on Node's HTTP server and gives them the
 * routes, methods, parameters, request and response objects of the platform. Like `func start` it does not enforce
 * function keys.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { HttpRequest, HttpResponse, InvocationContext } from "@azure/functions";
import type { LogHandler } from "@azure/functions";
import type { HttpFunction } from "../shared/http/function";
import { findPage } from "../site/pages";
import type { DemoShop } from "../site/reader";
import { makePlatformServer, receive } from "./platform";
import type { PlatformRequest } from "./platform";
import { refuseForeign } from "./same-origin";

/** The Functions host's own limit (its `ScriptConstants.cs`). */
const maxRequestBytes = 100 * 1024 * 1024;

/** Shows only the warnings and errors that the functions log, on standard error. */
const logToStandardError: LogHandler = (level, ...args) => {
  if (level === "warning" || level === "error" || level === "critical") {
    console.error(...args);
  }
};

/** The start of a line that a function logged after its answer. The platform would lose that line. */
export const lateLogPrefix = "Logged after the answer:";

/** @param demoShop the shop whose keys the pages put into their commands, once it has some. */
export const makeHost = (
  functions: readonly HttpFunction[],
  logHandler: LogHandler = logToStandardError,
  demoShop: () => DemoShop | undefined = () => undefined,
): Server => {
  const routes = functions.map((mounted) => ({ mounted, pattern: toPattern(mounted.route) }));

  const dispatch = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = receive(incoming);
    if ("refusal" in request) {
      response.writeHead(request.refusal, { "content-length": 0, connection: "close" }).end();
      return;
    }
    if (refuseForeign(incoming, response)) {
      return;
    }
    const { method, path } = request;
    for (const { mounted, pattern } of routes) {
      const match = pattern.exec(path);
      if (match && mounted.methods.some((each) => each === method)) {
        await invoke({ mounted, request, params: match.groups ?? {} }, { incoming, response, logHandler });
        return;
      }
    }
    // For HEAD, Node leaves the body out by itself.
    const isRead = method === "GET" || method === "HEAD";
    const page = isRead
      ? await findPage(path, {
          localOrigin: `http://${request.headers["host"] ?? `127.0.0.1:${incoming.socket.localPort}`}`,
          demoShop: demoShop(),
        })
      : undefined;
    if (page !== undefined) {
      response.writeHead(200, page.headers).end(page.body);
      return;
    }
    // The Functions host answers an unknown route and a wrong method alike.
    response.writeHead(404).end();
  };

  return makePlatformServer((request, response) => {
    dispatch(request, response).catch((error: unknown) => {
      // The client disconnected during the call, or the function threw.
      logHandler("error", error instanceof Error ? error.name : typeof error);
      if (!response.headersSent) {
        response.writeHead(500);
      }
      response.end();
    });
  });
};

/** Matches `api/{name}` as the Functions host does: it ignores case, and a parameter is one segment. */
const toPattern = (route: string): RegExp =>
  new RegExp(`^/${route.replaceAll(".", "\\.").replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}/?$`, "i");

/** A request, and the function to which its route leads. */
interface RoutedRequest {
  readonly mounted: HttpFunction;
  readonly request: PlatformRequest;
  readonly params: Record<string, string>;
}

/** The incoming request as Node has it, and where its answer and its log go. */
interface Exchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly logHandler: LogHandler;
}

const invoke = async (
  { mounted, request: { method, url, headers, contentLength }, params }: RoutedRequest,
  { incoming, response, logHandler }: Exchange,
): Promise<void> => {
  if (contentLength > maxRequestBytes) {
    response.writeHead(500, { "content-length": 0, connection: "close" }).end();
    return;
  }
  const bytes = contentLength > 0 ? await buffer(incoming) : undefined;
  let isOver = false;
  const context = new InvocationContext({
    functionName: mounted.name,
    invocationId: randomUUID(),
    // The Functions host ignores lines after the answer (azure-functions-host, GrpcWorkerChannel.cs, Log).
    logHandler: (level, ...args) => {
      if (isOver) {
        logHandler("error", lateLogPrefix, level, ...args);
      } else {
        logHandler(level, ...args);
      }
    },
  });
  const result = await mounted.handler(
    new HttpRequest({ method, url, headers, params, ...(bytes && { body: { bytes } }) }),
    context,
  );
  isOver = true;
  const answer = result instanceof HttpResponse ? result : new HttpResponse(result);
  const body = Buffer.from(await answer.arrayBuffer());
  // RFC 9110, section 8.6: a 204 has no Content-Length, neither of 0.
  const length = answer.status === 204 ? {} : { "content-length": body.length };
  response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...length }).end(body);
};
