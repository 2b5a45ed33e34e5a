/** A proxy between the real client and the embedded server. It fails when a test asks for it. */
import { randomUUID } from "node:crypto";
import {
  Agent,
  createServer,
  request as send,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { close, listen } from "../../local/server";

/** What happens to a request. "Applied" means that the server behind has answered it. */
export type Fault =
  /** Its connection is reset and it is not applied. For `forMs` (100 by default) new connections are refused. */
  | { readonly kind: "refuse"; readonly forMs?: number }
  /** Its connection is reset; it is not applied. */
  | { readonly kind: "reset-before" }
  /** It is applied, then its connection is reset: the answer is lost. */
  | { readonly kind: "reset-after" }
  /** It is applied, then its connection is reset in the middle of the answer's body. */
  | { readonly kind: "cut-off" }
  /**
   * It is answered with this status and not applied. A 429 always says when to retry. 404/1002 means that a replica lags
   * behind, 404/1003 that the container is missing.
   */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly substatus?: number;
      readonly retryAfterMs?: number;
    }
  /** It is not applied, and answered with this body. A foreign answer is not Cosmos DB's: it has no activity id. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      readonly isForeign?: boolean;
    }
  /**
   * It is not applied, and answered 403: this region takes no writes (3), or has left the account (1008), or the token is
   * not in force (5300).
   */
  | { readonly kind: "forbidden"; readonly substatus: 3 | 1008 | 5300 }
  /** It is applied, but answered with this status. */
  | { readonly kind: "status-after"; readonly status: number }
  /** It is applied after a while, and answered normally. */
  | { readonly kind: "delay"; readonly ms: number }
  /** It is neither applied nor answered; its connection stays open. */
  | { readonly kind: "hang" }
  /** It is applied and never answered; its connection stays open. */
  | { readonly kind: "hang-after" }
  /** It is never answered. It is applied after a while, even if the client has disconnected. */
  | { readonly kind: "late"; readonly ms: number }
  /** `run`, a rival's write, happens first. Then the request is applied and answered normally. */
  | { readonly kind: "rival"; readonly run: () => Promise<unknown> };

export type Operation = "read" | "create" | "replace" | "batch" | "other";

