/** Makes the calls of the contract, as any client does, and records each. */
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { ApiKeyBody, ApiKeysBody, OtpBody, ProblemBody, ValidationBody } from "../../shared/http/bodies";
import type { Language } from "./messages";

/** The keys with which a shop works, in the order of the list. */
export const shopKeyTypes = ["primary", "secondary"] as const;
export type ShopKeyType = (typeof shopKeyTypes)[number];

/** Each key that a merchant may have, in the order of the list. */
export const keyTypes = [...shopKeyTypes, "test"] as const;
export type KeyType = (typeof keyTypes)[number];

/** What a call does, in the story that the page tells. */
export type Operation = "generate" | "ask" | "use" | "list" | "regenerate" | "revoke";

/** The result of a call. `lost`: there was no readable answer, so nobody knows what the service did. */
export type Answer<A> =
  | { readonly tag: "answered"; readonly value: A }
  | { readonly tag: "refused"; readonly problem: ProblemBody; readonly language: Language }
  | { readonly tag: "lost" };

export interface Message {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** A call as it was sent. */
export interface Call {
  readonly operation: Operation;
  readonly at: Date;
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: string;
  readonly request: Message;
}

/** How a call ended. */
export interface Outcome {
  /** Undefined when there was no response. */
  readonly response: (Message & { readonly status: number }) | undefined;
  /** The response came, but the page withheld it from the caller. */
  readonly withheld: boolean;
  readonly durationMs: number;
}

/** A call that can be repeated: the same `Idempotency-Key` gets the same answer. */
export interface Repeatable {
  readonly idempotencyKey: string;
  /** Makes the call and waits for the answer, but withholds the answer from the caller. */
  readonly loseAnswer: boolean;
}

export interface Api {
  generate(beneficiary: string, merchantId: string, discountId: string): Promise<Answer<OtpBody>>;
  /** Asks about a code or, with `use`, uses it. */
  validate(apiKey: string | undefined, code: string, use?: Repeatable): Promise<Answer<ValidationBody>>;
  list(merchantId: string): Promise<Answer<ApiKeysBody>>;
  regenerate(merchantId: string, keyType: KeyType, press: Repeatable): Promise<Answer<ApiKeyBody>>;
  revoke(merchantId: string, keyType: KeyType): Promise<Answer<undefined>>;
}

export const isSuccess = (status: number): boolean => status === 200 || status === 204;

/** The response headers that matter to a caller. */
const telling = ["content-type", "content-language", "www-authenticate", "retry-after"];

const timeoutMs = 10_000;

interface Request<A> {
  readonly operation: Operation;
  readonly method?: Call["method"];
  readonly path: string;
  readonly codec: t.Decoder<unknown, A>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly isWithheld?: boolean;
}

/** @param record is called when a call starts. It returns a function, which is called when that call ends. */
export const makeApi = (
  language: () => Language,
  record: (call: Call) => (outcome: Outcome) => void,
): Api => {
  const call = async <A>({
    operation,
    method = "POST",
    path,
    codec,
    headers = {},
    body,
    isWithheld = false,
  }: Request<A>): Promise<Answer<A>> => {
    const spoken = language();
    const request: Message = {
      headers: Object.entries({
        "Accept-Language": spoken,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      }),
      body: body === undefined ? "" : JSON.stringify(body),
    };
    const sent: Call = { operation, at: new Date(), method, url: new URL(path, location.href).href, request };
    const end = record(sent);
    const start = performance.now();
    const response = await send(sent);
    end({ response, withheld: isWithheld, durationMs: performance.now() - start });
    return response === undefined || isWithheld ? { tag: "lost" } : read(response, codec, spoken);
  };

  const apiKeysPath = (merchantId: string): string => `/api/v1/cgn/merchants/${merchantId}/api-keys`;

  return {
    generate: (beneficiary, merchantId, discountId) =>
      call({
        operation: "generate",
        path: "/api/v1/cgn/otp",
        codec: OtpBody,
        body: { fiscal_code: beneficiary, merchant_id: merchantId, discount_id: discountId },
      }),

    // This page plays the shop's server. A real shop makes this call from its server, never from a browser: anyone who
    // can read the key can use the codes of the shop's customers.
    validate: (apiKey, code, use) =>
      call({
        operation: use === undefined ? "ask" : "use",
        path: "/api/v1/merchant/cgn/otp/validate",
        codec: ValidationBody,
        headers: {
          ...(apiKey === undefined ? {} : { "Ocp-Apim-Subscription-Key": apiKey }),
          ...(use === undefined ? {} : { "Idempotency-Key": use.idempotencyKey }),
        },
        body: { otp_code: code, invalidate_otp: use !== undefined },
        isWithheld: use?.loseAnswer ?? false,
      }),

    list: (merchantId) =>
      call({ operation: "list", method: "GET", path: apiKeysPath(merchantId), codec: ApiKeysBody }),

    regenerate: (merchantId, keyType, { idempotencyKey, loseAnswer }) =>
      call({
        operation: "regenerate",
        path: `${apiKeysPath(merchantId)}/${keyType}`,
        codec: ApiKeyBody,
        headers: { "Idempotency-Key": idempotencyKey },
        isWithheld: loseAnswer,
      }),

    revoke: (merchantId, keyType) =>
      call({
        operation: "revoke",
        method: "DELETE",
        path: `${apiKeysPath(merchantId)}/${keyType}`,
        codec: t.undefined,
      }),
  };
};

const send = async ({ method, url, request }: Call): Promise<Outcome["response"]> => {
  const { headers, body } = request;
  try {
    const response = await fetch(url, {
      method,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      ...(body === "" ? {} : { body }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return {
      status: response.status,
      headers: telling.flatMap((name) => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value] as const];
      }),
      body: await response.text(),
    };
  } catch {
    return undefined;
  }
};

const read = <A>(
  { status, body }: { readonly status: number; readonly body: string },
  codec: t.Decoder<unknown, A>,
  language: Language,
): Answer<A> => {
  const json = E.tryCatch((): unknown => (body === "" ? undefined : JSON.parse(body)), String);
  if (E.isLeft(json)) {
    return { tag: "lost" };
  }
  if (isSuccess(status)) {
    const value = codec.decode(json.right);
    return E.isRight(value) ? { tag: "answered", value: value.right } : { tag: "lost" };
  }
  const problem = ProblemBody.decode(json.right);
  return E.isRight(problem) ? { tag: "refused", problem: problem.right, language } : { tag: "lost" };
};
