/** The requests of each operation to the store, counted on the wire. */
import { randomBytes } from "node:crypto";
import * as t from "io-ts";
import { OtpBody } from "../../shared/http/bodies";
import { fiscalCode, type Api, type Reply } from "../support/api";
import { decode } from "../support/either";
import type { StoreRequest } from "../support/fault-proxy";
import { startBehindFaults, startInstance, startService, type Service } from "../support/service";

/** What Microsoft charges for items of up to 1 KB, in request units: docs/capacity.md. */
const units = { "point read": 2, create: 5.5, replace: 11, other: 0 };

/** The kinds of charge. A batch is charged as the writes that it contains. */
type Charge = keyof typeof units;

/** Requests that are sent at the same time, wave after wave, each with its charges. */
type Waves = readonly (readonly (readonly Charge[])[])[];

export const unitsOf = (waves: Waves): number =>
  waves.flat(2).reduce((sum, charge) => sum + units[charge], 0);

/** `point read ‖ point read → replace`: what is sent at the same time, and what waits for what. */
export const describeWaves = (waves: Waves): string =>
  waves.map((wave) => wave.map((request) => request.join(" + ")).join(" ‖ ")).join(" → ");

export interface RoundTrips {
  readonly operation: string;
  readonly status: number;
  readonly waves: Waves;
}

/** Longer than the time between two requests that do not wait for each other, on a busy machine too. */
const answerDelayMs = 300;

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

type Call = (api: Api) => Promise<Reply>;

/** A merchant of an operation's own, with a primary key, and how calls that no delay meets bring about what it finds. */
interface Scene {
  readonly direct: Api;
  readonly merchantId: string;
  readonly apiKey: string;
  readonly generate: Call;
}

/** Brings about what an operation finds, and gives its call. */
type Prepare = (scene: Scene) => Promise<Call>;

/** Makes the call of each operation past slow answers, which tell the waves apart. */
const countAll = async (
  service: Service,
  operations: Readonly<Record<string, Prepare>>,
): Promise<readonly RoundTrips[]> => {
  const counted = Object.entries(operations).map(async ([operation, prepare], index) => {
    const merchantId = `shop-${index}`;
    const body = { merchant_id: merchantId, discount_id: "discount-1" };
    const call = await prepare({
      direct: service,
      merchantId,
      apiKey: await service.newApiKey(merchantId),
      generate: (api) => api.generate(fiscalCode, body),
    });
    const { proxy, instance } = await startBehindFaults(service, 30_000);
    // It has made a call before, so that the client's first reads and a new connection do not count.
    await instance.info();
    const waves: (readonly Charge[])[][] = [];
    let waveStart = -Infinity;
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
  });
  return Promise.all(counted).finally(() => service.stop());
};

/** A code that this instance issued; the scene's own does, if none is given. */
const issue = async ({ direct, generate }: Scene, issuer = direct): Promise<string> =>
  decode(OtpBody, (await generate(issuer)).json).code;

const issueAndUse = async (scene: Scene, issuer?: Api): Promise<string> => {
  const code = await issue(scene, issuer);
  await scene.direct.use(scene.apiKey, code);
  return code;
};

const generateWhileLive =
  (issuer?: Api): Prepare =>
  async (scene) => {
    await issue(scene, issuer);
    return scene.generate;
  };

const ask =
  (find: typeof issue, issuer?: Api): Prepare =>
  async (scene) => {
    const code = await find(scene, issuer);
    return (api) => api.ask(scene.apiKey, code);
  };

const use =
  (issuer?: Api): Prepare =>
  async (scene) => {
    const code = await issue(scene, issuer);
    return (api) => api.use(scene.apiKey, code);
  };

/** Whatever secret is in force. */
const ofCodes: Readonly<Record<string, Prepare>> = {
  generate: ({ generate }) => Promise.resolve(generate),
  "generate while one is live": generateWhileLive(),
  ask: ask(issue),
  use: use(),
  "ask after the use": ask(issueAndUse),
  "ask of a code that does not exist": ask(() => Promise.resolve("AAAAAAAAAAA")),
  "generate after the use": async (scene) => {
    await issueAndUse(scene);
    return scene.generate;
  },
};

const withTestKey =
  (call: (api: Api, testApiKey: string) => Promise<Reply>): Prepare =>
  async ({ direct, merchantId }) => {
    const testApiKey = await direct.newApiKey(merchantId, "test");
    return (api) => call(api, testApiKey);
  };

const ofMerchant =
  (call: (api: Api, merchantId: string) => Promise<Reply>): Prepare =>
  ({ merchantId }) =>
    Promise.resolve((api) => call(api, merchantId));

export const countRoundTrips = async (): Promise<readonly RoundTrips[]> =>
  countAll(await startService(), {
    ...ofCodes,
    "ask with a test key": withTestKey((api, key) => api.ask(key, "TESTLIVE000")),
    "use with a test key": withTestKey((api, key) => api.use(key, "TESTLIVE000", "cart 1")),
    regenerate: ofMerchant((api, merchantId) => api.regenerate(merchantId)),
    "regenerate a first key": ofMerchant((api) => api.regenerate("a-new-shop")),
    list: ofMerchant((api, merchantId) => api.list(merchantId)),
    revoke: ofMerchant((api, merchantId) => api.revoke(merchantId)),
  });

/** While the secret is replaced. */
export const countRoundTripsWithSecondSecret = async (): Promise<readonly RoundTrips[]> => {
  const [first, second] = [0, 1].map(() => randomBytes(32).toString("base64"));
  const secrets = (current = "", other = ""): Readonly<Record<string, string>> => ({
    OTP_SECRET: current,
    OTP_SECRET_SECOND: other,
  });
  const service = await startService(secrets(first, second));
  const swapped = await startInstance({ ...service.settings, ...secrets(second, first) }, service.clock);
  service.stopFirst(() => swapped.stop());
  return countAll(service, {
    ...ofCodes,
    "generate while one is live under the second": generateWhileLive(swapped),
    "ask under the second": ask(issue, swapped),
    "use under the second": use(swapped),
    "ask after the use under the second": ask(issueAndUse, swapped),
  });
};