/** A request that arrived completely. */
export interface StoreRequest {
  /** From 0, in order of arrival. */
  readonly index: number;
  readonly method: string;
  readonly path: string;
  /** What it does to an item. `other` concerns no item: queries, containers, the account. */
  readonly operation: Operation;
  readonly container: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface FaultProxy {
  /**
   * The endpoint for a client. Without an account for the proxy, the client must not discover endpoints: the account
   * names the server behind, and the client would bypass the proxy.
   */
  readonly endpoint: string;
  /** All that arrived since the start or the last reset. */
  readonly requests: readonly StoreRequest[];
  /** `decide` is called for each request, in order of arrival. Undefined means: forward it. */
  script(decide: (request: StoreRequest) => Fault | undefined): void;
  /** Resolves when every request so far has taken its course, and the proxy accepts connections again. */
  settled(): Promise<void>;
  /**
   * Forwards everything, forgets the requests, and resolves when the proxy accepts connections again. Faults that were
   * already decided still happen.
   */
  reset(): Promise<void>;
  /** Ends at once all that is open or pending. Rejects with the first error that the script or a rival threw. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const defaultRefusalMs = 100;
const defaultThrottleMs = 10;

/** An account's description of itself, or a part of it. */
export type AccountDescription = Readonly<Record<string, unknown>>;

/**
 * @param target the server behind: `http://127.0.0.1:port`.
 * @param account replaces parts of the account's description that the server behind gives. Without regions in it, the
 *   proxy is the only region. A function is called at each read of the account.
 */
export const startFaultProxy = async (
  target: string,
  account?: AccountDescription | (() => AccountDescription),
): Promise<FaultProxy> => {
  // The server behind closes idle connections after 5 s. Closing them earlier keeps requests off a closing one.
  const agent = new Agent({ keepAlive: true, timeout: 2000 });
  const ending = new AbortController();
  const underway = new Set<Promise<void>>();
  const scriptErrors: Error[] = [];
  let requests: StoreRequest[] = [];
  let decide: (request: StoreRequest) => Fault | undefined = () => undefined;
  let outage = { over: Promise.resolve(), end: (): void => undefined };

  const server = createServer((incoming, response) => {
    // A client may disconnect at any moment.
    response.on("error", () => undefined);
    const handled = handle(incoming, response).catch(() => {
      resetConnection(incoming.socket);
    });
    underway.add(handled);
    void handled.then(() => underway.delete(handled));
  });
  // Otherwise an idle connection could close when the client reuses it: a fault that no test asked for.
  server.keepAliveTimeout = 0;

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(incoming);
    const request = toStoreRequest(incoming, body.toString(), requests.length);
    requests.push(request);
    const fault = await ofScript(() => decide(request));
    const forward = async (): Promise<Answer> => {
      const answer = await exchange(target, agent, ending.signal, incoming, body);
      return account !== undefined && request.path === "/"
        ? describeAccount(answer, typeof account === "function" ? account() : account, port)
        : answer;
    };
    const reply = (answer: Answer): void => {
      writeAnswer(response, answer, server.listening);
    };
    const reset = (): void => {
      resetConnection(incoming.socket);
    };
    switch (fault?.kind) {
      case undefined:
        reply(await forward());
        return;
      case "refuse":
        stopListening(fault.forMs ?? defaultRefusalMs);
        reset();
        return;
      case "reset-before":
        reset();
        return;
      case "reset-after":
        await forward();
        reset();
        return;
      case "cut-off":
        await writeHalf(response, await forward());
        reset();
        return;
      case "status":
        reply(
          failureAnswer(fault.status, {
            ...retryAfter(fault),
            ...(fault.substatus === undefined ? {} : { "x-ms-substatus": String(fault.substatus) }),
          }),
        );
        return;
      case "answer": {
        const { headers } = failureAnswer(fault.status);
        reply({
          status: fault.status,
          headers: fault.isForeign === true ? {} : headers,
          body: Buffer.from(fault.body),
        });
        return;
      }
      case "forbidden":
        reply(failureAnswer(403, { "x-ms-substatus": String(fault.substatus) }));
        return;
      case "status-after":
        await forward();
        reply(failureAnswer(fault.status));
        return;
      case "delay":
        await pause(fault.ms, undefined, { signal: ending.signal });
        reply(await forward());
        return;
      case "hang":
        return;
      case "hang-after":
        await forward();
        return;
      case "late":
        await pause(fault.ms, undefined, { signal: ending.signal });
        await forward();
        return;
      case "rival":
        await ofScript(fault.run);
        reply(await forward());
        return;
    }
  };

  const ofScript = async <A>(run: () => A | Promise<A>): Promise<A> => {
    try {
      return await run();
    } catch (error) {
      scriptErrors.push(new Error(`the script of faults: ${String(error)}`, { cause: error }));
      throw error;
    }
  };

  const stopListening = (forMs: number): void => {
    if (!server.listening) {
      return;
    }
    server.close();
    const waiting = new AbortController();
    const reopen = async (): Promise<void> => {
      // A test that fails may not close the proxy. The pause must not keep the process alive then.
      await pause(forMs, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined);
      while (!ending.signal.aborted) {
        try {
          await listen(server, port);
          server.unref();
          return;
        } catch {
          // Another process has taken the port in the meantime.
          await pause(10);
        }
      }
    };
    outage = {
      over: reopen(),
      end: () => {
        waiting.abort();
      },
    };
  };

  const port = await listen(server, 0);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    script: (next) => {
      decide = next;
    },
    settled: async () => {
      await Promise.all(underway);
      await outage.over;
    },
    reset: async () => {
      decide = () => undefined;
      requests = [];
      outage.end();
      await outage.over;
    },
    close: async () => {
      ending.abort();
      outage.end();
      await outage.over;
      await close(server);
      agent.destroy();
      const [error] = scriptErrors.splice(0);
      if (error !== undefined) {
        throw error;
      }
    },
  };
};

/**
 * Resets a connection, unless it is already ending because the client disconnected. Node.js 22 would then neither reset
 * the connection nor release it, and the process would never end.
 */
const resetConnection = (socket: Socket): void => {
  if (socket.writableEnded) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
};

