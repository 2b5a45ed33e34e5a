/** The lines that the service writes to its log, made by the code that makes them. */
import { InvocationContext } from "@azure/functions";
import * as t from "io-ts";
import { deadlinePassed } from "../../shared/domain/failure";
import { DiscountId, MerchantId } from "../../shared/domain/identifiers";
import { makeLog } from "../../shared/http/log";
import { decode } from "../../tools/support/either";

const Line = t.record(t.string, t.unknown);
export type Line = t.TypeOf<typeof Line>;

/** A line of each event, with every field that it can have. The first call of a process alone has them all: ask once. */
export const fullLines = (): readonly Line[] => {
  const lines: Line[] = [];
  const context = new InvocationContext({
    functionName: "Test",
    invocationId: "id",
    logHandler: (_level, ...args) => lines.push(decode(Line, JSON.parse(args.map(String).join(" ")))),
  });
  const log = makeLog(context, "4bf92f3577b34da6a3ce929d0e0e4736");
  const merchantId = decode(MerchantId, "shop-1");
  log.storeCall({
    operation: "findOtp",
    attempts: 2,
    durationMs: 1,
    requestUnits: 1,
    failure: "store: 503",
  });
  log.apiKeyChange({
    merchantId,
    keyType: "primary",
    change: "replaced",
    hint: "0000",
    formerHint: "1111",
    changedAt: new Date(0),
  });
  log.defect(new Error("a bug"));
  log.note({
    merchantId,
    claimedMerchantId: merchantId,
    discountId: decode(DiscountId, "discount-1"),
    isUse: true,
    isRepetition: true,
    keyType: "test",
  });
  log.outcome(503, deadlinePassed);
  return lines;
};
