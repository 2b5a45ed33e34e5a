/** The calls of the contract, on any host that serves it. */
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import { checkExchange } from "./document";
import { decode } from "./either";
import { parseJson } from "../../shared/json";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: unknown;
}

/** Makes a request. */
export type Send = (url: string, init?: RequestInit) => Promise<Reply>;

export const send: Send = async (url, init) => {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parseJson(text) };
};

/** Makes a request, and checks it and its answer against the OpenAPI document. */
export const call: Send = async (url, init = {}) => {
  const reply = await send(url, init);
  checkExchange(url, init, reply);
  return reply;
};

export const fiscalCode = "AAAAAA00A00A000A";
export const merchantId = "shop-1";
export const discountId = "discount-1";
/** The input of GenerateOtp. */
export const discount = { merchant_id: merchantId, discount_id: discountId };

export interface Api {
  /** Makes any request, as the other members do theirs. */
  readonly call: Send;
  readonly baseUrl: string;
  generate(beneficiary?: string, body?: object, headers?: Record<string, string>): Promise<Reply>;
  /** The deprecated form of the same call. */
  generateByPath(beneficiary?: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  validate(apiKey: string, body: unknown, headers?: Record<string, string>): Promise<Reply>;
  regenerate(merchantId?: string, keyType?: string, idempotencyKey?: string): Promise<Reply>;
  list(merchantId?: string): Promise<Reply>;
  revoke(merchantId?: string, keyType?: string): Promise<Reply>;
  info(): Promise<Reply>;
  status(): Promise<Reply>;
  /** Returns a new code. It fails the test when there is none, because the test cannot go on. */
  newCode(beneficiary?: string, body?: object): Promise<string>;
  newApiKey(merchantId?: string, keyType?: string, idempotencyKey?: string): Promise<string>;
  ask(apiKey: string, code: string): Promise<Reply>;
  use(apiKey: string, code: string, idempotencyKey?: string): Promise<Reply>;
}

export const makeApi = (baseUrl: string, callWith: Send = call): Api => {
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    callWith(`${baseUrl}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const api: Api = {
    call: callWith,
    baseUrl,
    generate: (beneficiary = fiscalCode, body = discount, headers = {}) =>
      post("/api/v1/cgn/otp", { fiscal_code: beneficiary, ...body }, headers),
    generateByPath: (beneficiary = fiscalCode, body = discount, headers = {}) =>
      post(`/api/v1/cgn/otp/${beneficiary}`, body, headers),
    validate: (apiKey, body, headers = {}) =>
      post("/api/v1/merchant/cgn/otp/validate", body, { "Ocp-Apim-Subscription-Key": apiKey, ...headers }),
    regenerate: (merchant = merchantId, keyType = "primary", idempotencyKey) =>
      post(
        `/api/v1/cgn/merchants/${merchant}/api-keys/${keyType}`,
        undefined,
        idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey },
      ),
    list: (merchant = merchantId) => callWith(`${baseUrl}/api/v1/cgn/merchants/${merchant}/api-keys`),
    revoke: (merchant = merchantId, keyType = "primary") =>
      callWith(`${baseUrl}/api/v1/cgn/merchants/${merchant}/api-keys/${keyType}`, { method: "DELETE" }),
    info: () => callWith(`${baseUrl}/api/v1/info`),
    status: () => callWith(`${baseUrl}/api/v1/status`),
    newCode: async (...args) => decode(OtpBody, (await api.generate(...args)).json).code,
    newApiKey: async (...args) => decode(ApiKeyBody, (await api.regenerate(...args)).json).api_key,
    ask: (apiKey, code) => api.validate(apiKey, { otp_code: code, invalidate_otp: false }),
    use: (apiKey, code, idempotencyKey) =>
      api.validate(
        apiKey,
        { otp_code: code, invalidate_otp: true },
        idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey },
      ),
  };
  return api;
};
