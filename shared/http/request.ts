/** From an HTTP request to a decoded input. */
import type { HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type * as t from "io-ts";
import type { Failure } from "../domain/failure";

const maxBodyBytes = 4096;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The codec's properties must be names of the contract: a failure repeats them, and nothing of the input. */
export const decodeFields = <A>(codec: t.Decoder<unknown, A>, input: unknown): Either<Failure, A> => {
  const decoded = codec.decode(input);
  if (E.isRight(decoded)) {
    return decoded;
  }
  // The first entry of an error's context is the codec itself, whose key is empty; the second is the field.
  const fields = decoded.left.map(({ context }) => context[1]?.key ?? "body");
  return E.left({ tag: "invalid-request", fields: [...new Set(fields)] });
};

/** Undefined if the body is too large: it stops reading then. */
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

/** Reads at most 4 KiB of JSON (RFC 8259), in UTF-8 with or without a byte order mark. Ignores `Content-Type`. */
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