const documentsPath = /^\/dbs\/[^/]+\/colls\/([^/]+)(?:\/docs(\/[^/]+)?)?\/?$/;

const toStoreRequest = (incoming: IncomingMessage, body: string, index: number): StoreRequest => {
  const { method = "", url: path = "", headers } = incoming;
  const [, container, item] = documentsPath.exec(path) ?? [];
  const target = item !== undefined ? "item" : /\/docs\/?$/.test(path) ? "items" : "none";
  return {
    index,
    method,
    path,
    operation: operationOf(`${method} ${target}`, headers),
    container,
    headers,
    body,
  };
};

const operationOf = (call: string, headers: IncomingHttpHeaders): Operation => {
  switch (call) {
    case "GET item":
      return "read";
    case "PUT item":
      return "replace";
    case "POST items":
      return isTrue(headers["x-ms-cosmos-is-batch-request"])
        ? "batch"
        : headers["content-type"] === "application/query+json" || isTrue(headers["x-ms-documentdb-is-upsert"])
          ? "other"
          : "create";
    default:
      return "other";
  }
};

const isTrue = (header: string | string[] | undefined): boolean => String(header).toLowerCase() === "true";

// These headers describe one connection, and the proxy joins two. The length of the body depends on the others.
const ofConnection = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"]);

const endToEnd = (headers: IncomingHttpHeaders): Map<string, string | string[]> =>
  new Map(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || ofConnection.has(name) ? [] : [[name, value] as const],
    ),
  );

/** Forwards a request to the server behind, and returns its answer. */
const exchange = (
  target: string,
  agent: Agent,
  signal: AbortSignal,
  { method, url, headers }: IncomingMessage,
  body: Buffer,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    send(
      `${target}${url ?? ""}`,
      { method, agent, signal, headers: Object.fromEntries(endToEnd(headers)) },
      (answer) => {
        buffer(answer).then((answerBody) => {
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answerBody });
        }, reject);
      },
    )
      .on("error", reject)
      .end(body);
  });

const describeAccount = (answer: Answer, account: AccountDescription, port: number): Answer => {
  const region = { name: "Italy North", databaseAccountEndpoint: `http://127.0.0.1:${port}/` };
  const described: unknown = JSON.parse(answer.body.toString());
  const body = JSON.stringify({
    ...(typeof described === "object" ? described : {}),
    // The SDK ignores the regions of an account whose id is "localhost", which is the embedded server's.
    id: "account",
    writableLocations: [region],
    readableLocations: [region],
    ...account,
  });
  return { ...answer, body: Buffer.from(body) };
};

const retryAfter = ({
  status,
  retryAfterMs = status === 429 ? defaultThrottleMs : undefined,
}: {
  readonly status: number;
  readonly retryAfterMs?: number;
}): IncomingHttpHeaders =>
  retryAfterMs === undefined ? {} : { "x-ms-retry-after-ms": String(retryAfterMs) };

const failureAnswer = (status: number, headers: IncomingHttpHeaders = {}): Answer => ({
  status,
  // Every answer of Cosmos DB has an activity id.
  headers: { "content-type": "application/json", "x-ms-activity-id": randomUUID(), ...headers },
  body: Buffer.from(JSON.stringify({ code: String(status), message: `fault: ${status}` })),
});

const writeAnswer = (
  response: ServerResponse,
  { status, headers, body }: Answer,
  keepAlive: boolean,
): void => {
  response.statusCode = status;
  response.setHeaders(endToEnd(headers));
  // While the proxy refuses new connections, clients must not get in on an old one.
  response.shouldKeepAlive &&= keepAlive;
  response.end(body);
};

/** Sends the first half of an answer's body. An answer without a body is not sent at all. */
const writeHalf = async (response: ServerResponse, { status, headers, body }: Answer): Promise<void> => {
  if (body.length === 0) {
    return;
  }
  response.statusCode = status;
  response.setHeaders(endToEnd(headers));
  response.setHeader("content-length", body.length);
  await new Promise<void>((resolve) => {
    // When the client has disconnected, the callback of the write may never run.
    response.once("close", resolve);
    response.write(body.subarray(0, body.length / 2), () => {
      resolve();
    });
  });
};
