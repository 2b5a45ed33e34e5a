/** Gives every function a deadline, a log, and an answer even after a defect. */
import type { HttpFunctionOptions, HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type { Failure } from "../domain/failure";
import type { Store, StoreCall, StoreForCall } from "../domain/store";
import { toAnswer, withCommonHeaders, type Success } from "./answer";
import { beforeDeadline } from "./deadline";
import { makeLog, traceIdOf, type ApiKeyChange, type CallSubject, type Log } from "./log";
import { toProblem, type Audience } from "./problem";

export type { HttpRequest };

/** A function as a value: what `app.http` registers, and what any other host can mount. */
export interface HttpFunction extends Required<
  Pick<HttpFunctionOptions, "route" | "methods" | "authLevel" | "handler">
> {
  readonly name: string;
}

export interface Invocation {
  readonly store: Store;
  /** Ends at the deadline: the call is answered then. */
  readonly signal: AbortSignal;
  readonly onStoreCall: (call: StoreCall) => void;
  readonly note: (subject: CallSubject) => void;
  /** Logs a change of a merchant's keys: once, by the call that made it, before its answer. */
  readonly onApiKeyChange: (change: ApiKeyChange) => void;
}

export interface Runtime {
  readonly storeForCall: StoreForCall;
  readonly deadlineMs: number;
}

export type Run = (request: HttpRequest, invocation: Invocation) => Promise<Either<Failure, Success>>;

/** What the host needs to know of a function, and who reads the function's problems. */
interface Signature extends Omit<HttpFunction, "handler"> {
  readonly audience: Audience;
}

/** A function, before the parts that it needs exist: the one value that its folder exports. */
export interface FunctionDefinition<Parts> extends Signature {
  readonly make: (parts: Parts) => Run;
}

/** Makes a function that answers in time, with an answer of the contract even after a defect. */
export const makeHttpFunction = <Parts>(
  definition: FunctionDefinition<Parts>,
  parts: Parts,
  { storeForCall, deadlineMs }: Runtime,
): HttpFunction => {
  const run = definition.make(parts);
  return makeAnsweringFunction(definition, async (request, log, deadline) => {
    const invoke = async (): Promise<Either<Failure, Success>> =>
      run(request, {
        store: storeForCall({ signal: deadline.signal, onCall: log.storeCall }),
        signal: deadline.signal,
        onStoreCall: log.storeCall,
        note: log.note,
        onApiKeyChange: log.apiKeyChange,
      });
    const running = invoke().catch((error: unknown) => {
      log.defect(error);
      return E.left<Failure>({ tag: "internal-error" });
    });
    return beforeDeadline(running, deadline, deadlineMs);
  });
};

/** Makes a function that answers every call with this failure. */
export const makeFailingFunction = (definition: Signature, failure: Failure): HttpFunction =>
  makeAnsweringFunction(definition, () => Promise.resolve(E.left(failure)));

const makeAnsweringFunction = (
  { name, route, methods, authLevel, audience }: Signature,
  run: (request: HttpRequest, log: Log, deadline: AbortController) => Promise<Either<Failure, Success>>,
): HttpFunction => ({
  name,
  route,
  methods,
  authLevel,
  handler: async (request, context) => {
    const log = makeLog(context, traceIdOf(request.headers.get("traceparent") ?? undefined));
    const deadline = new AbortController();
    const result = await run(request, log, deadline);
    const answer = E.isRight(result)
      ? toAnswer(result.right)
      : toProblem(result.left, {
          audience,
          acceptLanguage: request.headers.get("accept-language") ?? undefined,
          invocationId: context.invocationId,
        });
    log.outcome(answer.status, E.isLeft(result) ? result.left : undefined);
    // Ends reads that the answer did not wait for. With a reason, no exception has to be made.
    deadline.abort("answered");
    const { body, ...withoutBody } = withCommonHeaders(answer);
    // RFC 9110, section 9.3.2. The host itself would send a body.
    return request.method === "HEAD" || body === undefined ? withoutBody : { ...withoutBody, body };
  },
});
