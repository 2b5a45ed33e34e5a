/** The operations of callers, through the real handlers, and the same work by bare calls of the SDK. */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { BulkOperationType, CosmosClient } from "@azure/cosmos";
import type { ItemDefinition } from "@azure/cosmos";
import { HttpRequest, InvocationContext } from "@azure/functions";
import { makeFunctions } from "../../functions";
import { decodeConfig } from "../../shared/config";
import { makeCosmosStore } from "../../shared/cosmos/cosmos-store";
import { DiscountId, FiscalCode, MerchantId, OtpCode } from "../../shared/domain/identifiers";
import { makeKeyring } from "../../shared/domain/keyring";
import type { ItemRef } from "../../shared/domain/keyring";
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import type { HttpFunction } from "../../shared/http/function";
import { decode, right } from "../support/either";

export const operationNames = ["ask", "use", "generate", "regenerate"] as const;
export type OperationName = (typeof operationNames)[number];

export type Subject = "service" | "bare SDK";

export interface Timing {
  readonly perSecond: number;
  /** Time of this process's processors, for a call. */
  readonly processorMs: number;
  readonly latenciesMs: readonly number[];
}

export interface Operations {
  /** Prepares all that the calls need, then makes them, `concurrency` at a time. */
  measure(operation: OperationName, subject: Subject, calls: number, concurrency: number): Promise<Timing>;
  stop(): void;
}

/** One call of a function, as a host makes it. */
export interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export const toHttpRequest = ({ method, url, headers = {}, params = {}, body }: Call): HttpRequest =>
  new HttpRequest({
    method,
    url,
    headers,
    params,
    ...(body === undefined ? {} : { body: { string: body } }),
  });

export const makeContext = (functionName: string): InvocationContext =>
  new InvocationContext({ functionName, invocationId: randomUUID(), logHandler: () => undefined });

export const generateCall = (beneficiary: string, merchantId: string, discountId: string): Call => ({
  method: "POST",
  url: `http://localhost/api/v1/cgn/otp/${beneficiary}`,
  headers: { "content-type": "application/json" },
  params: { fiscalcode: beneficiary },
  body: JSON.stringify({ merchant_id: merchantId, discount_id: discountId }),
});

export const validateCall = (apiKey: string, code: string, invalidate: boolean): Call => ({
  method: "POST",
  url: "http://localhost/api/v1/merchant/cgn/otp/validate",
  headers: { "content-type": "application/json", "ocp-apim-subscription-key": apiKey },
  body: JSON.stringify({ otp_code: code, invalidate_otp: invalidate }),
});

export const regenerateCall = (merchantId: string): Call => ({
  method: "POST",
  url: `http://localhost/api/v1/cgn/merchants/${merchantId}/api-keys/primary`,
  params: { merchant_id: merchantId, key_type: "primary" },
});

/** A prepared call, whose request the host has built. It returns the body of its 200. */
export const prepareCall = (httpFunction: HttpFunction | undefined, call: Call): (() => Promise<string>) => {
  const request = toHttpRequest(call);
  const context = makeContext(httpFunction?.name ?? "");
  return async () => {
    const answer = await httpFunction?.handler(request, context);
    if (typeof answer !== "object" || answer.status !== 200 || typeof answer.body !== "string") {
      throw new Error(`${call.url}: ${JSON.stringify(answer)}`);
    }
    return answer.body;
  };
};

const merchantId = decode(MerchantId, "shop");
const discountId = decode(DiscountId, "discount");

/** Fiscal codes that no earlier run is likely to have used: they count in base 26, from a random start. */
const makeBeneficiaries = (): (() => FiscalCode) => {
  let next = randomInt(26 ** 6 - 1_000_000);
  return () => {
    const serial = next.toString(26).padStart(6, "0");
    next += 1;
    const letters = Array.from(serial, (digit) => String.fromCharCode(65 + Number.parseInt(digit, 26)));
    return decode(FiscalCode, `${letters.join("")}00A00A000A`);
  };
};

