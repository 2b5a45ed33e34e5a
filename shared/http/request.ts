/** From an HTTP request to a decoded input. */
import type { HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type * as t from "io-ts";
import type { BodyFault, Failure } from "../domain/failure";

const maxBodyBytes = 4096;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The codec's properties must be names of the contract: a failure repeats them, and nothing of the input. */
export const decodeFields = <A>(codec: t.Decoder<unknown, A>, input: unknown): Either<Failure, A> => {
  const decoded = codec.decode(input);
  if (E.isRight(decoded)) {
    return decoded;
  }
  // The first entry of an error's context is the codec itself, whose key is empty; the second is the field.
  const fields = decoded.left.flatMap(({ context }) => context[1]?.key ?? []);
  return E.left(
    fields.length === 0 ? badBody("not-an-object") : { tag: "invalid-request", fields: [...new Set(fields)] },
  );
};

const badBody = (bodyFault: BodyFault): Failure => ({ tag: "invalid-request", fields: ["body"], bodyFault });

/** Undefined if the request has no such header, or an empty one: generated clients send one where they have no value. */
export const headerOf = ({ headers }: Pick<HttpRequest, "headers">, name: string): string | undefined => {
  const value = headers.get(name);
  return value === null || value === "" ? undefined : value;
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
    () => badBody(bodyFaultOf(bytes)),
  );
  return E.isLeft(json) ? json : decodeFields(codec, json.right);
};

/** Judges by its first bytes what a body is that is not JSON in UTF-8. */
const bodyFaultOf = (bytes: Buffer): BodyFault => {
  const [first, second] = bytes;
  if (first === undefined) {
    return "empty";
  }
  // RFC 1952, section 2.3.1.
  if (first === 0x1f && second === 0x8b) {
    return "gzip";
  }
  // A byte order mark, or the zeros of RFC 4627, section 3: JSON begins with two ASCII characters.
  if (/^(fffe|feff)$/.test(bytes.toString("hex", 0, 2)) || (first === 0) !== (second === 0)) {
    return "utf-16";
  }
  const text = E.tryCatch(
    () => utf8.decode(bytes),
    (): BodyFault => "not-utf-8",
  );
  if (E.isLeft(text)) {
    return text.left;
  }
  if (text.right.startsWith("--")) {
    return "multipart";
  }
  return /^[\w.%+[\]-]+=/.test(text.right) ? "form" : "not-json";
};
