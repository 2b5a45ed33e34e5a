/** The requests of each operation to the store, counted on the wire. */
import type { Socket } from "node:net";
import * as t from "io-ts";
import { fiscalCode } from "../support/api";
import type { Api, Reply } from "../support/api";
import { decode } from "../support/either";
import type { StoreRequest } from "../support/fault-proxy";
import { startBehindFaults, startService } from "../support/service";

/** The kinds of charge. A batch is charged as the writes that it contains. */
export type Charge = "point read" | "create" | "replace" | "other";

export interface RoundTrips {
  readonly operation: string;
  readonly status: number;
  /**
   * The waves of requests that are sent at the same time, each with its charges. A wave waits for the one before it.
   */
  readonly waves: readonly (readonly (readonly Charge[])[])[];
  /** Sent and received with all headers, before encryption. */
  readonly bytes: number;
}

/** Longer than the time between two requests that do not wait for each other. */
const answerDelayMs = 150;

const Batch = t.array(t.type({ operationType: t.keyof({ Create: null, Replace: null }) }));

const chargesOf = ({ operation, body }: StoreRequest): readonly Charge[] => {
  switch (operation) {
    case "read":
      return ["point read"];
    case "create":
    case "replace":
    case "other":
      return [operation];
    case "batch":
      return decode(Batch, JSON.parse(body)).map(({ operationType }) =>
        operationType === "Create" ? "create" : "replace",
      );
  }
};

/** Makes each call twice, on two codes: once with slow answers, which separate the waves, and once for the bytes. */
export const countRoundTrips = async (): Promise<readonly RoundTrips[]> => {
  const service = await startService();
  const slow = await startBehindFaults(service, 5000);
  const sockets = new Set<Socket>();
  service.storeServer.on("connection", (socket) => sockets.add(socket));
  const countBytes = (): number =>
    [...sockets].reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0);

  const count = async (
    operation: string,
    call: (api: Api, subject: string) => Promise<Reply>,
  ): Promise<RoundTrips> => {
    const waves: (readonly Charge[])[][] = [];
    let waveStart = -Infinity;
    await slow.proxy.reset();
    slow.proxy.script((request) => {
      const now = performance.now();
      if (now - waveStart >= answerDelayMs) {
        waveStart = now;
        waves.push([]);
      }
      waves.at(-1)?.push(chargesOf(request));
      return { kind: "delay", ms: answerDelayMs };
    });
    const { status } = await call(slow.instance, "slow");
    const before = countBytes();
    await call(service, "direct");
    return { operation, status, waves, bytes: countBytes() - before };
  };

  const apiKey = await service.newApiKey();
  const beneficiaries: Readonly<Record<string, string>> = { slow: fiscalCode, direct: "AAAAAA00A00A000B" };
  const codes = new Map<string, string>();
  const generate = async (api: Api, subject: string): Promise<Reply> => {
    const reply = await api.generate(beneficiaries[subject]);
    codes.set(subject, /[A-Z0-9]{11}/.exec(reply.text)?.[0] ?? "");
    return reply;
  };
  // Both instances have made a call before, so that the client's first reads and a new connection do not count.
  await slow.instance.info();
  await service.info();
  const counted = [
    await count("generate", generate),
    await count("generate while one is live", generate),
    await count("ask", (api, subject) => api.ask(apiKey, codes.get(subject) ?? "")),
    await count("use", (api, subject) => api.use(apiKey, codes.get(subject) ?? "")),
    await count("ask after the use", (api, subject) => api.ask(apiKey, codes.get(subject) ?? "")),
    await count("generate after the use", generate),
    await count("regenerate", (api) => api.regenerate()),
    await count("regenerate a first key", (api, subject) => api.regenerate(`shop-${subject}`)),
    await count("list", (api) => api.list()),
    await count("revoke", (api) => api.revoke()),
  ];
  await slow.stop();
  await service.stop();
  return counted;
};
