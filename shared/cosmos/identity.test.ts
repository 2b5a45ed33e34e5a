import { createServer, type ServerResponse } from "node:http";
import { close, listen } from "../../local/server";
import { startTokenEndpoint, type TokenEndpoint } from "../../tests/support/token-endpoint";
import { makePooledHttpClient, type PooledHttpClient } from "./http-client";
import { identityTiming, makeIdentity, type Identity, type IdentityTiming } from "./identity";

const account = "https://account.documents.azure.com:443/";
const clientId = "6f1c6cbe-33b5-4c68-bd0d-1a4d0f8b9c07";

const second = 1000;
const hour = 3600 * second;

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe("a managed identity", () => {
  let tokens: TokenEndpoint;
  let client: PooledHttpClient;
  let time: number;
  beforeEach(async () => {
    tokens = await startTokenEndpoint();
    client = makePooledHttpClient();
    time = 1_000_000;
  });
  afterEach(async () => {
    client.close();
    await tokens.close();
  });

  const make = (timing: Partial<IdentityTiming> = {}, header = tokens.header): Identity =>
    makeIdentity({
      identity: { kind: "identity", endpoint: tokens.endpoint, header, clientId },
      account,
      sender: client,
      timing: { ...identityTiming, ...timing },
      now: () => time,
    });

  const answerWith = (body: unknown, status = 200): void => {
    tokens.behave((response) => response.writeHead(status).end(JSON.stringify(body)));
  };

  const reasonOf = async (asking: Promise<unknown>): Promise<string> => {
    const reason: unknown = await asking.then(
      () => "a token",
      (error: unknown) => error,
    );
    return reason instanceof Error ? reason.message : String(reason);
  };

  it("asks as App Service wants to be asked, for the account by its origin", async () => {
    await make().token();
    expect(tokens.requests.map(({ url }) => Object.fromEntries(url.searchParams))).toEqual([
      { "api-version": "2019-08-01", resource: "https://account.documents.azure.com", client_id: clientId },
    ]);
  });

  it("asks once for all who need a token at the same time, and for those after them", async () => {
    tokens.slowDown(20);
    const identity = make();
    const given = await Promise.all(Array.from({ length: 50 }, () => identity.token()));
    expect(new Set([...given, await identity.token()])).toEqual(new Set([tokens.secrets.at(-1)]));
    expect(tokens.requests).toHaveLength(1);
  });

  it.each([
    ["a string", (at: number) => String(at)],
    ["a number", (at: number) => at],
  ])("reads when a token ends from %s, in seconds", async (_, write) => {
    const identity = make();
    answerWith({ access_token: "first", expires_on: write(inSeconds(3600)) });
    expect(await identity.token()).toBe("first");
    answerWith({ access_token: "next", expires_on: write(inSeconds(3600)) });
    time += 1790 * second;
    expect([await identity.token(), tokens.requests.length]).toEqual(["first", 1]);
    time += 1811 * second;
    expect([await identity.token(), tokens.requests.length]).toEqual(["next", 2]);
  });

  it("renews a token in the second half of its life, beside the calls that still use it", async () => {
    const identity = make();
    answerWith({ access_token: "first", expires_on: inSeconds(3600) });
    await identity.token();
    answerWith({ access_token: "next", expires_on: inSeconds(3600) });
    time += 1801 * second;
    expect(await identity.token()).toBe("first");
    await untilIs(() => identity.token(), "next");
    expect(tokens.requests).toHaveLength(2);
  });

  it("renews after twelve hours a token that says it lives longer than a day", async () => {
    const identity = make();
    // Milliseconds, where seconds should be.
    answerWith({ access_token: "first", expires_on: String(Date.now() + hour) });
    await identity.token();
    answerWith({ access_token: "next", expires_on: inSeconds(3600) });
    time += 12 * hour - second;
    expect([await identity.token(), tokens.requests.length]).toEqual(["first", 1]);
    time += 2 * second;
    await untilIs(() => identity.token(), "next");
  });

  it.each<[string, unknown]>([
    ["a token of another type", { access_token: 7, expires_on: inSeconds(60) }],
    ["no token", { expires_on: inSeconds(60) }],
    ["a token that no header can carry", { access_token: "a\r\nb: c", expires_on: inSeconds(60) }],
    ["an end that is true", { access_token: "a", expires_on: true }],
    ["an end that is empty", { access_token: "a", expires_on: "" }],
    ["an end in the past", { access_token: "a", expires_on: inSeconds(-1) }],
    ["an end beyond all numbers", { access_token: "a", expires_on: `9${"0".repeat(400)}` }],
    ["a list", [{ access_token: "a", expires_on: inSeconds(60) }]],
  ])("takes %s for nonsense", async (_, body) => {
    answerWith(body);
    expect(await reasonOf(make().token())).toBe("no token (nonsense)");
  });

  it("takes what is no JSON for nonsense", async () => {
    tokens.behave((response) => response.end("<html>"));
    expect(await reasonOf(make().token())).toBe("no token (nonsense)");
  });

  it("says with which status it was refused, and nothing else that the endpoint said", async () => {
    expect(await reasonOf(make({}, "wrong").token())).toBe("no token (401)");
    answerWith({ message: "no such identity" }, 400);
    expect(await reasonOf(make().token())).toBe("no token (400)");
    expect(tokens.requests).toHaveLength(2);
  });

  it("does not follow the endpoint elsewhere, where its header would be seen", async () => {
    const seen: string[] = [];
    const elsewhere = createServer(({ url = "" }, response) => {
      seen.push(url);
      response.end();
    });
    const location = `http://127.0.0.1:${await listen(elsewhere, 0)}/`;
    for (const status of [301, 302, 307, 308]) {
      tokens.behave((response) => response.writeHead(status, { location }).end());
      expect(await reasonOf(make().token())).toBe(`no token (${status})`);
    }
    await close(elsewhere);
    expect(seen).toEqual([]);
  });

  it("asks by the common name where the tenant does not know the account's, and not for another refusal", async () => {
    tokens.behave((response) => {
      tokens.behave(undefined);
      response.writeHead(400).end('{"message":"AADSTS500011: The resource principal was not found"}');
    });
    expect(await make().token()).toBe(tokens.secrets.at(-1));
    expect(tokens.requests.map(({ url }) => url.searchParams.get("resource"))).toEqual([
      "https://account.documents.azure.com",
      "https://cosmos.azure.com",
    ]);
  });

  const drip = (response: ServerResponse): void => {
    const timer = setInterval(() => response.write("a".repeat(1000)), 5);
    response.on("close", () => {
      clearInterval(timer);
    });
  };
  it.each<[string, (response: ServerResponse) => void]>([
    ["says nothing", () => undefined],
    ["never ends its answer", drip],
  ])("waits no longer than it should for an endpoint that %s, and then asks again", async (_, behaviour) => {
    tokens.behave(behaviour);
    const identity = make({ patienceMs: 100 });
    expect(await reasonOf(identity.token())).toBe("no token (no answer)");
    tokens.behave(undefined);
    time += identityTiming.afterFailureMs;
    expect(await identity.token()).toBe(tokens.secrets.at(-1));
  });

  it("leaves the endpoint in peace for a while after a failure, which it tells until then", async () => {
    const identity = make();
    answerWith({}, 500);
    await reasonOf(identity.token());
    tokens.behave(undefined);
    time += identityTiming.afterFailureMs - 1;
    expect([await reasonOf(identity.token()), tokens.requests.length]).toEqual(["no token (500)", 1]);
    time += 1;
    expect([await identity.token(), tokens.requests.length]).toEqual([tokens.secrets.at(-1), 2]);
  });

  it("gives out a token to its end while there is no other, and none after", async () => {
    const identity = make();
    answerWith({ access_token: "first", expires_on: inSeconds(3600) });
    await identity.token();
    answerWith({}, 500);
    time += 3598 * second;
    expect(await identity.token()).toBe("first");
    time += 3 * second;
    expect(await reasonOf(identity.token())).toBe("no token (500)");
  });

  describe("whose token is refused", () => {
    let identity: Identity;
    let first: string;
    beforeEach(async () => {
      identity = make();
      first = await identity.token();
    });

    it("has another one for all to whom it was refused, then and later", async () => {
      tokens.revoke();
      tokens.slowDown(20);
      const given = await Promise.all(Array.from({ length: 50 }, () => identity.replace(first)));
      given.push(await identity.replace(first), await identity.token());
      expect(new Set(given)).toEqual(new Set([tokens.secrets.at(-1)]));
      expect(given).not.toContain(first);
      expect(tokens.requests).toHaveLength(2);
    });

    it("has nothing else where the endpoint gives out the same again, and asks again after a while", async () => {
      expect(await identity.replace(first)).toBeUndefined();
      tokens.revoke();
      time += identityTiming.betweenRefusalsMs - 1;
      expect([await identity.replace(first), tokens.requests.length]).toEqual([undefined, 2]);
      time += 1;
      expect([await identity.replace(first), tokens.requests.length]).toEqual([tokens.secrets.at(-1), 3]);
    });

    it("asks for another as soon as the endpoint may be asked again, if there was none to be had", async () => {
      answerWith({}, 503);
      expect(await reasonOf(identity.replace(first))).toBe("no token (503)");
      tokens.revoke();
      tokens.behave(undefined);
      time += identityTiming.afterFailureMs;
      expect(await identity.replace(first)).toBe(tokens.secrets.at(-1));
    });
  });
});

const untilIs = async (get: () => Promise<string>, expected: string): Promise<void> => {
  const end = performance.now() + 5_000;
  while ((await get()) !== expected) {
    if (performance.now() > end) {
      throw new Error("it never was");
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
