import { fork } from "node:child_process";
import { once } from "node:events";
import * as t from "io-ts";
import { decode } from "../support/either";

/** A store in another process. */
export interface StoreProcess {
  /** The settings of a service that uses it. */
  readonly settings: Readonly<Record<string, string>>;
  /** How many requests it has received since it was filled with its first items. */
  countRequests(): Promise<number>;
  stop(): Promise<void>;
}

/** @param items how many items it holds at the start. */
export const startStore = async (items: number): Promise<StoreProcess> => {
  const child = fork("build/store-server.js", [String(items)], { execArgv: [] });
  const answer = async <A>(codec: t.Decoder<unknown, A>): Promise<A> => {
    const messages: unknown[] = await once(child, "message");
    return decode(codec, messages[0]);
  };
  const { settings } = await answer(t.type({ settings: t.record(t.string, t.string) }));
  return {
    settings,
    countRequests: async () => {
      const counted = answer(t.type({ requests: t.number }));
      child.send("count");
      return (await counted).requests;
    },
    stop: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
    },
  };
};
