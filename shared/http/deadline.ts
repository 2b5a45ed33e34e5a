import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { deadlinePassed, type Failure, type ServiceUnavailable } from "../domain/failure";

/** The result of `running`. If `deadlineMs` pass before it, aborts `deadline` and returns `deadlinePassed` instead. */
export const beforeDeadline = async <A, F extends Failure>(
  running: Promise<Either<F, A>>,
  deadline: AbortController,
  deadlineMs: number,
): Promise<Either<F | ServiceUnavailable, A>> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Either<ServiceUnavailable, A>>((resolve) => {
    timer = setTimeout(() => {
      deadline.abort();
      resolve(E.left(deadlinePassed));
    }, deadlineMs);
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
};
