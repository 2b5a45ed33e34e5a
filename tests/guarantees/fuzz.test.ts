/**
 * Sends generated requests through the local host. Every answer must be one of the contract and must not repeat the
 * request, and the use of memory must not grow. All requests derive from a seed.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request as openRequest, type IncomingMessage } from "node:http";
import { text as readText } from "node:stream/consumers";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { ApiKeyBody, OtpBody, ProblemBody } from "../../shared/http/bodies";
import { parseJson } from "../../shared/json";
import { makeClock } from "../../tools/support/clock";
import { describedAnswers, faultsIn, nameAnswer, nameOf, operations } from "../../tools/support/document";
import { startProgram } from "../../tools/support/processes";
import { startInstance, type Instance } from "../../tools/support/service";

/** `npm run test:fuzz` sends fifty times as many, from another seed each time. */
const requests = Number(process.env["FUZZ_REQUESTS"] ?? 2000);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

const concurrency = 16;
const maxHeapGrowthMb = 10;
/** How many codes and keys to keep: enough that some of them are no longer valid. */
const remembered = 100;

const noRoute = "no route 404";
const noRequest = "no request 400";

/** The answers of each operation while the store works, which openapi.yaml describes, and the platform's without a body. */
const answers = [
  ...describedAnswers
    .filter(({ operation, status }) => operation.id !== "OpenApi" && status < "500")
    .flatMap(({ operation: { id }, status, problems }) =>
      problems.length === 0
        ? [nameAnswer(id, status)]
        : problems.map((problem) => nameAnswer(id, status, problem)),
    ),
  noRoute,
  noRequest,
];
/** The platform takes any case, and a slash at the end. */
const routes = operations.map((operation) => ({
  operation,
  route: new RegExp(`${operation.pattern.source.slice(0, -1)}/?$`, "i"),
}));

/** A request with placeholders for the marker and for what the service issued. */
interface Template {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly encoding: "utf8" | "latin1" | "utf16le";
}
const empty: Template = { method: "", target: "", headers: [], body: "", encoding: "utf8" };

const weighted = <T>(...choices: readonly (readonly [number, fc.Arbitrary<T>])[]): fc.Arbitrary<T> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));

/** In every hostile string this stands for the marker of the request. With a `_`, neither is a valid identifier. */
const marker = "fuzz_marker";
const key = weighted([20, fc.constant(0)], [1, fc.nat(3)]).map((age) => `fuzz_key_${age}`);
const code = fc.nat(remembered - 1).map((age) => `fuzz_code_${age}`);
const shop = weighted([9, fc.constant("shop-1")], [1, fc.constant("shop-2")]);

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
/** fast-check's own unit of this kind takes seconds to build a table of all of Unicode. */
const anyCharacter = fc.oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }));
const nasty = fc.oneof(
  fc.string({ unit: anyCharacter.map((point) => String.fromCodePoint(point)), maxLength: 12 }),
  fc.constantFrom("", `'"><script>`, "' OR 1=1 --", "${jndi:ldap://x}", "\r\nX-A: b\r\n\r\n", "\0", "%00"),
);
const hostile = fc
  .tuple(nasty, nasty, fc.constantFrom(1, 1, 1, 1, 50))
  .map(([before, after, times]) => (before + marker + after).repeat(times));

const segment = fc.oneof(
  hostile.map((text) => encodeURIComponent(text).slice(0, 3000)),
  fc.constantFrom("", "..", "%", "%ZZ", "%2f", "%2e%2e", "%C0%AF", "%00", `%ff${marker}`, `${marker}%0a`),
  fc.constantFrom(marker, "aaaaaa00a00a000a", "PRIMARY", "__proto__", "|{}^`", "<>", ":", "@"),
);

/** The replacements to make in a path or a body. */
type Edit = readonly [RegExp, string];
const targetEdit = fc.oneof(
  segment.map((other): Edit => [/[^/]+$/, other]),
  segment.map((other): Edit => [/[^/]+(?=\/api-keys)/, other]),
  fc.constantFrom<Edit>([/$/, "/"], [/$/, `/${marker}`], [/$/, `?code=${marker}&%`], [/$/, `#${marker}`]),
  fc.constantFrom<Edit>([/api/, "API"], [/.$/, ""]),
);

