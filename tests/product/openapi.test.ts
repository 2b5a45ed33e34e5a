import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { HttpRequest, InvocationContext } from "@azure/functions";
import * as t from "io-ts";
import { parse } from "yaml";
import { makeFunctions, makeFunctionsWithoutConfig } from "../../functions";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { version } from "../../package.json";
import { decodeApiKey, KeyType } from "../../shared/domain/api-key";
import { deadlinePassed } from "../../shared/domain/failure";
import { makeKeyring } from "../../shared/domain/keyring";
import type { IssuedOtp } from "../../shared/domain/otp";
import { DiscountId, FiscalCode, MerchantId, OtpCode } from "../../shared/domain/identifiers";
import { OtpBody } from "../../shared/http/bodies";
import { problemNames, problemTypeBase, toProblem } from "../../shared/http/problem";
import { call, fiscalCode, makeApi, merchantId, type Api } from "../../tools/support/api";
import {
  describedAnswers,
  faultsIn,
  fieldsOf,
  functionKeyHeader,
  makeFailures,
  nameAnswer,
  nameOf,
  operations,
  audienceOf,
  seenAnswers,
  valueAt,
} from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startBehindFaults, startService, type Service } from "../../tools/support/service";

/** Calls every operation with this `code` and `apiKey`, which may be malformed. */
const callAll = async (api: Api, apiKey: string, code: string): Promise<void> => {
  await api.generate();
  await api.generateByPath();
  await api.ask(apiKey, code);
  await api.regenerate(merchantId, "secondary");
  await api.list();
  await api.revoke(merchantId, "secondary");
  await api.info();
  await api.status();
  await call(`${api.baseUrl}/api/v1/openapi.yaml`);
};

const text = readFileSync("openapi.yaml", "utf8");

const languages = ["it", "en"] as const;

const ProblemExample = t.intersection([
  t.type({ type: t.string, title: t.string, detail: t.string, instance: t.string }),
  t.partial({ otp: OtpBody }),
]);

const toIssuedOtp = ({ code, expires_at, ttl }: t.TypeOf<typeof OtpBody>): IssuedOtp => ({
  code: decode(OtpCode, code),
  expiresAt: new Date(expires_at),
  ttlSeconds: ttl,
});

