import * as E from "fp-ts/Either";
import type * as t from "io-ts";

/** The value of a right. Fails the test for a left. */
export const right = <A>(result: E.Either<unknown, A>): A => {
  if (E.isLeft(result)) {
    throw new Error(`expected a right, got ${JSON.stringify(result.left)}`);
  }
  return result.right;
};

export const decode = <A>(codec: t.Decoder<unknown, A>, input: unknown): A => right(codec.decode(input));
