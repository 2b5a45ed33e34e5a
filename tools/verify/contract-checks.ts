/**
 * The wire contract as checks from outside, over HTTP alone: any host that serves the API can be held against them. Each
 * works with beneficiaries, merchants and keys of its own, and asserts with Node's own assertions. What `openapi.yaml` says of
 * each answer is not repeated here: the given API holds every exchange to it.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type * as t from "io-ts";
import { ApiKeyBody, ApiKeysBody, OtpBody, ProblemBody, ValidationBody } from "../../shared/http/bodies";
import type { Api, Reply } from "../support/api";
import { nameOf } from "../support/document";
import { decode } from "../support/either";

const unknownCode = "AAAAAAAAAAA";

/** Another one each time, so that no check meets what another left. The name tells an operator who made it. */
const makeMerchantId = (): string => `verify-${randomUUID()}`;

/** A merchant with a primary key, and a beneficiary. */
interface Scene {
  readonly api: Api;
  readonly merchantId: string;
  readonly discountId: string;
  readonly beneficiary: string;
  readonly apiKey: string;
  readonly generate: () => Promise<Reply>;
  readonly generateByPath: (more: object) => Promise<Reply>;
  readonly newCode: () => Promise<string>;
}

const makeScene = async (api: Api): Promise<Scene> => {
  const merchantId = makeMerchantId();
  const discountId = "discount-1";
  const beneficiary = `AAAAAA00A00A${String(Math.floor(Math.random() * 1000)).padStart(3, "0")}A`;
  const body = { merchant_id: merchantId, discount_id: discountId };
  return {
    api,
    merchantId,
    discountId,
    beneficiary,
    apiKey: await api.newApiKey(merchantId),
    generate: () => api.generate(beneficiary, body),
    generateByPath: (more) => api.generateByPath(beneficiary, { ...body, ...more }),
    newCode: () => api.newCode(beneficiary, body),
  };
};

const assertProblem = ({ status, json }: Reply, wanted: number, name: string): void => {
  assert.deepEqual([status, nameOf(decode(ProblemBody, json).type)], [wanted, name]);
};

/** @returns the body of a 200. */
const bodyOf = <A>(codec: t.Decoder<unknown, A>, { status, json }: Reply): A => {
  assert.equal(status, 200);
  return decode(codec, json);
};

const assertNear = (time: string, secondsFromNow = 0): void => {
  const awayMs = new Date(time).getTime() - Date.now() - secondsFromNow * 1000;
  assert.ok(Math.abs(awayMs) < 30_000, `${time} is not ${secondsFromNow} s from now`);
};