const headerName = fc.oneof(
  fc.constantFrom("Ocp-Apim-Subscription-Key", "Idempotency-Key", "Accept-Language", "Content-Type"),
  fc.constantFrom("Authorization", "Content-Encoding", "Cookie", "Forwarded", "Range", "traceparent", marker),
  fc.constantFrom("X-HTTP-Method-Override", "X-MS-Client-Principal", "X-Original-URL", "__proto__"),
);
const headerValue = fc.oneof(
  // These values reach the service, in UTF-8. `hostile-requests.ts` has those that do not reach it.
  hostile.map((text) =>
    Buffer.from(text.replaceAll(/[^\x20-\x7e\x80-\xff]/g, "\t").slice(0, 2000)).toString("latin1"),
  ),
  fc.constantFrom("", "en", "en-GB,en;q=0.9,it;q=0.8", "*;q=0", `${marker};q=9,,;q=x`, "x".repeat(256)),
  fc.constantFrom("fuzz_key_0", `cgn_${marker}_${"0".repeat(72)}`, "cart-1", "ci\xc3\xb2", "gzip", "PUT"),
);
const headers = fc.array(fc.tuple(headerName, headerValue), { minLength: 1, maxLength: 4 });

const toJson = (value: unknown): string => JSON.stringify(value);
const field = fc.oneof(code, shop, fc.boolean(), hostile, fc.jsonValue());
const fields = { otp_code: field, invalidate_otp: field, merchant_id: field, discount_id: field };
const body = fc.oneof(
  fc.record(fields, { requiredKeys: [] }).map(toJson),
  fc.object({ key: hostile, values: [hostile, fc.double()] }).map(toJson),
  fc.json(),
  hostile,
  anyBytes,
  fc.constantFrom("", "null", "1e400", "[".repeat(2000) + "]".repeat(2000), '{"a":['.repeat(650), "\ufeff"),
  fc.constantFrom(`{"otp_code":"\\ud800${marker}"}`, `{"__proto__":{"otp_code":"${marker}"}}`, `"${marker}`),
);
const bodyEdit = fc.oneof(
  fc.constantFrom<Edit>([/.$/, ""], [/$/, marker], [/^/, "\ufeff"], [/^.*$/, "[$&]"]),
  // Up to 4 KiB, in the shop's usual call, and more.
  fc.constantFrom(4050, 4051, 100_000).map((length): Edit => [/$/, " ".repeat(length)]),
);

// There are few beneficiaries, so that some have a live OTP.
const beneficiary = fc.integer({ min: 10, max: 39 }).map((n) => `AAAAAA00A00A0${n}A`);
const offer = { merchant_id: shop, discount_id: fc.constantFrom("offer-1", "offer-2") };
const generate = fc.oneof(
  fc.record({
    target: fc.constant("/api/v1/cgn/otp"),
    body: fc.record({ fiscal_code: beneficiary, ...offer }).map(toJson),
  }),
  fc.record({
    target: beneficiary.map((each) => `/api/v1/cgn/otp/${each}`),
    body: fc.record(offer).map(toJson),
  }),
);
const validate = fc.record({
  target: fc.constant("/api/v1/merchant/cgn/otp/validate"),
  headers: fc.tuple(key, fc.constantFrom("cart-1", "cart-2")).map(([apiKey, cart]): Template["headers"] => [
    ["Ocp-Apim-Subscription-Key", apiKey],
    ["Idempotency-Key", cart],
  ]),
  body: fc
    .record({ otp_code: weighted([9, code], [1, hostile]), invalidate_otp: fc.constantFrom(true, false) })
    .map(toJson),
});
const regenerate = fc.record({
  target: fc
    .tuple(shop, fc.constantFrom("primary", "secondary", "test"))
    .map(([merchant, keyType]) => `/api/v1/cgn/merchants/${merchant}/api-keys/${keyType}`),
});
const list = fc.record({
  method: fc.constant("GET"),
  target: weighted([9, shop], [1, fc.constant(marker)]).map(
    (merchant) => `/api/v1/cgn/merchants/${merchant}/api-keys`,
  ),
});
// Seldom of the shop that the other calls are for: its keys are to work as a rule.
const revoke = fc.record({
  method: fc.constant("DELETE"),
  target: weighted([1, shop], [9, fc.constant("shop-3")]).map(
    (merchant) => `/api/v1/cgn/merchants/${merchant}/api-keys/secondary`,
  ),
});
const info = fc.record({
  method: fc.constant("GET"),
  target: fc.constantFrom("/api/v1/info", "/api/v1/status"),
});