export const makeOperations = async (settings: Readonly<Record<string, string>>): Promise<Operations> => {
  const config = right(decodeConfig(settings));
  const store = makeCosmosStore(config);
  const functions = new Map(makeFunctions(config, store.forCall).map((made) => [made.name, made]));
  const keyring = makeKeyring(config.otpSecret);
  const client = new CosmosClient({
    endpoint: config.cosmos.endpoint,
    // The embedded store takes any.
    key: "a2V5",
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const database = client.database(config.cosmos.databaseName);
  const otps = database.container("otps");
  const apiKeys = database.container("api-keys");

  const nextBeneficiary = makeBeneficiaries();
  const generate = (): (() => Promise<string>) =>
    prepareCall(functions.get("GenerateOtp"), generateCall(nextBeneficiary(), merchantId, discountId));
  const newCode = async (): Promise<OtpCode> =>
    decode(OtpCode, decode(OtpBody, JSON.parse(await generate()())).code);
  const regenerate = (merchant: string): (() => Promise<string>) =>
    prepareCall(functions.get("RegenerateApiKey"), regenerateCall(merchant));
  const apiKey = decode(ApiKeyBody, JSON.parse(await regenerate(merchantId)())).api_key;
  const validate = (code: string, invalidate: boolean): (() => Promise<string>) =>
    prepareCall(functions.get("ValidateOtp"), validateCall(apiKey, code, invalidate));

  const read = (ref: ItemRef): Promise<{ resource?: ItemDefinition | undefined; etag: string }> =>
    otps.item(ref.id, ref.partitionKey).read<ItemDefinition>();
  const readKeys = (merchant: string): Promise<{ resource?: ItemDefinition | undefined; etag: string }> =>
    apiKeys.item(merchant, merchant).read<ItemDefinition>();
  const readBoth = async (
    code: OtpCode,
  ): Promise<{ resource?: ItemDefinition | undefined; etag: string }> => {
    const [otp] = await Promise.all([read(keyring.otpRefFor(merchantId, code)), readKeys(merchantId)]);
    return otp;
  };

  const bare = {
    ask: readBoth,
    use: async (code: OtpCode): Promise<unknown> => {
      const { id, partitionKey } = keyring.otpRefFor(merchantId, code);
      const { resource, etag } = await readBoth(code);
      const use = { usedAt: new Date().toISOString(), attemptId: randomUUID(), idempotencyKeyHash: null };
      return otps
        .item(id, partitionKey)
        .replace(
          { ...resource, id, use, ttl: 87_000 },
          { accessCondition: { type: "IfMatch", condition: etag } },
        );
    },
    generate: async (): Promise<unknown> => {
      const slotId = `slot-${randomBytes(32).toString("base64url")}`;
      const partitionKey = `${merchantId}:A`;
      const slot = { id: slotId, partitionKey, nonce: randomBytes(16).toString("hex"), ttl: 87_000 };
      const id = `otp-${randomBytes(32).toString("base64url")}`;
      const otp = {
        id,
        partitionKey,
        discountId,
        slotId,
        expiresAt: new Date().toISOString(),
        use: null,
        ttl: 87_000,
      };
      return otps.items.batch(
        [slot, otp].map((item) => ({ operationType: BulkOperationType.Create, resourceBody: item })),
        partitionKey,
      );
    },
    regenerate: async (merchant: string): Promise<unknown> => {
      const { resource, etag } = await readKeys(merchant);
      const primary = { hash: randomBytes(32).toString("hex"), createdAt: new Date().toISOString() };
      return apiKeys
        .item(merchant, merchant)
        .replace(
          { ...resource, id: merchant, primary },
          { accessCondition: { type: "IfMatch", condition: etag } },
        );
    },
  };

  const code = await newCode();
  /**
   * Returns the calls to measure. What each of them needs, such as a new code for each use, is made before the clock
   * starts.
   */
  const prepare = async (
    operation: OperationName,
    subject: Subject,
    calls: number,
  ): Promise<readonly (() => Promise<unknown>)[]> => {
    const isBare = subject === "bare SDK";
    const numbers = Array.from({ length: calls }, (_, index) => index);
    switch (operation) {
      case "ask":
        return numbers.map(() => (isBare ? () => bare.ask(code) : validate(code, false)));
      case "use": {
        const codes = await Promise.all(numbers.map(() => newCode()));
        return codes.map((each) => (isBare ? () => bare.use(each) : validate(each, true)));
      }
      case "generate":
        return numbers.map(() => (isBare ? () => bare.generate() : generate()));
      case "regenerate": {
        const merchants = numbers.map((number) => `shop-${number}`);
        await Promise.all(merchants.map((merchant) => regenerate(merchant)()));
        return merchants.map((merchant) => (isBare ? () => bare.regenerate(merchant) : regenerate(merchant)));
      }
    }
  };

  return {
    measure: async (operation, subject, calls, concurrency) =>
      time(await prepare(operation, subject, calls), concurrency),
    stop: () => {
      store.dispose();
      client.dispose();
    },
  };
};

const time = async (calls: readonly (() => Promise<unknown>)[], concurrency: number): Promise<Timing> => {
  const latenciesMs: number[] = [];
  const queue = calls.values();
  const lane = async (): Promise<void> => {
    for (const call of queue) {
      const start = performance.now();
      await call();
      latenciesMs.push(performance.now() - start);
    }
  };
  const start = performance.now();
  const processorBefore = process.cpuUsage();
  await Promise.all(Array.from({ length: concurrency }, lane));
  const { user, system } = process.cpuUsage(processorBefore);
  return {
    perSecond: (calls.length / (performance.now() - start)) * 1000,
    processorMs: (user + system) / 1000 / calls.length,
    latenciesMs,
  };
};
