/** From an HTTP request to a decoded input, and from a use case's result to an HTTP answer. */
import type { HttpFunctionOptions, HttpRequest, InvocationContext } from "@azure/functions";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type * as t from "io-ts";
import type { Failure } from "./failure";
import { toProblem } from "./problem";
import type { Answer } from "./problem";

/** A function as a value: what `app.http` registers, and what any other host can mount. */
export interface HttpFunction extends Required<
  Pick<HttpFunctionOptions, "route" | "methods" | "authLevel" | "handler">
> {
  readonly name: string;
}

/** The body of a 200, ready for JSON. */
export type Success = Readonly<Record<string, string | number>>;

const maxBodyBytes = 4096;

/** Makes a function whose every outcome, a defect included, is an answer of the contract. */
export const makeHttpFunction = (
  definition: Omit<HttpFunction, "handler">,
  run: (request: HttpRequest) => Promise<Either<Failure, Success>>,
): HttpFunction => ({
  ...definition,
  handler: async (request, context) => {
    const result = await run(request).catch((defect: unknown) => {
      context.error(describeDefect(defect));
      return E.left<Failure>({ tag: "internal-error" });
    });
    return withCommonHeaders(
      E.isRight(result) ? toAnswer(result.right) : toRefusal(result.left, request, context),
    );
  },
});

const toAnswer = (body: Success): Answer => ({
  status: 200,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

const toRefusal = (failure: Failure, request: HttpRequest, context: InvocationContext): Answer => {
  if (failure.tag === "service-unavailable") {
    context.warn(JSON.stringify({ problem: failure.tag, cause: failure.cause }));
  }
  return toProblem(failure, request.headers.get("accept-language"), context.invocationId);
};

// Answers carry codes and keys: no cache on the way may keep one.
const withCommonHeaders = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
});

/**
 * Where it broke, without the message: a message may quote the data that it stumbled over. The stack's first
 * lines repeat the message, so only its frames are kept.
 */
const describeDefect = (defect: unknown): string =>
  JSON.stringify({
    problem: "internal-error",
    cause: defect instanceof Error ? defect.name : typeof defect,
    stack: defect instanceof Error ? (defect.stack?.match(/^ {4}at .+$/gm) ?? []) : [],
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

/** Reads at most 4 KiB of JSON (RFC 8259), in UTF-8 with or without a byte order mark, whatever its declared type. */
export const decodeJsonBody = async <A>(
  codec: t.Decoder<unknown, A>,
  request: HttpRequest,
): Promise<Either<Failure, A>> => {
  if (Number(request.headers.get("content-length")) > maxBodyBytes) {
    return E.left({ tag: "request-too-large" });
  }
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > maxBodyBytes) {
    return E.left({ tag: "request-too-large" });
  }
  const json = E.tryCatch(
    (): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
    (): Failure => ({ tag: "invalid-request", fields: ["body"] }),
  );
  return E.isLeft(json) ? json : decodeFields(codec, json.right);
};
