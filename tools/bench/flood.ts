/** A flood of API keys that somebody made up, through the real handlers, and what it costs a merchant and the store. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { MerchantId } from "../../shared/domain/identifiers";
import { makeKeyring } from "../../shared/domain/keyring";
import { decode } from "../support/either";
import type { Operations } from "./operations";
import { quantile } from "./statistics";

export const floodPerSecond = 2000;
const seconds = 5;
const asksPerSecond = 50;
const readsPerCall = 2;

interface Flooded {
  /** Of the merchant's asks, in ms. */
  readonly p99: number;
  /** Of the store, for the made-up keys, beyond the burst of the first second. */
  readonly readsPerSecond: number;
}

/** The merchant's asks for some seconds, beside so many calls a second with keys that nobody knows. */
export const runFlood = async (operations: Operations, perSecond: number): Promise<Flooded> => {
  const stranger = makeKeyring(randomBytes(32));
  const merchantId = decode(MerchantId, "shop");
  const strangers = Array.from({ length: seconds * perSecond }, () =>
    operations.prepareAsk(stranger.newApiKey(merchantId, "primary")),
  );
  const asks = Array.from({ length: seconds * asksPerSecond }, () => operations.prepareAsk());
  const calls: Promise<void>[] = [];
  const times: number[] = [];
  let read = 0;
  const start = performance.now();
  while (strangers.length > 0 || asks.length > 0) {
    const passed = (performance.now() - start) / 1000;
    for (const call of strangers.splice(0, strangers.length - Math.max(0, seconds - passed) * perSecond)) {
      calls.push(
        call().then((status) => {
          read += passed > 1 && status === 401 ? 1 : 0;
        }),
      );
    }
    for (const call of asks.splice(0, asks.length - Math.max(0, seconds - passed) * asksPerSecond)) {
      const began = performance.now();
      calls.push(
        call().then((status) => {
          if (status !== 200) {
            throw new Error(`the merchant was answered ${String(status)}`);
          }
          times.push(performance.now() - began);
        }),
      );
    }
    await pause(1);
  }
  await Promise.all(calls);
  return {
    p99: quantile(
      times.toSorted((a, b) => a - b),
      0.99,
    ),
    readsPerSecond: (readsPerCall * read) / (seconds - 1),
  };
};
