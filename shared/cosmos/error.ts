/** The one place that reads an error of the SDK. */
import { ErrorResponse } from "@azure/cosmos";
import type { CosmosHeaders } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type { ServiceUnavailable } from "../domain/failure";
import type { WriteOutcome } from "../domain/store";

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

/** The headers of the answer that an SDK call rejected with, if there was one. */
export const headersOf = (error: unknown): CosmosHeaders | undefined => {
  const origin = unwrap(error);
  return origin instanceof ErrorResponse ? origin.headers : undefined;
};

/** What an SDK call that rejected came to. */
export interface StoreError {
  /** For the log. */
  readonly cause: string;
  readonly status: number | string;
  /** What the store says beyond the status, in `x-ms-substatus`. */
  readonly substatus?: number | undefined;
  /** How long the store wants to be left alone; 0 when it does not say. */
  readonly retryAfterMs: number;
}

export const toStoreError = (error: unknown): StoreError => {
  const origin = unwrap(error);
  const status = codeOf(origin);
  const { substatus, retryAfterInMs = 0 }: Partial<ErrorResponse> =
    origin instanceof ErrorResponse ? origin : {};
  // Of a header that is no number it is NaN.
  return {
    cause: `store: ${status}`,
    status,
    substatus,
    retryAfterMs: retryAfterInMs > 0 ? retryAfterInMs : 0,
  };
};

/** `ReadSessionNotAvailable` in the SDK's `common/statusCodes.ts`: the replica that was asked lags behind. */
const laggingReplica = 1002;

/**
 * Whether a read that failed so is worth another attempt: all that passes (no answer, half an answer, 408, 449, 5xx, 410
 * while a partition moves, 404/1002 while a replica catches up), but no refusal that stays, and no 429, which has been
 * heeded already.
 */
export const isTransient = ({ status, substatus }: StoreError): boolean =>
  typeof status === "string" ||
  status >= 500 ||
  status === 408 ||
  status === 410 ||
  status === 449 ||
  (status === 404 && substatus === laggingReplica);

export const toUnavailable = ({ cause, retryAfterMs }: StoreError): ServiceUnavailable => ({
  tag: "service-unavailable",
  retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
  cause,
});

/** The code under which a write is not sent at all: where it would have to go, another instance may not be writing. */
export const severalWriteRegions = "several write regions";

const noToken = "no token";

/** The code under which a request is not sent because there is no token to send it with. */
export const withoutToken = (reason: string): string => `${noToken} (${reason})`;

const isWithoutToken = (status: number | string): boolean =>
  typeof status === "string" && status.startsWith(noToken);

/** What a conditional write came to, alone or as part of a batch. */
export const toWriteOutcome = (
  status: number | string,
  retryAfterMs = 0,
): Either<ServiceUnavailable, WriteOutcome> => {
  if (isWithoutToken(status)) {
    return E.left(toUnavailable({ cause: `store: ${status}`, status, retryAfterMs }));
  }
  switch (status) {
    case 200:
    case 201:
      return E.right("written");
    // 404: what was to be replaced is gone. 409: what was to be created is there. 412: what was read has changed.
    case 404:
    case 409:
    case 412:
      return E.right("conflict");
    // Neither was applied, and to write again at once would not help.
    case 429:
    case severalWriteRegions:
      return E.left(toUnavailable({ cause: `store: ${status}`, status, retryAfterMs }));
    // Whatever else was answered, or nothing: most of these were not applied, but none is certain not to be.
    default:
      return E.right("unknown");
  }
};
