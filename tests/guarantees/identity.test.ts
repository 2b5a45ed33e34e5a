/** The service as an app's managed identity, over real HTTP: a token endpoint, and a store that looks at each request's token. */
import { setTimeout as pause } from "node:timers/promises";
import { identityTiming } from "../../shared/cosmos/identity";
import { expectProblem } from "../support/expect-problem";
import { discount, fiscalCode, type Reply } from "../../tools/support/api";
import {
  startFaultProxy,
  type AccountDescription,
  type Fault,
  type FaultProxy,
} from "../../tools/support/fault-proxy";
import { inOrder } from "../../tools/support/fault-scripts";
import {
  patience,
  startInstance,
  startService,
  type Instance,
  type Service,
} from "../../tools/support/service";
import { askScenario, generateScenario, regenerateScenario, scenarios, useScenario } from "./faults";
import { startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint";

const unauthorized: Fault = { kind: "status", status: 401 };
const forbidden: Fault = { kind: "forbidden", substatus: 5300 };
const clientId = "6f1c6cbe-33b5-4c68-bd0d-1a4d0f8b9c07";

interface ByIdentity {
  readonly tokens: TokenEndpoint;
  readonly proxy: FaultProxy;
  readonly instance: Instance;
  /** Replaces the key of a merchant that no other test has. */
  readonly regenerate: () => Promise<Reply>;
}

interface Options {
  readonly deadlineMs?: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly account?: AccountDescription | undefined;
}

describe("by its managed identity, the service", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService(patience);
  });
  afterAll(() => service.stop());
  let serial = 0;

  /** Runs a test with an instance without a key, and a front before the store that refuses any token that is not in force. */
  const withIdentity = async (
    { deadlineMs = 5000, settings = {}, account }: Options,
    run: (each: ByIdentity) => Promise<void>,
  ): Promise<void> => {
    const tokens = await startTokenEndpoint();
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
    const merchant = `shop-${++serial}`;
    try {
      await run({ tokens, proxy, instance, regenerate: () => instance.regenerate(merchant) });
    } finally {
      await instance.stop();
      await proxy.close();
      await tokens.close();
    }
    // The roles for data create neither databases nor containers.
    const created = proxy.requests.filter(({ method, path }) => method === "POST" && !path.includes("/docs"));
    expect(created).toEqual([]);
    const log = JSON.stringify(instance.log);
    expect(tokens.secrets.filter((secret) => log.includes(secret))).toEqual([]);
  };

  const expectUnavailable = (reply: Reply): void => {
    expectProblem(reply, 503, "service-unavailable");
  };

  const failures = ({ log }: Instance): string =>
    log.flatMap(({ text }) => /"failure":"[^"]*"/.exec(text) ?? []).join("\n");

  it.concurrent("asks for a token once for many calls, by the name of the account and of its identity", () =>
    withIdentity({ settings: { AZURE_CLIENT_ID: clientId } }, async ({ tokens, proxy, instance }) => {
      await Promise.all(Array.from({ length: 30 }, (_, index) => instance.newApiKey(`many-${index}`)));
      expect(tokens.requests.map(({ url }) => Object.fromEntries(url.searchParams))).toEqual([
        { "api-version": "2019-08-01", resource: proxy.endpoint, client_id: clientId },
      ]);
      // Azure Cosmos DB wants a date too (https://learn.microsoft.com/rest/api/cosmos-db/common-cosmosdb-rest-request-headers).
      expect(proxy.requests.filter(({ headers }) => headers["x-ms-date"] === undefined)).toEqual([]);
    }),
  );

  it.concurrent(
    "works with an account that has regions, and says no client id for the system-assigned identity",
    () =>
      withIdentity({ account: {} }, async ({ tokens, regenerate }) => {
        expect((await regenerate()).status).toBe(200);
        expect(tokens.requests[0]?.url.searchParams.has("client_id")).toBe(false);
        tokens.revoke();
        expect((await regenerate()).status).toBe(200);
        expect(tokens.requests).toHaveLength(2);
      }),
  );

  it.concurrent.each([
    generateScenario("the first OTP", "none"),
    askScenario("of a live OTP", "live"),
    useScenario("cart 1"),
    regenerateScenario("in place of one", "both", false),
    ...scenarios.filter(({ name }) => name === "Info"),
  ])("succeeds though the store refuses its token at any store call: $name", async (scenario) => {
    for (let at = 0, calls = 1; at < calls; at += 1) {
      await withIdentity({}, async ({ tokens, proxy, instance, regenerate }) => {
        const merchantId = `shop-${++serial}`;
        const prepared = await scenario.prepare({
          ...{ faulty: instance, direct: service, rival: service, service, merchantId },
          ...{ beneficiary: fiscalCode, body: { ...discount, merchant_id: merchantId } },
        });
        await regenerate();
        const before = proxy.requests.length;
        const guard = tokens.guard(at % 2 === 0 ? unauthorized : forbidden);
        let refused = 0;
        proxy.script((request) => {
          if (request.index === before + at) {
            tokens.revoke();
          }
          const fault = guard(request);
          refused += fault === undefined ? 0 : 1;
          return fault;
        });
        const reply = await prepared.call();
        expect([at, reply.status]).toEqual([at, 200]);
        expect([at, tokens.requests.length]).toEqual([at, 2]);
        expect(refused).toBeGreaterThanOrEqual(1);
        // Each that was refused is made again, once.
        calls = proxy.requests.length - before - refused;
        await prepared.check(reply);
      });
    }
  });

  it.concurrent.each([unauthorized, forbidden])(
    "leaves the token endpoint in peace though the store refuses every token, %j, and recovers",
    (refusal) =>
      withIdentity({}, async ({ tokens, proxy, instance, regenerate }) => {
        expect((await regenerate()).status).toBe(200);
        proxy.script(() => refusal);
        const requestsBefore = proxy.requests.length;
        const start = performance.now();
        for (let calls = 0; calls < 10; calls += 1) {
          expectUnavailable(await regenerate());
        }
        const passedMs = performance.now() - start;
        expect(tokens.requests.length).toBeLessThanOrEqual(2 + passedMs / identityTiming.betweenRefusalsMs);
        // The platform gave out the same token again, with which there was nothing to make again.
        expect(proxy.requests.length - requestsBefore).toBe(10);
        expect(failures(instance)).toContain(refusal === unauthorized ? "store: 401" : "store: 403");
        proxy.script(tokens.guard(unauthorized));
        expect((await regenerate()).status).toBe(200);
      }),
  );

  it.concurrent.each([
    [3, "an account with regions", {}],
    [1008, "a store of one copy", undefined],
  ] as const)("renews no token because of a 403/%d of %s", (substatus, _, account) =>
    withIdentity({ account }, async ({ tokens, proxy, regenerate }) => {
      expect((await regenerate()).status).toBe(200);
      proxy.script(inOrder("read", { kind: "forbidden", substatus }));
      await regenerate();
      expect(proxy.requests.filter(({ operation }) => operation === "read").length).toBeGreaterThan(1);
      expect(tokens.requests).toHaveLength(1);
    }),
  );

  it.concurrent("answers 503 when the token ends between a read and a write, and there is no other", () =>
    withIdentity({}, async ({ tokens, proxy, instance, regenerate }) => {
      expect((await regenerate()).status).toBe(200);
      proxy.script((request) => {
        if (request.operation === "replace") {
          tokens.revoke();
          tokens.behave((response) => response.writeHead(500).end());
        }
        return tokens.guard(unauthorized)(request);
      });
      expectUnavailable(await regenerate());
      expect(failures(instance)).toContain("store: no token (500)");
    }),
  );

  it.concurrent.each<readonly [string, string, (tokens: TokenEndpoint) => void]>([
    [
      "answers 500",
      "500",
      (tokens) => {
        tokens.behave((response) => response.writeHead(500).end("down"));
      },
    ],
    [
      "takes longer than a call may",
      "no answer",
      (tokens) => {
        tokens.slowDown(3000);
      },
    ],
  ])("answers 503 in time while the token endpoint %s, and recovers by itself", (_, reason, trouble) =>
    withIdentity({ deadlineMs: 1500 }, async ({ tokens, proxy, instance, regenerate }) => {
      trouble(tokens);
      expectUnavailable(await regenerate());
      expect(failures(instance)).toContain(`store: no token (${reason}`);
      // Nothing goes to the store without a token.
      expect(proxy.requests).toEqual([]);
      // However often a read is tried, the endpoint is asked a few times.
      expect(tokens.requests.length).toBeLessThanOrEqual(6);
      tokens.behave(undefined);
      while ((await regenerate()).status !== 200) {
        await pause(50);
      }
    }),
  );
});
