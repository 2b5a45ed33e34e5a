/** How long the lines are that a purchase leaves in the log, made by the code that makes them. */
import { InvocationContext } from "@azure/functions";
import { DiscountId, MerchantId } from "../../shared/domain/identifiers";
import { makeLog, type CallSubject } from "../../shared/http/log";
import { decode } from "../support/either";

const merchantId = decode(MerchantId, "01JD4Z8Q6W3V9T5R7Y2K4M6N8P");
const discountId = decode(DiscountId, "01JD4Z8Q6W3V9T5R7Y2K4M6N8Q");

const calls = {
  generate: ["GenerateOtp", 2, 11, { merchantId, discountId }],
  ask: ["ValidateOtp", 2, 4, { merchantId, discountId, keyType: "primary" }],
  use: ["ValidateOtp", 3, 15, { merchantId, discountId, keyType: "primary", isUse: true }],
} as const satisfies Readonly<Record<string, readonly [string, number, number, CallSubject]>>;

const lengthOf = ([functionName, attempts, requestUnits, subject]: readonly [
  string,
  number,
  number,
  CallSubject,
]): number => {
  let length = 0;
  const context = new InvocationContext({
    functionName,
    invocationId: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    logHandler: (_level, ...args) => {
      length = Buffer.byteLength(args.map(String).join(" "));
    },
  });
  const log = makeLog(context, "4bf92f3577b34da6a3ce929d0e0e4736");
  for (let request = 0; request < attempts; request += 1) {
    log.storeCall({
      operation: "findOtp",
      attempts: 1,
      durationMs: 5,
      requestUnits: requestUnits / attempts,
      failure: undefined,
    });
  }
  log.note(subject);
  log.outcome(200, undefined);
  return length;
};

/** Bytes of the line of each call of a purchase, with names of 26 characters and a trace. */
export const measureLines = (): Readonly<Record<keyof typeof calls, number>> => {
  // The first call of a process has more to say.
  lengthOf(calls.generate);
  return { generate: lengthOf(calls.generate), ask: lengthOf(calls.ask), use: lengthOf(calls.use) };
};
