/** The calls of the contract, many at once, with the time that each took from when it was due. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { ProblemBody } from "../../shared/http/bodies";
import { problemNames, problemTypeBase } from "../../shared/http/problem";
import { makeApi, send, type Api, type Reply } from "../support/api";
import { withFunctionKey } from "../support/origin";

/** The service itself answers within its deadline of 5 s. */
const patienceMs = 10_000;

export interface Failure {
  /** A problem of the contract, an error code of Node.js, or fixed words: nothing that a server chose. */
  readonly name: string;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  /** 0 when the answer does not say. */
  readonly retryAfterSeconds: number;
}

export interface Exchange<A> {
  readonly dueMs: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  /** Whether it waited until fewer calls were under way. */
  readonly hasWaited: boolean;
  readonly reply: Reply | undefined;
  readonly outcome: Either<Failure, A>;
}

export interface Client {
  /** @param codec of the body of a success. */
  call<A>(
    dueMs: number,
    codec: t.Decoder<unknown, A>,
    make: (api: Api) => Promise<Reply>,
  ): Promise<Exchange<A>>;
  /** Calls that are under way, and calls that wait because too many are. */
  readonly load: () => { readonly underWay: number; readonly waiting: number };
  /** Ends all that is under way or waiting, as failures. Later calls fail too. */
  close(): void;
}

const toOutcome = <A>({ status, headers, json }: Reply, codec: t.Decoder<unknown, A>): Either<Failure, A> => {
  if (status === 200 || status === 204) {
    return E.mapLeft(() => ({ name: "malformed answer", status, retryAfterSeconds: 0 }))(codec.decode(json));
  }
  const type = ProblemBody.is(json) ? json.type : undefined;
  const retryAfter = headers.get("retry-after") ?? "";
  return E.left({
    name: problemNames.find((each) => type === problemTypeBase + each) ?? "no problem of the contract",
    status,
    retryAfterSeconds: /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : 0,
  });
};

/** Node.js names what went wrong on a connection by a code in capital letters. */
const ConnectionError = t.type({ cause: t.type({ code: t.string }) });

const nameOf = (error: unknown): string => {
  if (t.type({ name: t.literal("TimeoutError") }).is(error)) {
    return `no answer in ${patienceMs / 1000} s`;
  }
  return ConnectionError.is(error) && /^[A-Z][A-Z_\d]*$/.test(error.cause.code)
    ? error.cause.code
    : "connection failed";
};

export interface ClientOptions {
  readonly origin: string;
  /** The function key of a deployed service. */
  readonly functionKey: string | undefined;
  readonly concurrency: number;
}

export const makeClient = ({ origin, functionKey, concurrency }: ClientOptions): Client => {
  const closing = new AbortController();
  const sendInTime: typeof send = (url, init) =>
    send(url, { ...init, signal: AbortSignal.any([closing.signal, AbortSignal.timeout(patienceMs)]) });
  const api = makeApi(origin, withFunctionKey(functionKey, sendInTime));
  let underWay = 0;
  const waiting: (() => void)[] = [];
  return {
    call: async (dueMs, codec, make) => {
      const hasWaited = underWay >= concurrency;
      if (hasWaited) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      } else {
        underWay += 1;
      }
      const sentMs = performance.now();
      const reply = await make(api).then(E.right, (error: unknown) => {
        const name = closing.signal.aborted ? "ended by this run" : nameOf(error);
        return E.left({ name, status: undefined, retryAfterSeconds: 0 });
      });
      const answeredMs = performance.now();
      const next = waiting.shift();
      if (next === undefined) {
        underWay -= 1;
      } else {
        next();
      }
      return {
        ...{ dueMs, sentMs, answeredMs, hasWaited },
        reply: E.isRight(reply) ? reply.right : undefined,
        outcome: E.isRight(reply) ? toOutcome(reply.right, codec) : reply,
      };
    },
    load: () => ({ underWay, waiting: waiting.length }),
    close: () => {
      closing.abort();
    },
  };
};
