/** The calls of the contract, as any client makes them, and what their answers mean. */
import * as E from "fp-ts/Either";
import type * as t from "io-ts";
import { ProblemBody } from "../../shared/http/bodies";
import { cardDiscount, merchantId } from "./shop";
import type { Call, Failure, Message, Purpose, State } from "./state";

/** Made up: nobody has this fiscal code. */
const beneficiary = "AAAAAA00A00A000A";
const keysPath = `/api/v1/cgn/merchants/${merchantId}/api-keys`;

type Sent = Pick<Call, "method" | "path" | "request">;

/** @param idempotencyKey is that of the cart, or of the press that regenerates a key. */
export const describeCall = (
  { language, shop }: State,
  purpose: Purpose,
  idempotencyKey: string | undefined,
): Sent => {
  const describe = (
    method: Call["method"],
    path: string,
    own: Readonly<Record<string, string | undefined>> = {},
    body?: unknown,
  ): Sent => {
    const type = body === undefined ? undefined : "application/json";
    const all = Object.entries({ "Accept-Language": language, "Content-Type": type, ...own });
    const headers = all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
    return { method, path, request: { headers, body: body === undefined ? "" : JSON.stringify(body) } };
  };
  switch (purpose.tag) {
    case "generate":
      return describe(
        "POST",
        "/api/v1/cgn/otp",
        {},
        { fiscal_code: beneficiary, merchant_id: merchantId, discount_id: cardDiscount.id },
      );
    // This page plays the shop's server. A real shop makes this call from its server, never from a browser: anyone who
    // can read the key can use the codes of the shop's customers.
    case "ask":
    case "use":
      return describe(
        "POST",
        "/api/v1/merchant/cgn/otp/validate",
        { "Ocp-Apim-Subscription-Key": shop.key, "Idempotency-Key": idempotencyKey },
        { otp_code: purpose.code, invalidate_otp: purpose.tag === "use" },
      );
    case "list":
      return describe("GET", keysPath);
    case "regenerate":
      return describe("POST", `${keysPath}/${purpose.keyType}`, { "Idempotency-Key": idempotencyKey });
    case "revoke":
      return describe("DELETE", `${keysPath}/${purpose.keyType}`);
  }
};

export const isSuccess = (status: number): boolean => status === 200 || status === 204;

export type Answer<A> = { readonly tag: "answered"; readonly value: A } | Failure;

/** What the caller knows of a call that ended. */
export const readAnswer = <A>(
  { outcome }: Call,
  codec: t.Decoder<unknown, A>,
  { language }: State,
): Answer<A> => {
  if (outcome.tag !== "answered") {
    return { tag: "lost" };
  }
  const { status, body } = outcome.response;
  const json = E.tryCatch((): unknown => (body === "" ? undefined : JSON.parse(body)), String);
  if (isSuccess(status)) {
    const value = E.isRight(json) ? codec.decode(json.right) : json;
    return E.isRight(value) ? { tag: "answered", value: value.right } : { tag: "lost" };
  }
  const problem = E.isRight(json) ? ProblemBody.decode(json.right) : json;
  return E.isRight(problem) ? { tag: "refused", problem: problem.right, language } : { tag: "lost" };
};

/** After such a failure nobody knows what the service did. */
export const isOutcomeUnknown = (failure: Failure): boolean =>
  failure.tag === "lost" || failure.problem.status >= 500;

export const isKeyRefused = (failure: Failure): boolean =>
  failure.tag === "refused" && failure.problem.status === 401;

/** A message as one reads it: headers, then the body with its JSON indented. */
export const print = (title: string, { headers, body }: Message): string => {
  const json = E.tryCatch(() => JSON.stringify(JSON.parse(body), null, 2), String);
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  return [title, ...lines, "", E.isRight(json) ? json.right : body].join("\n").trimEnd();
};
