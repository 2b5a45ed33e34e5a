/** The one place that reads an error of the SDK. */
import { ErrorResponse, type CosmosHeaders } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import type { ServiceUnavailable } from "../domain/failure";
import type { WriteOutcome } from "../domain/store";

const unwrap = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? error.cause : error;

/** An HTTP status, or why the store did not answer, in a fixed word of the SDK or the system (`ECONNRESET`). */
const codeOf = (error: unknown): number | string => {
  if (typeof error !== "object" || error === null) {
    return typeof error;
  }
  if ("code" in error && (typeof error.code === "number" || typeof error.code === "string")) {
    return error.code;
  }
  return "name" in error && typeof error.name === "string" ? error.name : "error";
};

/** The headers of the answer that made an SDK call reject. */
export const headersOf = (error: unknown): CosmosHeaders | undefined => {
  const origin = unwrap(error);
  return origin instanceof ErrorResponse ? origin.headers : undefined;
};

export interface StoreError {
  readonly cause: string;
  readonly status: number | string;
  readonly substatus?: number | undefined;
  /** 0 when the store does not say. */
  readonly retryAfterMs: number;
}

export const toStoreError = (error: unknown): StoreError => {
  const origin = unwrap(error);
  const status = codeOf(origin);
  const { substatus, retryAfterInMs = 0 }: Partial<ErrorResponse> =
    origin instanceof ErrorResponse ? origin : {};
  // NaN if the header is not a number.
  return {
    cause: `store: ${status}`,
    status,
    substatus,
    retryAfterMs: retryAfterInMs > 0 ? retryAfterInMs : 0,
  };
};

/** An answer that no documentation names: its outcome is unknown. */
export const unforeseen = (status: number | string): StoreError => {
  const code = `unforeseen answer (${status})`;
  return { cause: `store: ${code}`, status: code, retryAfterMs: 0 };
};

/** `ReadSessionNotAvailable` in the SDK's `common/statusCodes.ts`. */
const laggingReplica = 1002;

/** No answer, half an answer, 408, 449, 5xx, 410 while a partition moves, 404/1002; a 429 has been heeded already. */
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

const reasonsNotToSend = ["no token", "the account", "several write regions", "disposed of"] as const;

/** The code of a request that the store has not seen. */
export const notSent = (reason: (typeof reasonsNotToSend)[number], detail?: string): string =>
  detail === undefined ? reason : `${reason} (${detail})`;

export const wasNotSent = (status: unknown): boolean =>
  typeof status === "string" && reasonsNotToSend.some((reason) => status.startsWith(reason));

/** How a conditional write ended, alone or as part of a batch. */
export const toWriteOutcome = (error: StoreError): Either<ServiceUnavailable, WriteOutcome> => {
  const { status } = error;
  if (status === 429 || wasNotSent(status)) {
    // The write was not applied, and another one at once would not help.
    return E.left(toUnavailable(error));
  }
  // A substatus says that something other than the item is missing: the write may be applied elsewhere.
  if (status === 404 && (error.substatus ?? 0) !== 0) {
    return E.right("unknown");
  }
  switch (status) {
    // The item is gone (404), is there already (409), or has changed (412).
    case 404:
    case 409:
    case 412:
      return E.right("conflict");
    // Most of these were not applied, but none is certain.
    default:
      return E.right("unknown");
  }
};
