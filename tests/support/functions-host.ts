/**
 * Runs an unpacked archive as the platform does: the local host takes the calls, and a process that stands in for the
 * Functions worker (`functions-worker.cjs`) answers them.
 */
import { fork, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import * as t from "io-ts";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import type { HttpFunction } from "../../shared/http/function";
import { makeApi, type Api } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import type { LogLine } from "../../tools/support/service";

const HttpTrigger = t.type({
  name: t.string,
  route: t.string,
  methods: t.array(t.keyof({ GET: null, HEAD: null, POST: null, DELETE: null })),
  authLevel: t.keyof({ anonymous: null, function: null }),
});

const IndexedFunctions = t.array(
  t.type({ functionId: t.string, name: t.string, bindings: t.array(t.type({ type: t.string })) }),
);

const Bytes = new t.Type<Uint8Array<ArrayBuffer>>(
  "Bytes",
  (input): input is Uint8Array<ArrayBuffer> => input instanceof Uint8Array,
  (input, context) =>
    input instanceof Uint8Array ? t.success(Uint8Array.from(input)) : t.failure(input, context),
  t.identity,
);

/** What gRPC would carry: texts, and bytes. */
const InvocationResponse = t.type({
  returnValue: t.type({
    http: t.type({
      statusCode: t.string,
      headers: t.record(t.string, t.string),
      body: t.type({ bytes: Bytes }),
    }),
  }),
});

const FromWorker = t.union([
  t.type({
    rpcLog: t.intersection([
      t.type({ level: t.string, category: t.string, message: t.string }),
      t.partial({ invocationId: t.string }),
    ]),
  }),
  t.intersection([t.type({ requestId: t.string }), t.partial({ response: t.unknown, exception: t.string })]),
]);

/** How long a worker that is asked to end may take (azure-functions-host, GrpcWorkerChannel.cs). */
const gracePeriodMs = 5000;

export interface FunctionsHost extends Api {
  readonly functions: readonly Omit<HttpFunction, "handler">[];
  readonly log: LogLine[];
  /** What the worker printed. */
  readonly printed: () => string;
  /** Rejects when the worker failed, or when anything was logged too late. */
  readonly stop: () => Promise<void>;
}

export interface FunctionsHostOptions {
  /** Where the archive is unpacked. */
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  /** A folder with nothing to load. The worker starts there without settings, and is then specialized for the real one. */
  readonly placeholder?: string | undefined;
}

/** The worker's process, and the messages to and from it. */
interface Worker {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;
  /** Rejects when the worker answers with an exception, or ends. */
  request(name: string, content: object): Promise<unknown>;
}

const startWorker = (
  folder: string,
  environment: Readonly<Record<string, string>>,
  onLog: (line: LogLine, invocationId: string | undefined) => void,
): Worker => {
  const child = fork(path.resolve("tests", "support", "functions-worker.cjs"), {
    cwd: folder,
    env: environment,
    execArgv: [],
    serialization: "advanced",
    silent: true,
  });
  const ended = once(child, "close");
  const waiting = new Map<string, { resolve: (response: unknown) => void; reject: (error: Error) => void }>();
  child.on("message", (received: unknown) => {
    const message = decode(FromWorker, received);
    if ("rpcLog" in message) {
      const { level, category, message: text, invocationId } = message.rpcLog;
      if (category === "user") {
        onLog({ level, text }, invocationId);
      }
      return;
    }
    const caller = waiting.get(message.requestId);
    waiting.delete(message.requestId);
    if (message.exception === undefined) {
      caller?.resolve(message.response);
    } else {
      caller?.reject(new Error(message.exception));
    }
  });
  void ended.then(() => {
    for (const { reject } of waiting.values()) {
      reject(new Error("the worker ended"));
    }
  });
  return {
    process: child,
    ended,
    request: (name, content) =>
      new Promise((resolve, reject) => {
        const requestId = randomUUID();
        waiting.set(requestId, { resolve, reject });
        child.send({ requestId, name, content }, (error) => {
          if (error !== null) {
            reject(error);
          }
        });
      }),
  };
};

export const startFunctionsHost = async (options: FunctionsHostOptions): Promise<FunctionsHost> => {
  const { folder, settings, placeholder } = options;
  const platform = { PATH: process.env["PATH"] ?? "", FUNCTIONS_WORKER_RUNTIME: "node" };
  const environment = { ...platform, ...settings };
  const log: LogLine[] = [];
  /** What the functions logged after their invocations. The platform loses it. */
  const lateLog: LogLine[] = [];
  const executing = new Set<string>();
  const worker = startWorker(
    placeholder ?? folder,
    placeholder === undefined ? environment : { ...platform, WEBSITE_PLACEHOLDER_MODE: "1" },
    (line, invocationId = "") => {
      // azure-functions-host, GrpcWorkerChannel.cs, Log: a line of an invocation that is over is ignored.
      (executing.has(invocationId) ? log : lateLog).push(line);
    },
  );
  let printed = "";
  for (const stream of [worker.process.stdout, worker.process.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
  }

  const indexFunctions = async (): Promise<t.TypeOf<typeof IndexedFunctions>> => {
    await worker.request("workerInitRequest", { functionAppDirectory: placeholder ?? folder });
    if (placeholder !== undefined) {
      await worker.request("functionEnvironmentReloadRequest", {
        environmentVariables: environment,
        functionAppDirectory: folder,
      });
    }
    const indexed = decode(IndexedFunctions, await worker.request("functionsMetadataRequest", {}));
    for (const { functionId } of indexed) {
      await worker.request("functionLoadRequest", { functionId });
    }
    return indexed;
  };
  // Without functions every call gets an empty 404, as on the platform. The worker has printed why.
  const indexed = await indexFunctions().catch(() => []);

  const functions = indexed.map(({ functionId, name, bindings }): HttpFunction => {
    const trigger = decode(
      HttpTrigger,
      bindings.find(({ type }) => type === "httpTrigger"),
    );
    const { route, methods, authLevel } = trigger;
    return {
      name,
      route,
      methods,
      authLevel,
      handler: async (request, { invocationId }) => {
        executing.add(invocationId);
        const http = {
          method: request.method,
          url: request.url,
          headers: Object.fromEntries(request.headers),
          params: request.params,
          body: { bytes: Buffer.from(await request.arrayBuffer()) },
        };
        const response = worker.request("invocationRequest", {
          functionId,
          invocationId,
          inputData: [{ name: trigger.name, data: { http } }],
          triggerMetadata: {},
        });
        const answer = decode(
          InvocationResponse,
          await response.finally(() => executing.delete(invocationId)),
        ).returnValue.http;
        const { bytes } = answer.body;
        // An answer that may have no body is not made with one of no bytes (WHATWG Fetch, "null body status").
        return {
          status: Number(answer.statusCode),
          headers: answer.headers,
          ...(bytes.length === 0 ? {} : { body: bytes }),
        };
      },
    };
  });
  const server = makeHost(functions, (level, ...args) =>
    log.push({ level, text: args.map(String).join(" ") }),
  );
  return {
    ...makeApi(`http://127.0.0.1:${await listen(server, 0)}`),
    functions,
    log,
    printed: () => printed,
    stop: async () => {
      await close(server);
      if (worker.process.connected) {
        worker.process.send({ name: "workerTerminate" });
      }
      const timer = setTimeout(() => worker.process.kill("SIGKILL"), gracePeriodMs);
      await worker.ended;
      clearTimeout(timer);
      expect({ exitCode: worker.process.exitCode, lateLog }).toEqual({ exitCode: 0, lateLog: [] });
    },
  };
};
