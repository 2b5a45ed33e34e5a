import { ErrorResponse, RestError, TimeoutError } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import { isTransient, notSent, toStoreError, toUnavailable, toWriteOutcome, type StoreError } from "./error";

const responseError = (code: number | string, retryAfterInMs?: number): ErrorResponse =>
  Object.assign(
    new ErrorResponse("secret"),
    { code },
    retryAfterInMs === undefined ? {} : { retryAfterInMs },
  );

describe("what the SDK throws", () => {
  it.each([
    ["a status", responseError(412), 412],
    ["the code of a connection's end", new RestError("secret", { code: "ECONNRESET" }), "ECONNRESET"],
    ["a time-out", new TimeoutError("secret"), "TimeoutError"],
    ["what a batch wraps", new Error("secret", { cause: responseError(503) }), 503],
    [
      "an error with a code that is neither",
      Object.assign(new TypeError("secret"), { code: {} }),
      "TypeError",
    ],
    ["something that only looks like an error", { name: "secret-free" }, "secret-free"],
    ["something without a name", {}, "error"],
    ["a text", "secret", "string"],
    ["null", null, "object"],
  ])("is told by a fixed word: %s", (_, error, status) => {
    expect(toStoreError(error)).toEqual({ cause: `store: ${status}`, status, retryAfterMs: 0 });
  });

  it.each([
    [undefined, 1],
    [NaN, 1],
    [0, 1],
    [1001, 2],
  ])(
    "says when to come back, in whole seconds and not before one: after %s ms",
    (retryAfterInMs, seconds) => {
      expect(toUnavailable(toStoreError(responseError(429, retryAfterInMs))).retryAfterSeconds).toBe(seconds);
    },
  );

  it.each([
    [408, true],
    [449, true],
    [500, true],
    [503, true],
    ["ECONNRESET", true],
    [400, false],
    [404, false],
    [429, false],
    [499, false],
  ])("is or is not worth another read: %s", (status, expected) => {
    expect(isTransient({ cause: "", status, retryAfterMs: 0 })).toBe(expected);
  });

  it.each([
    [404, 1002, true],
    [404, 1003, false],
    [404, 0, false],
    [403, 1002, false],
  ])("is or is not worth another read, by its substatus: %s/%s", (code, substatus, expected) => {
    const error = Object.assign(new ErrorResponse("secret"), { code, substatus });
    expect(isTransient(toStoreError(error))).toBe(expected);
  });
});

describe("a conditional write", () => {
  const failed = (status: number | string, retryAfterMs = 0): StoreError => ({
    cause: `store: ${status}`,
    status,
    retryAfterMs,
  });

  it.each([
    [404, "conflict"],
    [409, "conflict"],
    [412, "conflict"],
    [500, "unknown"],
    [302, "unknown"],
    ["ECONNRESET", "unknown"],
  ])("with status %s is taken for %s", (status, outcome) => {
    expect(toWriteOutcome(failed(status))).toEqual(E.right(outcome));
  });

  it("that was answered 404 for no item is unknown", () => {
    expect(toWriteOutcome({ ...failed(404), substatus: 1002 })).toEqual(E.right("unknown"));
    expect(toWriteOutcome({ ...failed(404), substatus: 0 })).toEqual(E.right("conflict"));
  });

  it("that is throttled was not applied, and says when to come back", () => {
    const unavailable = { tag: "service-unavailable", cause: "store: 429" };
    expect(toWriteOutcome(failed(429, 31_001))).toEqual(E.left({ ...unavailable, retryAfterSeconds: 32 }));
    expect(toWriteOutcome(failed(429))).toEqual(E.left({ ...unavailable, retryAfterSeconds: 1 }));
  });

  it("that was not sent was not applied", () => {
    expect(toWriteOutcome(failed(notSent("no token", "500")))).toEqual(
      E.left({
        tag: "service-unavailable",
        cause: "store: no token (500)",
        retryAfterSeconds: 1,
      }),
    );
  });
});
