/**
 * A Functions host for a machine without Core Tools, on Node's HTTP server. Like `func start` it does not enforce function
 * keys.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { HttpRequest, HttpResponse, InvocationContext, type LogHandler } from "@azure/functions";
import type { HttpFunction } from "../shared/http/function";
import { makePlatformServer, receive, type PlatformRequest } from "./platform";
import { refuseForeign } from "./same-origin";
import type { DemoShop, Site } from "./site";

/** The Functions host's own limit (its `ScriptConstants.cs`). */
const maxRequestBytes = 100 * 1024 * 1024;

const logToStandardError: LogHandler = (level, ...args) => {
  if (level === "warning" || level === "error" || level === "critical") {
    console.error(...args);
  }
};

/** The platform would lose what a function logs after its answer. */
export const lateLogPrefix = "Logged after the answer:";

/** A line of the host's own log, as the real one was seen to write it: it quotes addresses. */
export interface HostLine {
  readonly category: string;
  readonly level: "Information" | "Error";
  readonly text: string;
}

const noSite: Site = () => Promise.resolve(false);

export interface HostOptions {
  /** The shop whose keys the pages put into their commands, once it has some. */
  readonly demoShop?: () => DemoShop | undefined;
  readonly site?: Site;
  /** What a request may call this machine, besides loopback. */
  readonly allowedHosts?: readonly string[];
  readonly onHostLine?: (line: HostLine) => void;
}

export const makeHost = (
  functions: readonly HttpFunction[],
  logHandler: LogHandler = logToStandardError,
  {
    demoShop = () => undefined,
    site = noSite,
    allowedHosts = [],
    onHostLine = () => undefined,
  }: HostOptions = {},
): Server => {
  const routes = functions.map((mounted) => ({ mounted, pattern: toPattern(mounted.route) }));

  const dispatch = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = receive(incoming);
    if ("refusal" in request) {
      response.writeHead(request.refusal, { "content-length": 0, connection: "close" }).end();
      return;
    }
    if (refuseForeign(incoming, response, allowedHosts)) {
      return;
    }
    const { method, path, url } = request;
    const inform = (category: string, text: string): void => {
      onHostLine({ category, level: "Information", text });
    };
    inform("Microsoft.AspNetCore.Hosting.Diagnostics", `Request starting HTTP/1.1 ${method} ${url}`);
    inform(
      "Microsoft.Azure.WebJobs.Script.WebHost.Middleware.SystemTraceMiddleware",
      `Executing HTTP request: ${JSON.stringify({ method, uri: path })}`,
    );
    for (const { mounted, pattern } of routes) {
      const match = pattern.exec(path);
      if (match && mounted.methods.some((each) => each === method)) {
        const category = `Function.${mounted.name}`;
        inform(category, `Executing 'Functions.${mounted.name}'`);
        try {
          const params = definedOf(match.groups);
          await invoke({ mounted, request, params }, { incoming, response, logHandler });
        } catch (error) {
          const text = `Executed 'Functions.${mounted.name}' (Failed) ${String(error)}`;
          onHostLine({ category, level: "Error", text });
          throw error;
        }
        return;
      }
    }
    // For HEAD, Node leaves the body out by itself.
    const isRead = method === "GET" || method === "HEAD";
    if (isRead && !/^\/api(\/|$)/i.test(path)) {
      const asked = {
        path,
        isForBrowser: request.headers["accept"]?.includes("text/html") === true,
        localOrigin: `http://${request.headers["host"] ?? `127.0.0.1:${incoming.socket.localPort}`}`,
        demoShop: demoShop(),
      };
      if (await site(asked, response)) {
        return;
      }
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

/** As the Functions host matches a route: it ignores case, and a parameter is one segment. */
const toPattern = (route: string): RegExp => {
  const pattern = route
    .replaceAll(".", "\\.")
    .replace(/\/\{(\w+)\?\}$/, "(?:/(?<$1>[^/]+))?")
    .replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)");
  return new RegExp(`^/${pattern}/?$`, "i");
};

const definedOf = (groups: Readonly<Record<string, string | undefined>> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(groups).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

interface RoutedRequest {
  readonly mounted: HttpFunction;
  readonly request: PlatformRequest;
  readonly params: Record<string, string>;
}

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