const validCall = weighted<Partial<Template>>(
  [6, generate],
  [10, validate],
  [2, regenerate],
  [1, list],
  [1, revoke],
  [1, info],
).map((call): Template => ({ ...empty, method: "POST", ...call }));

const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "QUERY");
const encoding = fc.constantFrom("utf8", "latin1", "utf16le");
const chunked = fc.constant([["Transfer-Encoding", "chunked"] as const]);

const change = weighted<(call: Template) => Partial<Template>>(
  [8, fc.constant(() => ({}))],
  [3, fc.oneof(headers, headers, chunked).map((more) => (call) => ({ headers: [...call.headers, ...more] }))],
  [3, fc.record({ body, encoding }).map((other) => () => other)],
  [2, bodyEdit.map((edit) => (call) => ({ body: call.body.replace(...edit) }))],
  [4, targetEdit.map((edit) => (call) => ({ target: call.target.replace(...edit) }))],
  [1, fc.record({ method, headers, body, encoding }).map((other) => () => other)],
);

const template = fc
  .tuple(validCall, change)
  .map(([call, changed]): Template => ({ ...call, ...changed(call) }));

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

// `fetch` refuses to send most of these requests.
const sendRequest = async (request: Template, port: number): Promise<Reply> => {
  const outgoing = openRequest({ host: "127.0.0.1", port, method: request.method, path: request.target });
  const content = Buffer.from(request.body, request.encoding);
  for (const [name, value] of request.headers) {
    outgoing.appendHeader(name, value);
  }
  if (!outgoing.hasHeader("Transfer-Encoding")) {
    outgoing.setHeader("Content-Length", content.length);
  }
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve).on("error", reject).end(content);
  });
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, text: await readText(incoming) };
};

/** @returns which of the contract's answers it is. */
const classify = ({ method: sent, target }: Template, { status, headers: received, text }: Reply): string => {
  const pathname = URL.parse(target, "http://localhost")?.pathname ?? "";
  assert.ok(Buffer.byteLength(text) <= 2048, "the body is too large");
  const isHead = sent === "HEAD" && status === 200;
  const operation = routes.find(
    // `HEAD` is answered as `GET`, without a body.
    (each) => each.operation.method === (isHead ? "GET" : sent) && each.route.test(pathname),
  )?.operation;
  if (text === "" && status !== 204 && !isHead) {
    assert.equal(received["content-type"], undefined);
    assert.ok(status === 404 || status === 400, `${status} without a body`);
    return status === 404 ? noRoute : noRequest;
  }
  assert.ok(operation, "there is no such operation");
  const json = parseJson(text);
  const problem = status >= 400 && ProblemBody.is(json) ? nameOf(json.type) : undefined;
  const answer = nameAnswer(operation.id, status, problem);
  assert.ok(answers.includes(answer), `${answer} is not in the contract`);
  if (text !== "") {
    const { schema } = operation.responses[status]?.content?.[String(received["content-type"])] ?? {};
    assert.equal(faultsIn(schema, json), undefined);
  }
  return answer;
};

/** Megabytes in use after garbage collection. */
const measureHeap = (): number => {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc()");
  return process.memoryUsage().heapUsed / 1024 / 1024;
};

/** Fills in a template, sends it and returns the answer. Rejects when the answer is wrong. */
type Examine = (request: Template, ownMarker: string) => Promise<string>;

