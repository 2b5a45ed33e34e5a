/** The calls of a purchase through the real handlers, and what an ask costs at least: its two reads by the SDK. */
import { randomUUID } from "node:crypto";
import { CosmosClient } from "@azure/cosmos";
import { HttpRequest, InvocationContext } from "@azure/functions";
import { makeFunctions } from "../../functions";
import { decodeConfig } from "../../shared/config";
import { makeCosmosStore } from "../../shared/cosmos/cosmos-store";
import { MerchantId, OtpCode } from "../../shared/domain/identifiers";
import { makeKeyring } from "../../shared/domain/keyring";
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import { makeBeneficiaries } from "../support/beneficiaries";
import { decode, right } from "../support/either";

export const subjects = ["ask", "use", "generate", "bare reads"] as const;
export type Subject = (typeof subjects)[number];

export interface Operations {
  /** A live code, and the key to ask about it with. */
  readonly code: string;
  readonly apiKey: string;
  /** A call that asks about the live code, with this key instead of the merchant's. It returns the status. */
  prepareAsk(apiKey?: string): () => Promise<unknown>;
  /**
   * Makes everything that the calls need, such as a new code for each use.
   *
   * @returns a function that makes the calls, `concurrency` at a time, and returns the time of this process's processors for
   *   a call, in ms.
   */
  prepare(subject: Subject, calls: number, concurrency: number): Promise<() => Promise<number>>;
  stop(): void;
}

const merchantId = decode(MerchantId, "shop");

const fail = (name: string, answer: unknown): never => {
  throw new Error(`${name}: ${JSON.stringify(answer)}`);
};

export const makeOperations = async (settings: Readonly<Record<string, string>>): Promise<Operations> => {
  const config = right(decodeConfig(settings));
  const store = makeCosmosStore(config);
  const functions = new Map(makeFunctions(config, store.forCall).map((made) => [made.name, made]));
  /** A call whose request the host has built. It returns the answer. */
  const prepareCall = (
    name: string,
    path: string,
    params: Readonly<Record<string, string>>,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): (() => Promise<{ readonly status: unknown; readonly body: unknown }>) => {
    const request = new HttpRequest({
      ...{ method: "POST", url: `http://localhost/api/v1/${path}`, params, headers },
      ...(body === undefined ? {} : { body: { string: JSON.stringify(body) } }),
    });
    const context = new InvocationContext({
      ...{ functionName: name, invocationId: randomUUID(), logHandler: () => undefined },
    });
    return async () => {
      const answer = await functions.get(name)?.handler(request, context);
      return typeof answer === "object" ? { status: answer.status, body: answer.body } : fail(name, answer);
    };
  };
  /** The same. It returns the body of a 200, and fails at any other answer. */
  const makeCall = (...call: Parameters<typeof prepareCall>): (() => Promise<string>) => {
    const send = prepareCall(...call);
    return async () => {
      const { status, body } = await send();
      return status === 200 && typeof body === "string" ? body : fail(call[0], { status, body });
    };
  };

  const nextBeneficiary = makeBeneficiaries();
  const generate = (): (() => Promise<string>) => {
    const body = { fiscal_code: nextBeneficiary(), merchant_id: merchantId, discount_id: "discount" };
    return makeCall("GenerateOtp", "cgn/otp", {}, body);
  };
  const newCode = async (): Promise<OtpCode> =>
    decode(OtpCode, decode(OtpBody, JSON.parse(await generate()())).code);
  const regenerate = makeCall("RegenerateApiKey", `cgn/merchants/${merchantId}/api-keys/primary`, {
    ...{ merchant_id: merchantId, key_type: "primary" },
  });
  const apiKey = decode(ApiKeyBody, JSON.parse(await regenerate())).api_key;
  const validation = (otpCode: string, invalidate: boolean, key = apiKey): Parameters<typeof prepareCall> => [
    "ValidateOtp",
    "merchant/cgn/otp/validate",
    {},
    { otp_code: otpCode, invalidate_otp: invalidate },
    { "content-type": "application/json", "ocp-apim-subscription-key": key },
  ];
  const validate = (otpCode: string, invalidate: boolean): (() => Promise<string>) =>
    makeCall(...validation(otpCode, invalidate));

  const client = new CosmosClient({
    endpoint: config.cosmos.endpoint,
    // The embedded store takes any.
    key: "a2V5",
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const database = client.database(config.cosmos.databaseName);
  const code = await newCode();
  const { id, partitionKey } = makeKeyring(config.otpSecret).otpRefFor(merchantId, code);
  const bareReads = (): Promise<unknown> =>
    Promise.all([
      database.container("otps").item(id, partitionKey).read(),
      database.container("api-keys").item(merchantId, merchantId).read(),
    ]);

  const makeCalls = async (subject: Subject, calls: number): Promise<readonly (() => Promise<unknown>)[]> => {
    const numbers = Array.from({ length: calls });
    switch (subject) {
      case "ask":
        return numbers.map(() => validate(code, false));
      case "use":
        return (await Promise.all(numbers.map(newCode))).map((each) => validate(each, true));
      case "generate":
        return numbers.map(generate);
      case "bare reads":
        return numbers.map(() => bareReads);
    }
  };

  return {
    code,
    apiKey,
    prepareAsk: (key) => {
      const ask = prepareCall(...validation(code, false, key));
      return async () => (await ask()).status;
    },
    prepare: async (subject, calls, concurrency) => {
      const queue = (await makeCalls(subject, calls)).values();
      const lane = async (): Promise<void> => {
        for (const call of queue) {
          await call();
        }
      };
      return async () => {
        const before = process.cpuUsage();
        await Promise.all(Array.from({ length: concurrency }, lane));
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 1000 / calls;
      };
    },
    stop: () => {
      store.dispose();
      client.dispose();
    },
  };
};
