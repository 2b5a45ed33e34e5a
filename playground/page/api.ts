/** Makes the calls of the contract, as any client does, and records each. */
import * as E from "fp-ts/Either";
import type * as t from "io-ts";
import { ApiKeyBody, OtpBody, ProblemBody, ValidationBody } from "../../shared/http/bodies";
import type { Language } from "./messages";

export type KeyType = "primary" | "secondary";

/** What a call does, in the story that the page tells. */
export type Operation = "generate" | "ask" | "use" | "regenerate" | "try-key";

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

export interface Use {
  readonly idempotencyKey: string;
  /** Makes the call and waits for the answer, but withholds the answer from the caller. */
  readonly loseAnswer: boolean;
}

export interface Api {
  generate(beneficiary: string, merchantId: string, discountId: string): Promise<Answer<OtpBody>>;
  /** Asks about a code or, with `use`, uses it. */
  validate(apiKey: string | undefined, code: string, use?: Use): Promise<Answer<ValidationBody>>;
  regenerate(merchantId: string, keyType: KeyType): Promise<Answer<ApiKeyBody>>;
  /** Asks about a made-up code. False when the service refuses the key; true when it accepts it or does not answer. */
  tryKey(apiKey: string): Promise<boolean>;
}

/** The response headers that matter to a caller. */
const telling = ["content-type", "content-language", "www-authenticate", "retry-after"];

const timeoutMs = 10_000;

/** No beneficiary has this code. The answer "not found" therefore shows that the service recognised the key. */
const madeUpCode = "00000000000";

/** @param record is called when a call starts. It returns a function, which is called when that call ends. */
export const makeApi = (
  language: () => Language,
  record: (call: Call) => (outcome: Outcome) => void,
): Api => {
  const post = async <A>(
    operation: Operation,
    path: string,
    codec: t.Decoder<unknown, A>,
    headers: Readonly<Record<string, string>>,
    body?: unknown,
    withheld = false,
  ): Promise<Answer<A>> => {
    const spoken = language();
    const request: Message = {
      headers: Object.entries({
        "Accept-Language": spoken,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      }),
      body: body === undefined ? "" : JSON.stringify(body),
    };
    const { href: url } = new URL(path, location.href);
    const end = record({ operation, at: new Date(), url, request });
    const start = performance.now();
    const response = await send(url, request);
    end({ response, withheld, durationMs: performance.now() - start });
    return response === undefined || withheld ? { tag: "lost" } : read(response, codec, spoken);
  };

  return {
    generate: (beneficiary, merchantId, discountId) =>
      post(
        "generate",
        `/api/v1/cgn/otp/${beneficiary}`,
        OtpBody,
        {},
        { merchant_id: merchantId, discount_id: discountId },
      ),

    // This page plays the shop's server. A real shop makes this call from its server, never from a browser: anyone who
    // can read the key can use the codes of the shop's customers.
    validate: (apiKey, code, use) =>
      post(
        use === undefined ? "ask" : "use",
        "/api/v1/merchant/cgn/otp/validate",
        ValidationBody,
        {
          ...(apiKey === undefined ? {} : { "Ocp-Apim-Subscription-Key": apiKey }),
          ...(use === undefined ? {} : { "Idempotency-Key": use.idempotencyKey }),
        },
        { otp_code: code, invalidate_otp: use !== undefined },
        use?.loseAnswer,
      ),

    regenerate: (merchantId, keyType) =>
      post("regenerate", `/api/v1/cgn/merchants/${merchantId}/api-keys/${keyType}`, ApiKeyBody, {}),

    tryKey: async (apiKey) => {
      const answer = await post(
        "try-key",
        "/api/v1/merchant/cgn/otp/validate",
        ValidationBody,
        { "Ocp-Apim-Subscription-Key": apiKey },
        { otp_code: madeUpCode, invalidate_otp: false },
      );
      return answer.tag !== "refused" || answer.problem.status !== 401;
    },
  };
};

const send = async (url: string, { headers, body }: Message): Promise<Outcome["response"]> => {
  try {
    const response = await fetch(url, {
      method: "POST",
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
  const json = E.tryCatch((): unknown => JSON.parse(body), String);
  if (E.isLeft(json)) {
    return { tag: "lost" };
  }
  if (status === 200) {
    const value = codec.decode(json.right);
    return E.isRight(value) ? { tag: "answered", value: value.right } : { tag: "lost" };
  }
  const problem = ProblemBody.decode(json.right);
  return E.isRight(problem) ? { tag: "refused", problem: problem.right, language } : { tag: "lost" };
};
