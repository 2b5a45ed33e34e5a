/** The calls of the contract, many at once, with the time that each took from when it was due. */
import * as http from "node:http";
import * as https from "node:https";
import * as t from "io-ts";
import * as E from "fp-ts/Either";
import { ApiKeyBody, OtpBody, ProblemBody, ValidationBody } from "../../shared/http/bodies";
import { problemNames, problemTypeBase } from "../../shared/http/problem";
import { parseJson } from "../../shared/json";

/** The service itself answers within its deadline of 5 s. */
const patienceMs = 10_000;
/** An answer of the contract has less than 2 KB. */
const maxBodyBytes = 65_536;

export interface Timing {
  readonly dueMs: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  /** Whether it waited until fewer calls were under way. */
  readonly hasWaited: boolean;
}

/** What came back, in the words of the contract. */
export type Outcome<A> = { readonly kind: "success"; readonly body: A } | Failure;

export interface Failure {
  readonly kind: "failure";
  /** A problem of the contract, an error code of Node.js, or fixed words: nothing that a server chose. */
  readonly name: string;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly instance: string | undefined;
}

export interface Exchange<A> extends Timing {
  readonly outcome: Outcome<A>;
}

export interface Client {
  generate(dueMs: number, call: GenerateCall): Promise<Exchange<OtpBody>>;
  validate(dueMs: number, call: ValidateCall): Promise<Exchange<ValidationBody>>;
  regenerate(merchantId: string): Promise<Exchange<ApiKeyBody>>;
  revoke(merchantId: string): Promise<Exchange<unknown>>;
  info(): Promise<Exchange<unknown>>;
  /** Calls that are under way, and calls that wait because too many are. */
  readonly load: () => { readonly underWay: number; readonly waiting: number };
  /** Ends all that is under way or waiting, as failures. Later calls fail too. */
  close(): void;
}

export interface GenerateCall {
  readonly beneficiary: string;
  readonly merchantId: string;
  readonly discountId: string;
}

export interface ValidateCall {
  readonly apiKey: string;
  readonly code: string;
  readonly isUse: boolean;
  readonly idempotencyKey?: string | undefined;
}

interface Request<A> {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly status: 200 | 204;
  readonly codec: t.Decoder<unknown, A>;
}

