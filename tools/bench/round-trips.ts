/** The requests of each operation to the store, counted on the wire. */
import { randomBytes } from "node:crypto";
import * as t from "io-ts";
import type { Api, Reply } from "../support/api";
import { decode } from "../support/either";
import type { StoreRequest } from "../support/fault-proxy";
import { startBehindFaults, startInstance, startService, type Service } from "../support/service";
import type { Charge, Waves } from "./tables";

export interface RoundTrips {
  readonly operation: string;
  readonly status: number;
  readonly waves: Waves;
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
  /** Makes a call past slow answers, which tell the waves apart. */
  readonly count: (operation: string, call: (api: Api) => Promise<Reply>) => Promise<RoundTrips>;
}

const startCounter = async (settings: Readonly<Record<string, string>> = {}): Promise<Counter> => {
  const service = await startService(settings);
  const { proxy, instance } = await startBehindFaults(service, 5000);
  // It has made a call before, so that the client's first reads and a new connection do not count.
  await instance.info();
  return {
    service,
    count: async (operation, call) => {
      const waves: (readonly Charge[])[][] = [];
      let waveStart = -Infinity;
      await proxy.reset();
      proxy.script((request) => {
        const now = performance.now();
        if (now - waveStart >= answerDelayMs) {
          waveStart = now;
          waves.push([]);
        }
        waves.at(-1)?.push(chargesOf(request));
        return { kind: "delay", ms: answerDelayMs };
      });
      const { status } = await call(instance);
      return { operation, status, waves };
    },
  };
};

/** Generates, and keeps the latest code. */
const makeGenerate = (): { generate: (api: Api) => Promise<Reply>; code: () => string } => {
  let code = "";
  return {
    generate: async (api) => {
      const reply = await api.generate();
      code = /[A-Z0-9]{11}/.exec(reply.text)?.[0] ?? "";
      return reply;
    },
    code: () => code,
  };
};

export const countRoundTrips = async (): Promise<readonly RoundTrips[]> => {
  const { service, count } = await startCounter();
  const { generate, code } = makeGenerate();
  const apiKey = await service.newApiKey();
  const testApiKey = await service.newApiKey(undefined, "test");
  const counted = [
    await count("generate", generate),
    await count("generate while one is live", generate),
    await count("ask", (api) => api.ask(apiKey, code())),
    await count("use", (api) => api.use(apiKey, code())),
    await count("ask after the use", (api) => api.ask(apiKey, code())),
    await count("ask of a code that does not exist", (api) => api.ask(apiKey, "AAAAAAAAAAA")),
    await count("ask with a test key", (api) => api.ask(testApiKey, "TESTLIVE000")),
    await count("use with a test key", (api) => api.use(testApiKey, "TESTLIVE000", "cart 1")),
    await count("generate after the use", generate),
    await count("regenerate", (api) => api.regenerate()),
    await count("regenerate a first key", (api) => api.regenerate("shop-2")),
    await count("list", (api) => api.list()),
    await count("revoke", (api) => api.revoke()),
  ];
  await service.stop();
  return counted;
};

/** While the secret is replaced. */
export const countRoundTripsWithSecondSecret = async (): Promise<readonly RoundTrips[]> => {
  const [first, second] = [0, 1].map(() => randomBytes(32).toString("base64"));
  const secrets = (current = "", other = ""): Readonly<Record<string, string>> => ({
    OTP_SECRET: current,
    OTP_SECRET_SECOND: other,
  });
  const { service, count } = await startCounter(secrets(first, second));
  const swapped = await startInstance({ ...service.settings, ...secrets(second, first) }, service.clock);
  service.stopFirst(() => swapped.stop());
  const { generate, code } = makeGenerate();
  const apiKey = await service.newApiKey();
  const ask = (api: Api): Promise<Reply> => api.ask(apiKey, code());
  const use = (api: Api): Promise<Reply> => api.use(apiKey, code());
  const counted = [
    await count("generate", generate),
    await count("generate while one is live", generate),
    await count("ask", ask),
    await count("use", use),
    await count("generate after the use", generate),
    await count("use the next", use),
    await count("ask of a code that does not exist", (api) => api.ask(apiKey, "AAAAAAAAAAA")),
  ];
  // The next code is issued under the second secret.
  await generate(swapped);
  counted.push(
    await count("generate while one is live under the second", generate),
    await count("ask under the second", ask),
    await count("use under the second", use),
    await count("ask after the use under the second", ask),
  );
  await service.stop();
  return counted;
};
