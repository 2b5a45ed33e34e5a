/** The cost of a function alone, with a store that answers at once. */
import { HttpResponse } from "@azure/functions";
import * as E from "fp-ts/Either";
import { makeFunctions } from "../../functions";
import { decodeConfig } from "../../shared/config";
import { hashApiKey, makeApiKey } from "../../shared/domain/api-key";
import type { ApiKeys } from "../../shared/domain/api-key";
import { DiscountId, MerchantId } from "../../shared/domain/identifiers";
import type { Otp } from "../../shared/domain/otp";
import type { Store, StoreResult, Versioned, WriteResult } from "../../shared/domain/store";
import { fiscalCode } from "../support/api";
import { decode, right } from "../support/either";
import {
  generateCall,
  makeContext,
  regenerateCall,
  prepareCall,
  toHttpRequest,
  validateCall,
} from "./operations";
import type { Call, OperationName } from "./operations";
import { interleave, ratioOf } from "./statistics";
import type { Spread } from "./statistics";

const rounds = 7;
const callsPerRound = 3000;

const merchantId = decode(MerchantId, "shop");
const discountId = decode(DiscountId, "discount");
const apiKey = makeApiKey(merchantId, "primary");

const otp: Otp = {
  discountId,
  slotId: "slot-1",
  expiresAt: new Date(Date.now() + 600_000),
  use: undefined,
};
const apiKeys: ApiKeys = { primary: { hash: hashApiKey(apiKey), createdAt: new Date() } };

const found = <A>(value: A): StoreResult<Versioned<A>> => Promise.resolve(E.right({ value, etag: "1" }));
const written = (): WriteResult => Promise.resolve(E.right("written"));

const store: Store = {
  findOtp: () => found(otp),
  findSlot: () => found({ nonce: "1" }),
  putOtp: written,
  replaceOtp: written,
  findApiKeys: () => found(apiKeys),
  putApiKeys: written,
  checkGuarantees: () => Promise.resolve(E.right(undefined)),
};

const calls: Readonly<Record<OperationName, { readonly name: string; readonly call: Call }>> = {
  ask: { name: "ValidateOtp", call: validateCall(apiKey, "AAAAAAAAAAA", false) },
  use: { name: "ValidateOtp", call: validateCall(apiKey, "AAAAAAAAAAA", true) },
  generate: { name: "GenerateOtp", call: generateCall(fiscalCode, merchantId, discountId) },
  regenerate: { name: "RegenerateApiKey", call: regenerateCall(merchantId) },
};

/** The share of a handler's throughput in that of building a bare `HttpRequest`, reading it and answering it. */
export const measureHandler = async (operation: OperationName): Promise<Spread> => {
  const config = right(
    decodeConfig({
      COSMOSDB_ENDPOINT: "https://127.0.0.1:9/",
      COSMOSDB_KEY: "a2V5",
      OTP_SECRET: Buffer.alloc(32).toString("base64"),
    }),
  );
  const { name, call } = calls[operation];
  const made = makeFunctions(config, () => store).find((each) => each.name === name);
  const answerBody = await prepareCall(made, call)();
  const repeat = (run: () => Promise<unknown>) => async (): Promise<number> => {
    const start = performance.now();
    for (let count = 0; count < callsPerRound; count += 1) {
      await run();
    }
    return callsPerRound / (performance.now() - start);
  };
  const [handled, bare] = await interleave(rounds, [
    repeat(async () => new HttpResponse({ status: 200, body: await prepareCall(made, call)() })),
    repeat(async () => {
      const request = toHttpRequest(call);
      makeContext(name);
      await request.text();
      return new HttpResponse({ status: 200, body: answerBody });
    }),
  ]);
  return ratioOf(handled, bare);
};
