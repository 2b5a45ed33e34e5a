/** The service as an app's managed identity, over real HTTP: a token endpoint, and a store that looks at each request's token. */
import type { ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { allAtOnce } from "../support/all-at-once";
import { expectProblem } from "../support/expect-problem";
import { discount, fiscalCode, type Api, type Reply } from "../../tools/support/api";
import {
  resetConnection,
  startFaultProxy,
  type AccountDescription,
  type Fault,
  type FaultProxy,
} from "../../tools/support/fault-proxy";
import { startInstance, startService, type Instance, type Service } from "../../tools/support/service";
import { startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint";

const unauthorized: Fault = { kind: "status", status: 401 };
const forbidden: Fault = { kind: "forbidden", substatus: 5300 };
const clientId = "6f1c6cbe-33b5-4c68-bd0d-1a4d0f8b9c07";

/** How the token endpoint answers. */
type Behaviour = (response: ServerResponse) => void;

interface ByIdentity {
  readonly tokens: TokenEndpoint;
  readonly proxy: FaultProxy;
  readonly instance: Instance;
}

interface Options {
  readonly deadlineMs?: number;
  readonly lifetimeSeconds?: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly account?: AccountDescription;
}

describe("by its managed identity, the service", () => {
  let service: Service;
  const running: (ByIdentity & { readonly stop: () => Promise<void> })[] = [];
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());
  afterEach(async () => {
    const started = running.splice(0);
    await Promise.all(started.map(({ stop }) => stop()));
    for (const { tokens, proxy, instance } of started) {
      // The roles for data create neither databases nor containers.
      expect(
        proxy.requests.filter(({ method, path }) => method === "POST" && !path.includes("/docs")),
      ).toEqual([]);
      const log = JSON.stringify(instance.log);
      expect(tokens.secrets.filter((secret) => log.includes(secret))).toEqual([]);
    }
  });

  /** An instance without a key, and a front before the store that refuses any token that is not in force. */
  const start = async ({
    deadlineMs = 5000,
    lifetimeSeconds,
    settings = {},
    account,
  }: Options = {}): Promise<ByIdentity> => {
    const tokens = await startTokenEndpoint(lifetimeSeconds);
    const proxy = await startFaultProxy(service.config.cosmos.endpoint, account);
    proxy.script(tokens.guard(unauthorized));
    const instance = await startInstance(
      {
        ...service.settings,
        ...tokens.settings,
        COSMOSDB_ENDPOINT: proxy.endpoint,
        REQUEST_DEADLINE_IN_MS: String(deadlineMs),
        ...(account === undefined ? {} : { COSMOSDB_SINGLE_COPY: "false" }),
        ...settings,
      },
      service.clock,
    );
    const stop = async (): Promise<void> => {
      await instance.stop();
      await proxy.close();
      await tokens.close();
    };
    running.push({ tokens, proxy, instance, stop });
    return { tokens, proxy, instance };
  };

  /** The tests that wait. They run side by side. */
  const waiting: (readonly [string, () => Promise<void>])[] = [];

  const expectUnavailableInTime = async (instance: Instance, deadlineMs: number): Promise<void> => {
    const begin = performance.now();
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect(performance.now() - begin).toBeLessThan(deadlineMs + 2000);
  };

  /** A token endpoint that hung is asked again after 10 s. */
  const untilServed = async (instance: Instance): Promise<void> => {
    const end = performance.now() + 11_000;
    let reply = await instance.regenerate();
    while (reply.status !== 200 && performance.now() < end) {
      await pause(50);
      reply = await instance.regenerate();
    }
    expect(reply.status).toBe(200);
  };

  const failures = ({ log }: Instance): string =>
    log.flatMap(({ text }) => /"failure":"[^"]*"/.exec(text) ?? []).join("\n");

  it("asks for a token as App Service wants to be asked, once for many calls", async () => {
    const { tokens, proxy, instance } = await start({ settings: { AZURE_CLIENT_ID: clientId } });
    const apiKeys = await Promise.all(
      Array.from({ length: 30 }, (_, index) => instance.newApiKey(`shop-${index}`)),
    );
    expect((await instance.ask(apiKeys[0] ?? "", "AAAAAAAAAAA")).status).toBe(404);
    expect(tokens.requests).toHaveLength(1);
    expect(Object.fromEntries(tokens.requests[0]?.url.searchParams ?? [])).toEqual({
      "api-version": "2019-08-01",
      resource: proxy.endpoint,
      client_id: clientId,
    });
    // Azure Cosmos DB wants a date too (https://learn.microsoft.com/rest/api/cosmos-db/common-cosmosdb-rest-request-headers).
    expect(proxy.requests.filter(({ headers }) => headers["x-ms-date"] === undefined)).toEqual([]);
  });

  it("works with an account that has regions, and says no client id for the system-assigned identity", async () => {
    const { tokens, instance } = await start({ account: {} });
    await instance.newApiKey();
    expect(tokens.requests[0]?.url.searchParams.has("client_id")).toBe(false);
    tokens.revoke();
    await instance.newApiKey();
    expect(tokens.requests).toHaveLength(2);
  });

  waiting.push([
    "renews a token before it ends, and no call notices",
    async () => {
      const { tokens, proxy, instance } = await start({ lifetimeSeconds: 2 });
      const refusals: string[] = [];
      const guard = tokens.guard(unauthorized);
      proxy.script((request) => {
        const fault = guard(request);
        refusals.push(...(fault === undefined ? [] : [request.path]));
        return fault;
      });
      const end = performance.now() + 3_500;
      while (performance.now() < end) {
        expect((await instance.regenerate()).status).toBe(200);
        await pause(20);
      }
      expect(refusals).toEqual([]);
      // Of each token's life the second half is time to renew it.
      expect(tokens.requests.length).toBeGreaterThanOrEqual(3);
      expect(tokens.requests.length).toBeLessThanOrEqual(12);
    },
  ]);

  const scenarios: readonly (readonly [string, (faulty: Api) => Promise<() => Promise<Reply>>])[] = [
    ["GenerateOtp", (faulty) => Promise.resolve(() => faulty.generate("AAAAAA00A00A001A", unique()))],
    [
      "ValidateOtp asking",
      async (faulty) => {
        const [apiKey, code] = [await service.newApiKey(), await service.newCode(fiscalCode, unique())];
        return () => faulty.ask(apiKey, code);
      },
    ],
    [
      "ValidateOtp using",
      async (faulty) => {
        const [apiKey, code] = [await service.newApiKey(), await service.newCode(fiscalCode, unique())];
        return () => faulty.use(apiKey, code);
      },
    ],
    ["RegenerateApiKey", (faulty) => Promise.resolve(() => faulty.regenerate("shop-2"))],
    ["Info", (faulty) => Promise.resolve(() => faulty.info())],
  ];
  let serial = 0;
  const unique = (): typeof discount => ({ ...discount, discount_id: `discount-${++serial}` });

  it.each(scenarios)(
    "succeeds though the store refuses its token at any store call: %s",
    async (_, prepare) => {
      for (const refusal of [unauthorized, forbidden]) {
        for (let at = 0, calls = 1; at < calls; at += 1) {
          const { tokens, proxy, instance } = await start();
          const call = await prepare(instance);
          await instance.newApiKey("warm-up");
          const before = proxy.requests.length;
          const guard = tokens.guard(refusal);
          let refused = 0;
          proxy.script((request) => {
            if (request.index === before + at) {
              tokens.revoke();
            }
            const fault = guard(request);
            refused += fault === undefined ? 0 : 1;
            return fault;
          });
          expect([refusal, at, (await call()).status]).toEqual([refusal, at, 200]);
          expect([refusal, at, tokens.requests.length]).toEqual([refusal, at, 2]);
          expect(refused).toBeGreaterThanOrEqual(1);
          // Each that was refused is made again, once.
          calls = proxy.requests.length - before - refused;
        }
      }
    },
  );

  it("renews a refused token once for all the calls that it was refused to", async () => {
    const { tokens, instance } = await start();
    await instance.newApiKey();
    tokens.revoke();
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, index) => instance.regenerate(`shop-${index}`)),
    );
    expect(replies.filter(({ status }) => status !== 200)).toEqual([]);
    expect(tokens.requests).toHaveLength(2);
  });

  it.each([unauthorized, forbidden])(
    "leaves the token endpoint in peace though the store refuses every token, %j, and recovers",
    async (refusal) => {
      const { tokens, proxy, instance } = await start();
      await instance.newApiKey();
      proxy.script(() => refusal);
      const requestsBefore = proxy.requests.length;
      for (let calls = 0; calls < 20; calls += 1) {
        expectProblem(await instance.regenerate(), 503, "service-unavailable");
      }
      expect(tokens.requests).toHaveLength(2);
      // The platform gave out the same token again, with which there was nothing to make again.
      expect(proxy.requests.length - requestsBefore).toBe(20);
      expect(failures(instance)).toContain(refusal === unauthorized ? "store: 401" : "store: 403");
      proxy.script(tokens.guard(unauthorized));
      expect((await instance.regenerate()).status).toBe(200);
    },
  );

  it.each([
    [3, "an account with regions", {}],
    [1008, "an account with regions", {}],
    [3, "a store of one copy", undefined],
    [1008, "a store of one copy", undefined],
  ] as const)("renews no token because of a 403/%d of %s", async (substatus, _, account) => {
    const { tokens, proxy, instance } = await start({ ...(account && { account }), deadlineMs: 500 });
    await instance.newApiKey();
    proxy.script(({ operation }) => (operation === "other" ? undefined : { kind: "forbidden", substatus }));
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect(tokens.requests).toHaveLength(1);
  });

  it("is answered 503 when the token ends between a read and a write, and there is no other", async () => {
    const { tokens, proxy, instance } = await start({ deadlineMs: 1000 });
    await instance.newApiKey();
    proxy.script((request) => {
      if (request.operation === "replace") {
        tokens.revoke();
        tokens.behave((response) => response.writeHead(500).end());
      }
      return tokens.guard(unauthorized)(request);
    });
    expectProblem(await instance.regenerate(), 503, "service-unavailable");
    expect(failures(instance)).toContain("store: no token (500)");
    tokens.behave(undefined);
    proxy.script(tokens.guard(unauthorized));
    await pause(250);
    expect((await instance.regenerate()).status).toBe(200);
  });

  const troubles: readonly (readonly [string, string, Behaviour])[] = [
    ["hangs", "no answer", () => undefined],
    [
      "resets the connection",
      "no answer",
      ({ socket }) => {
        if (socket !== null) {
          resetConnection(socket);
        }
      },
    ],
    ["answers 500", "500", (response) => response.writeHead(500).end("down")],
    ["answers 400", "400", (response) => response.writeHead(400).end('{"message":"no such identity"}')],
    [
      "answers a token that has ended",
      "nonsense",
      (response) => response.writeHead(200).end('{"access_token":"a","expires_on":"1000000000"}'),
    ],
  ];
  for (const [does, reason, behaviour] of troubles) {
    waiting.push([
      `is answered 503 in time while the token endpoint ${does}, and recovers by itself`,
      async () => {
        const deadlineMs = 600;
        const { tokens, proxy, instance } = await start({ deadlineMs });
        tokens.behave(behaviour);
        await expectUnavailableInTime(instance, deadlineMs);
        expect(failures(instance)).toContain(`store: no token (${reason}`);
        // Nothing goes to the store without a token.
        expect(proxy.requests).toEqual([]);
        // However often a read is tried, the endpoint is asked a few times.
        expect(tokens.requests.length).toBeLessThanOrEqual(6);
        tokens.behave(undefined);
        await untilServed(instance);
      },
    ]);
  }

  waiting.push([
    "is answered 503 in time while a token takes longer than a call may, and has it then",
    async () => {
      const deadlineMs = 600;
      const { tokens, instance } = await start({ deadlineMs });
      tokens.slowDown(1500);
      await expectUnavailableInTime(instance, deadlineMs);
      await untilServed(instance);
      expect(tokens.requests).toHaveLength(1);
    },
  ]);

  allAtOnce(waiting)("keeps its promises while tokens end and the token endpoint fails", (_, run) => run());
});
