/** The requests of each operation to the store, counted on the wire. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import * as t from "io-ts";
import { fiscalCode } from "../support/api";
import type { Api, Reply } from "../support/api";
import { decode } from "../support/either";
import type { StoreRequest } from "../support/fault-proxy";
import { startBehindFaults, startInstance, startService } from "../support/service";
import type { Service } from "../support/service";

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

interface Counter {
  readonly service: Service;
  readonly count: (
    operation: string,
    call: (api: Api, subject: string) => Promise<Reply>,
  ) => Promise<RoundTrips>;
  /** Generates for the subject's beneficiary, and notes the code. */
  readonly generate: (api: Api, subject: string) => Promise<Reply>;
  /** The subject's latest code. */
  readonly codeOf: (subject: string) => string;
  readonly stop: () => Promise<void>;
}

/** Makes each call twice, on two codes: once past slow answers, which tell the waves apart, and once for the bytes. */
const startCounter = async (settings: Readonly<Record<string, string>> = {}): Promise<Counter> => {
  const service = await startService(settings);
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
  return {
    service,
    count,
    generate,
    codeOf: (subject) => codes.get(subject) ?? "",
    stop: async () => {
      await slow.stop();
      await service.stop();
    },
  };
};

export const countRoundTrips = async (): Promise<readonly RoundTrips[]> => {
  const { service, count, generate, codeOf, stop } = await startCounter();
  const apiKey = await service.newApiKey();
  const testApiKey = await service.newApiKey(undefined, "test");
  const counted = [
    await count("generate", generate),
    await count("generate while one is live", generate),
    await count("ask", (api, subject) => api.ask(apiKey, codeOf(subject))),
    await count("use", (api, subject) => api.use(apiKey, codeOf(subject))),
    await count("ask after the use", (api, subject) => api.ask(apiKey, codeOf(subject))),
    await count("ask of a code that does not exist", (api) => api.ask(apiKey, "AAAAAAAAAAA")),
    await count("ask with a test key", (api) => api.ask(testApiKey, "TESTLIVE000")),
    await count("use with a test key", (api) => api.use(testApiKey, "TESTLIVE000", "cart 1")),
    await count("generate after the use", generate),
    await count("regenerate", (api) => api.regenerate()),
    await count("regenerate a first key", (api, subject) => api.regenerate(`shop-${subject}`)),
    await count("list", (api) => api.list()),
    await count("revoke", (api) => api.revoke()),
  ];
  await stop();
  return counted;
};

/** While the secret is replaced. */
export const countRoundTripsWithSecondSecret = async (): Promise<readonly RoundTrips[]> => {
  const first = randomBytes(32).toString("base64");
  const second = randomBytes(32).toString("base64");
  const { service, count, generate, codeOf, stop } = await startCounter({
    OTP_SECRET: first,
    OTP_SECRET_SECOND: second,
  });
  const swapped = await startInstance(
    { ...service.settings, OTP_SECRET: second, OTP_SECRET_SECOND: first },
    service.clock,
  );
  service.stopFirst(() => swapped.stop());
  const apiKey = await service.newApiKey();
  const ask = (api: Api, subject: string): Promise<Reply> => api.ask(apiKey, codeOf(subject));
  const use = (api: Api, subject: string): Promise<Reply> => api.use(apiKey, codeOf(subject));
  /** Has each subject's next code issued under the second secret. */
  const generateSwapped = async (): Promise<void> => {
    await generate(swapped, "slow");
    await generate(swapped, "direct");
  };

  const counted = [
    await count("generate", generate),
    await count("generate while one is live", generate),
    await count("ask", ask),
    await count("use", use),
    await count("generate after the use", generate),
    await count("use the next", use),
    await count("ask of a code that does not exist", (api) => api.ask(apiKey, "AAAAAAAAAAA")),
  ];
  await generateSwapped();
  counted.push(
    await count("generate while one is live under the second", generate),
    await count("ask under the second", ask),
    await count("use under the second", use),
    await count("ask after the use under the second", ask),
  );
  await stop();
  return counted;
};
