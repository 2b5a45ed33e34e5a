/** From an HTTP request to a decoded input, and from a use case's result to an HTTP answer. */
import type { HttpFunctionOptions, HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type * as t from "io-ts";
import { unsettled } from "../domain/failure";
import type { Failure, ServiceUnavailable } from "../domain/failure";
import type { MerchantId } from "../domain/identifiers";
import { makeLog } from "./log";
import type { Log } from "./log";
import { statusOf, toProblem } from "./problem";
import type { Answer } from "./problem";
import type { ConnectStore, Store, StoreCall } from "../domain/store";

/** A function as a value: what `app.http` registers, and what any other host can mount. */
export interface HttpFunction extends Required<
  Pick<HttpFunctionOptions, "route" | "methods" | "authLevel" | "handler">
> {
  readonly name: string;
}

/** What a 200 carries. */
export interface Success {
  readonly contentType: string;
  readonly body: string;
}

export const json = (body: Readonly<Record<string, string | number>>): Success => ({
  contentType: "application/json",
  body: JSON.stringify(body),
});

const maxBodyBytes = 4096;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What a function is given for one call. */
export interface Invocation {
  readonly store: Store;
  /** Ends at the deadline: nothing that comes after it can be answered. */
  readonly signal: AbortSignal;
  /** Has the log tell of a store call that is made past `store`. */
  readonly onStoreCall: (call: StoreCall) => void;
  /** Tells the log which merchant the call is about. */
  readonly setMerchantId: (merchantId: MerchantId) => void;
  /** Asks for a write to be undone if this call ends in a 503 or a 500, so that nobody is told of it. */
  readonly ifUnanswered: (undo: Undo) => void;
}

/** Has half a minute, after the answer, to leave things as if the call had never been made. */
export type Undo = (invocation: Pick<Invocation, "store" | "signal">) => Promise<void>;

const undoTimeMs = 30_000;

/** What every function stands on. */
export interface Runtime {
  readonly connectStore: ConnectStore;
  readonly deadlineMs: number;
}

/** What the host knows of a function before it is called. */
export type FunctionDefinition = Omit<HttpFunction, "handler">;

/** Makes a function whose every outcome, a defect included, is an answer of the contract, given in time. */
export const makeHttpFunction = (
  definition: FunctionDefinition,
  { connectStore, deadlineMs }: Runtime,
  run: (request: HttpRequest, invocation: Invocation) => Promise<Either<Failure, Success>>,
): HttpFunction =>
  makeAnsweringFunction(definition, async (request, log) => {
    const deadline = new AbortController();
    let undo: Undo | undefined;
    const invoke = async (): Promise<Either<Failure, Success>> =>
      run(request, {
        store: connectStore({ signal: deadline.signal, onCall: log.storeCall }),
        signal: deadline.signal,
        onStoreCall: log.storeCall,
        setMerchantId: log.setMerchantId,
        ifUnanswered: (task) => {
          undo = task;
        },
      });
    const running = invoke().catch((error: unknown) => {
      log.defect(error);
      return E.left<Failure>({ tag: "internal-error" });
    });
    const result = await beforeDeadline(running, deadline, deadlineMs);
    if (E.isLeft(result) && statusOf(result.left) >= 500) {
      // Not before the call has let go: what it still writes is undone too.
      running
        .then(() => {
          const signal = AbortSignal.timeout(undoTimeMs);
          return undo?.({ store: connectStore({ signal, onCall: () => undefined }), signal });
        })
        .catch(() => undefined);
    }
    return result;
  });

/** Makes a function that answers every call with one failure, whatever is asked. */
export const makeFailingFunction = (definition: FunctionDefinition, failure: Failure): HttpFunction =>
  makeAnsweringFunction(definition, () => Promise.resolve(E.left(failure)));

const makeAnsweringFunction = (
  definition: FunctionDefinition,
  run: (request: HttpRequest, log: Log) => Promise<Either<Failure, Success>>,
): HttpFunction => ({
  ...definition,
  handler: async (request, context) => {
    const log = makeLog(context);
    const result = await run(request, log);
    const answer = E.isRight(result)
      ? toAnswer(result.right)
      : toProblem(result.left, request.headers.get("accept-language"), context.invocationId);
    log.outcome(answer.status, E.isLeft(result) ? result.left : undefined);
    return withCommonHeaders(answer);
  },
});

/** What comes of something under way or, once its time is over and `deadline` is aborted, that it came to nothing. */
export const beforeDeadline = async <A, F extends Failure>(
  running: Promise<Either<F, A>>,
  deadline: AbortController,
  deadlineMs: number,
): Promise<Either<F | ServiceUnavailable, A>> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Either<ServiceUnavailable, A>>((resolve) => {
    timer = setTimeout(() => {
      deadline.abort();
      resolve(E.left(unsettled));
    }, deadlineMs);
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
};

const toAnswer = ({ contentType, body }: Success): Answer => ({
  status: 200,
  headers: { "Content-Type": contentType },
  body,
});

// Answers carry codes and keys: no cache on the way may keep one.
const withCommonHeaders = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
});

/** Decodes with a codec whose properties are the contract's names: those are all that a failure repeats. */
export const decodeFields = <A>(codec: t.Decoder<unknown, A>, input: unknown): Either<Failure, A> => {
  const decoded = codec.decode(input);
  if (E.isRight(decoded)) {
    return decoded;
  }
  // An error's context leads from the codec itself, whose key is empty, to the field.
  const fields = decoded.left.map(({ context }) => context[1]?.key ?? "body");
  return E.left({ tag: "invalid-request", fields: [...new Set(fields)] });
};

/** Reads no more of a body than it may have; undefined when it has more. */
const readBody = async (body: AsyncIterable<Uint8Array> | null): Promise<Buffer | undefined> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBodyBytes) {
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** Reads at most 4 KiB of JSON (RFC 8259), in UTF-8 with or without a byte order mark, whatever its declared type. */
export const decodeJsonBody = async <A>(
  codec: t.Decoder<unknown, A>,
  { body }: Pick<HttpRequest, "body">,
): Promise<Either<Failure, A>> => {
  const bytes = await readBody(body);
  if (bytes === undefined) {
    return E.left({ tag: "request-too-large" });
  }
  const json = E.tryCatch(
    (): unknown => JSON.parse(utf8.decode(bytes)),
    (): Failure => ({ tag: "invalid-request", fields: ["body"] }),
  );
  return E.isLeft(json) ? json : decodeFields(codec, json.right);
};
