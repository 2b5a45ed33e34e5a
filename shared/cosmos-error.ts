/** The one place that reads an error of the SDK. */
import { ErrorResponse } from "@azure/cosmos";
import type { ServiceUnavailable } from "./failure";
import type { WriteOutcome } from "./store";

const defaultRetryAfterSeconds = 1;

/** `Items.batch` wraps what went wrong. */
const unwrap = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? error.cause : error;

/**
 * An HTTP status of the store, or the name of what kept it from answering (`ECONNRESET`, `TimeoutError`…), which
 * is a fixed word of the SDK's or the system's.
 */
const codeOf = (error: unknown): number | string => {
  if (typeof error !== "object" || error === null) {
    return typeof error;
  }
  if ("code" in error && (typeof error.code === "number" || typeof error.code === "string")) {
    return error.code;
  }
  return "name" in error && typeof error.name === "string" ? error.name : "error";
};

/** @param cause what the store answered, or why it did not; fixed words only. */
export const unavailable = (
  cause: string,
  retryAfterSeconds = defaultRetryAfterSeconds,
): ServiceUnavailable => ({
  tag: "service-unavailable",
  retryAfterSeconds,
  cause,
});

/** For a call whose failure changes nothing: a read. */
export const toUnavailable = (error: unknown): ServiceUnavailable => {
  const cause = unwrap(error);
  const retryAfterMs = cause instanceof ErrorResponse ? (cause.retryAfterInMs ?? 0) : 0;
  return unavailable(
    `store: ${codeOf(cause)}`,
    Math.max(defaultRetryAfterSeconds, Math.ceil(retryAfterMs / 1000)),
  );
};

/** The status of a conditional write, alone or as part of a batch. */
export const toWriteOutcome = (status: number | string): WriteOutcome => {
  switch (status) {
    case 200:
    case 201:
      return "written";
    // 404: what was to be replaced is gone. 409: what was to be created is there. 412: what was read has changed.
    case 404:
    case 409:
    case 412:
      return "conflict";
    // Whatever else was answered, or nothing: most of these were not applied, but none is certain not to be.
    default:
      return "unknown";
  }
};

export const errorToWriteOutcome = (error: unknown): WriteOutcome => toWriteOutcome(codeOf(unwrap(error)));