const times = <A>(count: number, make: (index: number) => Promise<A>): Promise<A[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

/** Asks with one key so often at once that several instances are asked. */
const askEverywhere = (api: Api, apiKey: string): Promise<Reply[]> =>
  times(20, () => api.ask(apiKey, unknownCode));

/** Each instance knew the key before, and none of them may still accept it. */
const assertRefusedEverywhere = async (api: Api, apiKey: string): Promise<void> => {
  for (const reply of await askEverywhere(api, apiKey)) {
    assertProblem(reply, 401, "unauthorized");
  }
};

export interface ContractCheck {
  readonly promise: string;
  /** It waits until an OTP has expired. */
  readonly takesLifetime: boolean;
  /**
   * @param ttlSeconds the lifetime of an OTP on this host.
   * @param signal ends the waiting.
   */
  readonly run: (api: Api, ttlSeconds: number, signal?: AbortSignal) => Promise<void>;
}

const makeCheck = (promise: string, run: ContractCheck["run"], takesLifetime = false): ContractCheck => ({
  ...{ promise, run, takesLifetime },
});

export const contractChecks: readonly ContractCheck[] = [
  makeCheck(
    "GenerateOtp issues a code, and tells the live one to whoever asks again",
    async (api, ttlSeconds) => {
      const { generate } = await makeScene(api);
      const otp = bodyOf(OtpBody, await generate());
      assert.equal(otp.ttl, ttlSeconds);
      assertNear(otp.expires_at, ttlSeconds);
      const again = await generate();
      assertProblem(again, 409, "otp-conflict");
      assert.deepEqual(decode(ProblemBody, again.json).otp, otp);
    },
  ),
  makeCheck(
    "GenerateOtp with the fiscal code in the path is the same call, or does not exist",
    async (api) => {
      const { generate, generateByPath, beneficiary } = await makeScene(api);
      const otp = bodyOf(OtpBody, await generate());
      const again = await generateByPath({});
      if (again.status === 404) {
        assert.equal(again.text, "");
        return;
      }
      assertProblem(again, 409, "otp-conflict");
      assert.deepEqual(decode(ProblemBody, again.json).otp, otp);
      assertProblem(await generateByPath({ fiscal_code: beneficiary }), 400, "invalid-request");
    },
  ),
  makeCheck("GenerateOtp refuses a bad fiscal code, a bad body and a large one", async (api) => {
    assertProblem(await api.generate("not-a-fiscal-code"), 400, "invalid-request");
    assertProblem(await api.generate(undefined, {}), 400, "invalid-request");
    assertProblem(await api.generate(undefined, { padding: "x".repeat(4096) }), 413, "request-too-large");
  }),
  makeCheck("ValidateOtp answers a question without using the code", async (api) => {
    const { apiKey, discountId, newCode } = await makeScene(api);
    const code = await newCode();
    assert.equal(bodyOf(ValidationBody, await api.ask(apiKey, code)).discount_id, discountId);
    assert.equal((await api.use(apiKey, code)).status, 200);
  }),
  makeCheck("ValidateOtp uses a code once, and says when", async (api) => {
    const { apiKey, newCode, generate } = await makeScene(api);
    const code = await newCode();
    assertNear(bodyOf(ValidationBody, await api.use(apiKey, code)).expires_at);
    assertProblem(await api.use(apiKey, code), 404, "otp-already-used");
    assertProblem(await api.ask(apiKey, code), 404, "otp-already-used");
    // The next code is there at once, and the old one then says so.
    assert.equal((await generate()).status, 200);
    assertProblem(await api.ask(apiKey, code), 409, "otp-conflict");
  }),
  makeCheck("ValidateOtp repeats its answer to the same Idempotency-Key, and to no other", async (api) => {
    const { apiKey, newCode } = await makeScene(api);
    const code = await newCode();
    const used = await api.use(apiKey, code, "cart 1");
    assert.equal(used.status, 200);
    const repeated = await api.use(apiKey, code, "cart 1");
    assert.deepEqual([repeated.status, repeated.text], [200, used.text]);
    assertProblem(await api.use(apiKey, code, "cart 2"), 404, "otp-already-used");
    assertProblem(await api.use(apiKey, code, ""), 404, "otp-already-used");
    assertProblem(await api.use(apiKey, code, "x".repeat(256)), 400, "invalid-request");
  }),
  makeCheck("ValidateOtp cannot be told whether a code is another merchant's", async (api) => {
    const { newCode } = await makeScene(api);
    const { apiKey } = await makeScene(api);
    const [others, unknown] = [await api.ask(apiKey, await newCode()), await api.ask(apiKey, unknownCode)];
    assertProblem(others, 404, "otp-not-found");
    const withoutInstance = ({ text }: Reply): string => text.replace(/urn:uuid:[0-9a-f-]+/, "");
    assert.equal(withoutInstance(others), withoutInstance(unknown));
  }),
  makeCheck("ValidateOtp refuses a bad code, a bad body and a large one", async (api) => {
    const { apiKey } = await makeScene(api);
    const otp_code = unknownCode;
    assertProblem(await api.ask(apiKey, "short"), 400, "otp-invalid");
    for (const wrong of [{}, { otp_code, invalidateOtp: true }, { otp_code, invalidate_otp: "yes" }]) {
      assertProblem(await api.validate(apiKey, wrong), 400, "invalid-request");
    }
    assertProblem(await api.validate(apiKey, { padding: "x".repeat(4096) }), 413, "request-too-large");
  }),
  makeCheck(
    "ValidateOtp refuses a key that is missing, malformed or unknown, with a challenge",
    async (api) => {
      const { apiKey } = await makeScene(api);
      const unknown = apiKey.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
      for (const key of ["", "not a key", unknown]) {
        assertProblem(await api.ask(key, unknownCode), 401, "unauthorized");
      }
    },
  ),
  makeCheck(
    "ValidateOtp answers the test codes to a test key, uses none up, and keeps them from the others",
    async (api, ttlSeconds) => {
      const { merchantId, apiKey, newCode } = await makeScene(api);
      const testApiKey = await api.newApiKey(merchantId, "test");
      assert.ok(testApiKey.startsWith(`cgn_test_${merchantId}_`));
      for (const isUse of [false, true, true]) {
        const validate = (code: string): Promise<Reply> =>
          isUse ? api.use(testApiKey, code) : api.ask(testApiKey, code);
        for (const code of isUse ? ["TESTLIVE000"] : ["TESTLIVE000", "TESTRACE000"]) {
          const { expires_at, discount_id } = bodyOf(ValidationBody, await validate(code));
          assert.equal(discount_id, "test-discount");
          assertNear(expires_at, isUse ? 0 : ttlSeconds);
        }
        for (const [code, status, name] of [
          ...(isUse ? [["TESTRACE000", 404, "otp-already-used"] as const] : []),
          ["TESTEXPIRED", 404, "otp-expired"],
          ["TESTUSED000", 404, "otp-already-used"],
          ["TESTNEWER00", 409, "otp-conflict"],
          ["TESTDOWN000", 503, "service-unavailable"],
          [unknownCode, 404, "otp-not-found"],
        ] as const) {
          assertProblem(await validate(code), status, name);
        }
        assert.equal((await validate("TESTDOWN000")).headers.get("retry-after"), "1");
      }
      const code = await newCode();
      assertProblem(await api.use(testApiKey, code), 404, "otp-not-found");
      assertProblem(await api.use(apiKey, "TESTLIVE000"), 404, "otp-not-found");
      assert.equal((await api.use(apiKey, code)).status, 200);
      await api.revoke(merchantId, "test");
      assertProblem(await api.ask(testApiKey, "TESTLIVE000"), 401, "unauthorized");
    },
  ),
  makeCheck("RegenerateApiKey replaces one key at once, and leaves the others", async (api) => {
    const { merchantId, apiKey: first } = await makeScene(api);
    const secondary = await api.newApiKey(merchantId, "secondary");
    for (let old = first, round = 0; round < 5; round++) {
      await askEverywhere(api, old);
      const renewed = bodyOf(ApiKeyBody, await api.regenerate(merchantId, "primary"));
      assert.deepEqual([renewed.merchant_id, renewed.key_type], [merchantId, "primary"]);
      assertNear(renewed.created_at);
      await assertRefusedEverywhere(api, old);
      assertProblem(await api.ask(renewed.api_key, unknownCode), 404, "otp-not-found");
      assertProblem(await api.ask(secondary, unknownCode), 404, "otp-not-found");
      old = renewed.api_key;
    }
    assertProblem(await api.regenerate(merchantId, "tertiary"), 400, "invalid-request");
    assertProblem(await api.regenerate("a_b", "primary"), 400, "invalid-request");
  }),
  makeCheck(
    "RegenerateApiKey tells the same call again its key, and refuses it once that is over",
    async (api) => {
      const { merchantId } = await makeScene(api);
      const idempotencyKey = randomUUID();
      const told = await api.regenerate(merchantId, "primary", idempotencyKey);
      const { api_key: apiKey } = bodyOf(ApiKeyBody, told);
      const again = await api.regenerate(merchantId, "primary", idempotencyKey);
      assert.deepEqual([again.status, again.text], [200, told.text]);
      assertProblem(await api.ask(apiKey, unknownCode), 404, "otp-not-found");
      const renewed = await api.newApiKey(merchantId, "primary", randomUUID());
      assertProblem(await api.regenerate(merchantId, "primary", idempotencyKey), 400, "invalid-request");
      assertProblem(await api.ask(renewed, unknownCode), 404, "otp-not-found");
      const another = randomUUID();
      await api.regenerate(merchantId, "secondary", another);
      await api.revoke(merchantId, "secondary");
      assertProblem(await api.regenerate(merchantId, "secondary", another), 400, "invalid-request");
      for (const bad of ["x".repeat(15), "x".repeat(256)]) {
        assertProblem(await api.regenerate(merchantId, "primary", bad), 400, "invalid-request");
      }
    },
  ),
  makeCheck("ListApiKeys tells which keys are in force, in order, and none of them", async (api) => {
    const { merchantId, apiKey } = await makeScene(api);
    const secondary = await api.newApiKey(merchantId, "secondary");
    const test = await api.newApiKey(merchantId, "test");
    const listed = bodyOf(ApiKeysBody, await api.list(merchantId));
    assert.equal(listed.merchant_id, merchantId);
    assert.deepEqual(
      listed.api_keys.map(({ key_type, hint }) => [key_type, hint]),
      [
        ["primary", apiKey.slice(-4)],
        ["secondary", secondary.slice(-4)],
        ["test", test.slice(-4)],
      ],
    );
    for (const { created_at } of listed.api_keys) {
      assertNear(created_at);
    }
    assert.deepEqual(bodyOf(ApiKeysBody, await api.list(makeMerchantId())).api_keys, []);
    assertProblem(await api.list("a_b"), 400, "invalid-request");
  }),
  makeCheck(
    "RevokeApiKey refuses a key at once, whether or not there is one, and leaves the other",
    async (api) => {
      const { merchantId, apiKey } = await makeScene(api);
      const secondary = await api.newApiKey(merchantId, "secondary");
      await askEverywhere(api, apiKey);
      for (let round = 0; round < 2; round++) {
        const reply = await api.revoke(merchantId, "primary");
        assert.deepEqual([reply.status, reply.text], [204, ""]);
        await assertRefusedEverywhere(api, apiKey);
        assertProblem(await api.ask(secondary, unknownCode), 404, "otp-not-found");
      }
      const renewed = await api.newApiKey(merchantId, "primary");
      assertProblem(await api.ask(renewed, unknownCode), 404, "otp-not-found");
      assertProblem(await api.ask(apiKey, unknownCode), 401, "unauthorized");
      assert.equal((await api.revoke(makeMerchantId(), "secondary")).status, 204);
      assertProblem(await api.revoke(merchantId, "tertiary"), 400, "invalid-request");
      assertProblem(await api.revoke("a_b", "primary"), 400, "invalid-request");
    },
  ),
  makeCheck("problems are told in Italian, and in English where it is preferred", async (api) => {
    const { apiKey } = await makeScene(api);
    for (const [preferred, language] of [
      ["fr", "it"],
      ["en-GB, it;q=0.5", "en"],
    ] as const) {
      const question = { otp_code: unknownCode, invalidate_otp: false };
      const reply = await api.validate(apiKey, question, { "Accept-Language": preferred });
      assertProblem(reply, 404, "otp-not-found");
      assert.equal(reply.headers.get("content-language"), language);
    }
  }),
  makeCheck("of 50 simultaneous uses one is answered 200", async (api) => {
    const { apiKey, newCode } = await makeScene(api);
    const code = await newCode();
    const replies = await times(50, () => api.use(apiKey, code));
    const refused = replies.filter(({ status }) => status !== 200);
    assert.equal(refused.length, 49);
    for (const reply of refused) {
      assertProblem(reply, 404, "otp-already-used");
    }
  }),
  makeCheck("of 50 simultaneous generates one is answered 200, and the others tell its code", async (api) => {
    const { generate } = await makeScene(api);
    const replies = await times(50, generate);
    const refused = replies.filter(({ status }) => status !== 200);
    assert.equal(refused.length, 49);
    const otp = decode(OtpBody, replies.find(({ status }) => status === 200)?.json);
    for (const reply of refused) {
      assertProblem(reply, 409, "otp-conflict");
      assert.deepEqual(decode(ProblemBody, reply.json).otp, otp);
    }
  }),
  makeCheck("of both keys of a merchant, regenerated at once, none is lost", async (api) => {
    for (let round = 0; round < 10; round++) {
      const merchantId = makeMerchantId();
      const keys = await Promise.all([
        api.newApiKey(merchantId, "primary"),
        api.newApiKey(merchantId, "secondary"),
      ]);
      for (const key of keys) {
        assertProblem(await api.ask(key, unknownCode), 404, "otp-not-found");
      }
    }
  }),
  makeCheck(
    "an OTP expires, and the next one is there at once",
    async (api, ttlSeconds, signal) => {
      const { apiKey, generate, newCode } = await makeScene(api);
      const code = await newCode();
      await pause(ttlSeconds * 1000 + 100, undefined, signal && { signal });
      assertProblem(await api.use(apiKey, code), 404, "otp-expired");
      assert.equal((await generate()).status, 200);
      assertProblem(await api.ask(apiKey, code), 409, "otp-conflict");
    },
    true,
  ),
  makeCheck("Info, Status and the document are answered, and nothing else is there", async (api) => {
    assert.equal((await api.info()).status, 200);
    assert.equal((await api.status()).status, 200);
    assert.equal((await api.call(`${api.baseUrl}/api/v1/openapi.yaml`)).status, 200);
    for (const path of ["/api/v1/merchant/cgn/otp/validate", "/api/v1/infos", "/api/v2/info"]) {
      assert.equal((await api.call(`${api.baseUrl}${path}`)).status, 404);
    }
  }),
];