const makeExamine = (instance: Instance, firstKey: string): Examine => {
  const port = Number(new URL(instance.baseUrl).port);
  // The newest comes first.
  let keys = [firstKey];
  let codes: string[] = [];
  return async (request, ownMarker) => {
    const fill = (text: string): string =>
      text
        .replaceAll(marker, ownMarker)
        .replaceAll(/fuzz_key_(\d+)/g, (_, age: string) => keys[Number(age)] ?? "")
        .replaceAll(/fuzz_code_(\d+)/g, (_, age: string) => codes[Number(age)] ?? "AAAAAAAAAAA");
    const filled = {
      ...request,
      target: fill(request.target),
      headers: request.headers.map(([name, value]) => [fill(name), fill(value)] as const),
      body: fill(request.body),
    };
    const reply = await sendRequest(filled, port);
    try {
      const answer = classify(filled, reply);
      const said = [inspect(reply.headers), reply.text, ...instance.log.map(({ text }) => text)];
      assert.ok(!said.some((text) => text.toLowerCase().includes(ownMarker)), "the request is repeated");
      // The last lines contain everything that the running requests have logged.
      instance.log.splice(0, instance.log.length - 10 * concurrency);
      const issues = answer === "GenerateOtp 200" || answer === "RegenerateApiKey 200";
      const json: unknown = issues ? JSON.parse(reply.text) : undefined;
      codes = OtpBody.is(json) ? [json.code, ...codes].slice(0, remembered) : codes;
      keys = ApiKeyBody.is(json) ? [json.api_key, ...keys].slice(0, remembered) : keys;
      return answer;
    } catch (reason) {
      // A smaller request, tried next after a failure, has the same marker.
      instance.log.splice(0);
      throw new Error(`${String(reason)}\n${inspect(filled)}\n${inspect(reply)}`);
    }
  };
};

it(`${requests} requests generated from seed ${seed} get the contract's answers, and all of them`, async () => {
  // The store runs in a process of its own, so that its heap is not measured.
  const store = startProgram(["build/start-store.js"], { PORT: "0" }, process.cwd(), 3_600_000);
  const [, endpoint = ""] = await store.waitFor(/^COSMOSDB_ENDPOINT=(\S+)$/m);
  const settings = {
    COSMOSDB_ENDPOINT: endpoint,
    COSMOSDB_KEY: "a2V5",
    COSMOSDB_SINGLE_COPY: "true",
    OTP_SECRET: "A".repeat(44),
    OTP_TTL_IN_SECONDS: "300",
  };
  // Each request advances the clock by a second, so that codes expire within a run.
  const clock = makeClock();
  const instance = await startInstance(settings, clock);
  const { warn } = console;
  // The functions' library writes there when no Functions worker surrounds it.
  console.warn = (text: unknown): void => {
    instance.log.push({ level: "warning", text: String(text) });
  };
  const examine = makeExamine(instance, await instance.newApiKey());

  const counts = new Map(answers.map((answer) => [answer, 0]));
  /** What is wrong, with the request that shows it. The first ends the run. */
  const findings: string[] = [];
  let passed = 0;
  let warmHeap = 0;
  const indexes = Array(requests).keys();
  const sendOn = async (): Promise<void> => {
    for (const index of indexes) {
      const digest = createHash("sha256").update(`${seed} ${index}`).digest();
      const details = await fc.check(
        fc.asyncProperty(fc.limitShrink(template, 200), async (request) => {
          clock.advance(1);
          const answer = await examine(request, `fuzz_${digest.toString("hex", 0, 8)}`);
          counts.set(answer, (counts.get(answer) ?? 0) + 1);
        }),
        { seed: digest.readInt32BE(8), numRuns: 1, plugins: [fc.timeout(10_000)] },
      );
      if (details.failed) {
        const shown = `${String(details.errorInstance)}\n${fc.stringify(details.counterexample)}`;
        findings.push(`request ${index}: ${shown}`);
      }
      if (findings.length > 0) {
        return;
      }
      passed++;
      warmHeap = passed === Math.floor(requests / 5) ? measureHeap() : warmHeap;
    }
  };
  const heap = await Promise.all(Array.from({ length: concurrency }, sendOn))
    .then(measureHeap)
    .finally(async () => {
      console.warn = warn;
      await instance.stop();
      await store.stop();
    });
  expect(findings).toEqual([]);
  expect(passed).toBe(requests);
  // Only a flood is answered 429: made-up-keys.test.ts.
  expect([...counts].filter(([answer, count]) => count === 0 && !answer.includes(" 429 "))).toEqual([]);
  expect(heap - warmHeap).toBeLessThan(maxHeapGrowthMb);
}, 3_600_000);