interface Raw {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

const makeFailure = (name: string, status?: number): Failure => ({
  kind: "failure",
  name,
  status,
  retryAfterSeconds: undefined,
  instance: undefined,
});

const toOutcome = <A>({ status, retryAfter, text }: Raw, request: Request<A>): Outcome<A> => {
  const json = parseJson(text);
  if (status === request.status) {
    const body = request.codec.decode(json);
    return E.isRight(body) ? { kind: "success", body: body.right } : makeFailure("malformed answer", status);
  }
  const problem = ProblemBody.decode(json);
  const name = E.isRight(problem)
    ? problemNames.find((each) => problem.right.type === problemTypeBase + each)
    : undefined;
  const instance = E.isRight(problem) ? problem.right.instance : undefined;
  return {
    kind: "failure",
    name: name ?? "no problem of the contract",
    status,
    retryAfterSeconds: /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined,
    // What a server sends is not printed unless it is a UUID, which cannot be a code.
    instance: /^urn:uuid:[\da-f-]{36}$/.test(instance ?? "") ? instance : undefined,
  };
};

/** Node.js names what went wrong on a connection by a code in capital letters. */
const nameOf = (error: unknown): string =>
  error instanceof Error && "code" in error && /^[A-Z][A-Z_\d]*$/.test(String(error.code))
    ? String(error.code)
    : "connection failed";

export interface ClientOptions {
  readonly origin: string;
  /** The function key of a deployed service. */
  readonly functionKey: string | undefined;
  readonly concurrency: number;
}

export const makeClient = ({ origin, functionKey, concurrency }: ClientOptions): Client => {
  const isSecure = origin.startsWith("https:");
  const agent = isSecure
    ? new https.Agent({ keepAlive: true, maxSockets: concurrency })
    : new http.Agent({ keepAlive: true, maxSockets: concurrency });
  const open = isSecure ? https.request : http.request;
  const functionHeaders: Readonly<Record<string, string>> =
    functionKey === undefined ? {} : { "x-functions-key": functionKey };
  const underWay = new Set<http.ClientRequest>();
  let places = concurrency;
  // Taking from the front of a long array is slow, so the front is an index.
  let waiting: (() => void)[] = [];
  let firstWaiting = 0;
  let isClosed = false;

  const exchange = (request: Request<unknown>): Promise<Raw | { readonly failure: string }> =>
    new Promise((resolve) => {
      const body = request.body === undefined ? undefined : JSON.stringify(request.body);
      const outgoing = open(origin + request.path, {
        agent,
        method: request.method,
        headers: {
          ...request.headers,
          ...(body === undefined
            ? { "content-length": 0 }
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        },
      });
      underWay.add(outgoing);
      let why: string | undefined;
      const end = (result: Raw | { readonly failure: string }): void => {
        clearTimeout(timer);
        underWay.delete(outgoing);
        resolve(result);
      };
      const timer = setTimeout(() => {
        why = `no answer in ${patienceMs / 1000} s`;
        outgoing.destroy();
      }, patienceMs);
      outgoing.on("error", (error) => {
        end({ failure: why ?? (isClosed ? "ended by this run" : nameOf(error)) });
      });
      outgoing.on("response", (incoming) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        incoming.on("data", (part: Buffer) => {
          bytes += part.length;
          if (bytes > maxBodyBytes) {
            why = "answer too large";
            outgoing.destroy();
          } else {
            parts.push(part);
          }
        });
        incoming.on("end", () => {
          end({
            status: incoming.statusCode ?? 0,
            retryAfter: incoming.headers["retry-after"],
            text: Buffer.concat(parts).toString(),
          });
        });
        incoming.on("error", (error) => {
          end({ failure: why ?? (isClosed ? "ended by this run" : nameOf(error)) });
        });
      });
      outgoing.end(body);
    });

  /** @returns whether there was none to take at once. */
  const take = async (): Promise<boolean> => {
    if (places > 0) {
      places -= 1;
      return false;
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
    return true;
  };
  const give = (): void => {
    const next = waiting[firstWaiting];
    if (next === undefined) {
      places += 1;
      waiting = [];
      firstWaiting = 0;
    } else {
      firstWaiting += 1;
      next();
    }
  };

  const send = async <A>(dueMs: number, request: Request<A>): Promise<Exchange<A>> => {
    const hasWaited = await take();
    const sentMs = performance.now();
    const raw = isClosed ? { failure: "ended by this run" } : await exchange(request);
    const answeredMs = performance.now();
    give();
    const outcome = "failure" in raw ? makeFailure(raw.failure) : toOutcome(raw, request);
    return { dueMs, sentMs, answeredMs, hasWaited, outcome };
  };

  const keyPath = (merchantId: string): string => `/api/v1/cgn/merchants/${merchantId}/api-keys/primary`;
  return {
    generate: (dueMs, { beneficiary, merchantId, discountId }) =>
      send(dueMs, {
        method: "POST",
        path: `/api/v1/cgn/otp/${beneficiary}`,
        headers: functionHeaders,
        body: { merchant_id: merchantId, discount_id: discountId },
        status: 200,
        codec: OtpBody,
      }),
    validate: (dueMs, { apiKey, code, isUse, idempotencyKey }) =>
      send(dueMs, {
        method: "POST",
        path: "/api/v1/merchant/cgn/otp/validate",
        headers: {
          "ocp-apim-subscription-key": apiKey,
          ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        },
        body: { otp_code: code, invalidate_otp: isUse },
        status: 200,
        codec: ValidationBody,
      }),
    regenerate: (merchantId) =>
      send(performance.now(), {
        method: "POST",
        path: keyPath(merchantId),
        headers: functionHeaders,
        status: 200,
        codec: ApiKeyBody,
      }),
    revoke: (merchantId) =>
      send(performance.now(), {
        method: "DELETE",
        path: keyPath(merchantId),
        headers: functionHeaders,
        status: 204,
        codec: t.unknown,
      }),
    info: () =>
      send(performance.now(), { method: "GET", path: "/api/v1/info", status: 200, codec: t.unknown }),
    load: () => ({ underWay: underWay.size, waiting: waiting.length - firstWaiting }),
    close: () => {
      isClosed = true;
      for (const outgoing of underWay) {
        outgoing.destroy();
      }
      agent.destroy();
    },
  };
};