describe("openapi.yaml", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  // Each call is checked against the document, so this fails at an answer that the document does not describe.
  it("describes every answer, and no answer that never occurs", async () => {
    const apiKey = await service.newApiKey();
    const code = await service.newCode();
    await callAll(service, apiKey, code);
    await service.generate("not a fiscal code");
    await service.generateByPath("not-a-fiscal-code");
    await service.generateByPath(fiscalCode, { padding: "x".repeat(4096) });
    await service.generateByPath("AAAAAA00A00A002A");
    await service.generate(fiscalCode, { padding: "x".repeat(4096) });
    await service.validate(apiKey, {});
    await service.validate(apiKey, { padding: "x".repeat(4096) });
    await service.ask(apiKey, "short");
    await service.ask("not a key", code);
    await service.ask(apiKey, "AAAAAAAAAAA");
    await service.use(apiKey, code);
    await service.use(apiKey, code);
    const newer = await service.newCode();
    await service.ask(apiKey, code);
    service.clock.advance(600);
    await service.ask(apiKey, newer);
    const stranger = makeKeyring(randomBytes(32));
    const madeUp = Array.from({ length: 100 }, () =>
      stranger.newApiKey(decode(MerchantId, "shop-1"), "primary"),
    );
    // A busy machine may make so few calls in a second that they are no flood.
    for (let isFlood = false; !isFlood;) {
      const replies = await Promise.all(madeUp.map((key) => service.ask(key, newer)));
      isFlood = replies.some(({ status }) => status === 429);
    }
    await service.regenerate("a_b");
    await service.list("a_b");
    await service.revoke("a_b");

    const { proxy, instance } = await startBehindFaults(service, 200);
    proxy.script(() => ({ kind: "status", status: 503 }));
    await callAll(instance, apiKey, code);

    const withBug = makeFunctions(service.config, () => {
      // The real parts have no known bug.
      throw new Error("bug");
    });
    const withoutConfig = makeFunctionsWithoutConfig({ names: ["OTP_SECRET"], message: "" });
    for (const functions of [withBug, withoutConfig]) {
      const host = makeHost(functions, () => undefined);
      const port = await listen(host, 0);
      service.stopFirst(() => close(host));
      await callAll(makeApi(`http://127.0.0.1:${port}`), apiKey, code);
    }

    const described = describedAnswers.flatMap(({ operation: { id }, status, problems }) =>
      problems.length === 0
        ? [nameAnswer(id, status)]
        : problems.map((problem) => nameAnswer(id, status, problem)),
    );
    expect([...seenAnswers()].sort()).toEqual(described.sort());
    // The last word of a problem's answer is the problem's name.
    const seenProblems = [...seenAnswers()].map((answer) => answer.split(" ")[2]);
    expect(seenProblems).toEqual(expect.arrayContaining([...problemNames]));
  });

  it("describes every function, and no other", () => {
    const functions = makeFunctions(service.config, service.store.forCall);
    const served = functions.flatMap(({ name, route, methods, authLevel }) =>
      methods
        // The document says of `GET` that `HEAD` is answered alike.
        .filter((method) => method !== "HEAD")
        .flatMap((method) => {
          const [, path = route, parameter] = /^(.+)\/\{(\w+)\?\}$/.exec(route) ?? [];
          const takesKey = authLevel === "function";
          const served = { name, path: `/${path}`, method, takesKey };
          return parameter === undefined
            ? [served]
            : [served, { ...served, name: `${name}ByPath`, path: `/${path}/{${parameter}}` }];
        }),
    );
    const described = operations.map(({ id, path, method, security }) => ({
      name: id,
      path,
      method,
      takesKey: security.some(({ header }) => header === functionKeyHeader),
    }));
    const byName = (one: { name: string }, other: { name: string }): number =>
      one.name < other.name ? -1 : 1;
    expect(described.sort(byName)).toEqual(served.sort(byName));
  });

  it("describes for each operation that calls may be limited, and a 401 of the platform where it checks a function key", () => {
    for (const { id, responses, security } of operations) {
      const takesKey = security.some(({ header }) => header === functionKeyHeader);
      expect([id, "429" in responses, responses["401"]?.["x-sent-by"]]).toEqual([
        ...[id, true, takesKey ? "platform" : undefined],
      ]);
    }
  });

  it("names the characters of which issued OTPs are made: a shop may refuse others", () => {
    const keyring = makeKeyring(randomBytes(32));
    const codes = Array.from({ length: 200 }, (_, index) =>
      keyring.codeFor({ partitionKey: "", id: "slot" }, String(index)),
    );
    const inOrder = (characters: string): string => [...new Set(characters)].sort().join("");
    const named = text.match(/(?<=`)[A-Z2-9]{20,}(?=`)/g) ?? [];
    expect(named.map(inOrder)).toEqual([inOrder(codes.join("")), inOrder(codes.join(""))]);
  });

  it("is read alike by readers of YAML 1.1 and 1.2", () => {
    expect(parse(text, { version: "1.1" })).toEqual(parse(text, { version: "1.2" }));
  });

  it("asks for an API key where the service requires one, in the header that the challenge names", async () => {
    const refusing = describedAnswers.filter(({ status }) => status === "401");
    const { headers } = await service.ask("", "AAAAAAAAAAA");
    const [, header] = /header="([^"]+)"/.exec(headers.get("www-authenticate") ?? "") ?? [];
    const asking = operations.flatMap(({ id, security }) =>
      security.filter(({ header: name }) => name !== functionKeyHeader).map(({ header: name }) => [id, name]),
    );
    expect(asking).toEqual(refusing.map(({ operation }) => [operation.id, header]));
  });

  describe("sets the same limits as the code for", () => {
    /** The example, texts that differ from it in one character, and texts with lengths around every limit. */
    const neighboursOf = (example: string): readonly string[] => {
      const characters = Array.from({ length: 129 }, (_, code) => String.fromCharCode(code));
      const lengths = [0, 1, 2, 10, 11, 12, 15, 16, 17, 63, 64, 65, 127, 128, 129, 254, 255, 256, 257];
      return [
        ...Array.from(example).flatMap((_, index) =>
          characters.map((character) => example.slice(0, index) + character + example.slice(index + 1)),
        ),
        ...lengths.map((length) => example.repeat(300).slice(0, length)),
      ];
    };
    const isAllowed = (name: string, text: string): boolean =>
      faultsIn(valueAt(["components", "schemas", name]), text) === undefined;

    it.each([
      ["FiscalCode", FiscalCode, fiscalCode],
      ["FiscalCode", FiscalCode, "ZZZZZZLMTVURSTNA"],
      ["MerchantId", MerchantId, "Shop-1"],
      ["DiscountId", DiscountId, "Discount-1"],
      ["OtpCode", OtpCode, "K7XQ4MD9TWB"],
      ["KeyType", KeyType, "primary"],
      ["KeyType", KeyType, "secondary"],
      ["KeyType", KeyType, "test"],
    ])("%s", (name, codec, example) => {
      expect([isAllowed(name, example), codec.is(example)]).toEqual([true, true]);
      for (const text of neighboursOf(example)) {
        expect([text, isAllowed(name, text)]).toEqual([text, codec.is(text)]);
      }
    });

    it.each([
      ["RegenerateApiKey", "RegenerationIdempotencyKey", "1234567890abcdef"],
      ["ValidateOtp", "IdempotencyKey", "cart"],
    ])("the Idempotency-Key of %s", async (functionName, schema, example) => {
      const { handler } =
        makeFunctions(service.config, service.store.forCall).find(({ name }) => name === functionName) ?? {};
      const isRefused = async (idempotencyKey: string): Promise<boolean> => {
        const request = new HttpRequest({
          method: "POST",
          url: "http://localhost/",
          headers: { "Idempotency-Key": idempotencyKey },
          // Without an API key, and for a bad merchant: nothing is written.
          params: { merchant_id: "a_b", key_type: "primary" },
          body: { string: JSON.stringify({ otp_code: "AAAAAAAAAAA", invalidate_otp: false }) },
        });
        const answer = await handler?.(request, new InvocationContext({ logHandler: () => undefined }));
        return typeof answer?.body === "string" && answer.body.includes("Idempotency-Key");
      };
      // These values do not reach the function: no header can contain them, or the host trims them.
      const texts = neighboursOf(example).filter((text) => !/[\0\r\n\u0080]|^\s|\s$/.test(text));
      for (const text of texts) {
        expect([text, await isRefused(text)]).toEqual([text, !isAllowed(schema, text)]);
      }
    });
  });

  it.each(describedAnswers.filter(({ problems }) => problems.length > 0))(
    "gives for $operation.id $status an example of each problem in each language, in the service's own words",
    ({ operation, problems, examples }) => {
      const told = examples.map((example) => {
        const { type, title, detail, instance, otp } = decode(ProblemExample, example);
        const named = nameOf(type) === "invalid-request" ? / ([\w-]+(?:, [\w-]+)*)\.$/.exec(detail) : null;
        const fields = named?.[1]?.split(", ") ?? [];
        expect(fieldsOf(operation)).toEqual(expect.arrayContaining(fields));
        const failure = Object.values(makeFailures(fields, otp && toIssuedOtp(otp))).find(
          ({ tag }) => tag === nameOf(type),
        );
        const sayings = languages.map((language) =>
          decode(
            t.intersection([t.UnknownRecord, t.type({ title: t.string })]),
            JSON.parse(
              toProblem(failure ?? deadlinePassed, {
                audience: audienceOf(operation),
                acceptLanguage: language,
                invocationId: instance.replace("urn:uuid:", ""),
              }).body,
            ),
          ),
        );
        expect(sayings).toContainEqual(example);
        return [nameOf(type), languages[sayings.findIndex((saying) => saying.title === title)]];
      });
      expect(told.sort()).toEqual(problems.flatMap((name) => languages.map((each) => [name, each])).sort());
    },
  );

  it("has only well-formed API keys as examples, the package's version, and the host of the problems' types", () => {
    const apiKeys = text.match(/\bcgn_[\w-]{20,}/g) ?? [];
    expect(apiKeys.length).toBeGreaterThan(0);
    expect(apiKeys.map(decodeApiKey)).not.toContain(undefined);
    expect(valueAt(["info", "version"])).toBe(version);
    expect(valueAt(["servers"])).toMatchObject([{ url: new URL("/api/v1", problemTypeBase).href }]);
  });
});
