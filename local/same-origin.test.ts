import { request as send, type OutgoingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { startService, type Service } from "../tools/support/service";
import { explainForeign, type ArrivalHeaders } from "./same-origin";

describe("a request to the local host", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it.each<[ArrivalHeaders]>([
    [{}],
    [{ host: ["localhost:7071"] }],
    [{ host: ["LOCALHOST:7071"] }],
    [{ host: ["127.255.255.254:7071"] }],
    [{ host: ["[::1]:7071"] }],
    [{ host: ["127.0.0.1:7071"], origin: ["http://127.0.0.1:7071"] }],
    [{ host: ["localhost:7071"], origin: ["http://localhost:7071"], "sec-fetch-site": ["same-origin"] }],
    [{ host: ["127.0.0.1:7071"], "sec-fetch-site": ["none"] }],
  ])("is answered when it comes from this host's pages or from no page: %j", (headers) => {
    expect(explainForeign(headers)).toBeUndefined();
  });

  it.each<[string[]]>([
    [["shop.example:7071"]],
    [["localhost.shop.example"]],
    [["127.0.0.1.shop.example:7071"]],
    [["10.0.0.1:7071"]],
    [["notlocalhost"]],
    [["localhost:7071@shop.example"]],
    [["localhost:port"]],
    [[""]],
    [["localhost", "shop.example"]],
  ])("is refused when its Host is not loopback, with any other header: %j", (host) => {
    const explanation = explainForeign({ host, origin: ["http://shop.example"] });
    expect(explanation).toContain("Host");
    expect(explanation).not.toContain("shop.example");
  });

  it("is answered under a Host that is allowed, and still from no foreign page", () => {
    const allowed = ["host.docker.internal", "[fe80::1]"];
    const explain = (headers: ArrivalHeaders): string | undefined => explainForeign(headers, allowed);
    expect(explain({ host: ["HOST.docker.internal:7071"] })).toBeUndefined();
    expect(explain({ host: ["[fe80::1]:7071"] })).toBeUndefined();
    expect(explain({ host: ["localhost:7071"] })).toBeUndefined();
    for (const host of ["docker.internal", "a.host.docker.internal", "host.docker.internal.example"]) {
      expect(explain({ host: [host] })).toContain("ALLOWED_HOSTS=host.docker.internal");
    }
    expect(explain({ host: ["host.docker.internal"], origin: ["http://shop.example"] })).toMatch(
      /^A page of another site/,
    );
  });

  it.each<[Omit<ArrivalHeaders, "host">]>([
    [{ origin: ["https://shop.example"] }],
    [{ origin: ["null"] }],
    [{ origin: ["http://127.0.0.1:7072"] }],
    [{ origin: ["http://127.0.0.1:7071.shop.example"] }],
    [{ origin: ["http://127.0.0.1:7071", "https://shop.example"] }],
    [{ "sec-fetch-site": ["cross-site"] }],
    [{ "sec-fetch-site": ["same-site"] }],
    [{ "sec-fetch-site": ["none", "cross-site"] }],
    [{ origin: ["http://127.0.0.1:7071"], "sec-fetch-site": ["cross-site"] }],
    [{ origin: ["https://shop.example"], "sec-fetch-site": ["same-origin"] }],
  ])("is refused when a foreign page made it, with advice on what to do: %j", (headers) => {
    expect(explainForeign({ host: ["127.0.0.1:7071"], ...headers })).toMatch(
      /^A page of another site made this request, .* paste it into the address bar\.$/,
    );
  });

  it("has no effect when it is refused, on any route or page and with any method", async () => {
    const apiKey = await service.newApiKey();
    const exchange = (
      method: string,
      path: string,
      headers: OutgoingHttpHeaders,
    ): Promise<readonly [number | undefined, string | undefined, string]> =>
      new Promise((resolve, reject) => {
        send(`${service.baseUrl}${path}`, { method, headers }, (answer) => {
          text(answer).then((body) => {
            resolve([answer.statusCode, answer.headers["content-type"], body]);
          }, reject);
        })
          .on("error", reject)
          .end();
      });
    const key = "/api/v1/cgn/merchants/shop-1/api-keys/primary";
    for (const [method, path, headers] of [
      ["POST", key, { host: "shop.example" }],
      ["POST", key, { origin: "https://shop.example" }],
      ["POST", key, { "sec-fetch-site": "cross-site" }],
      ["OPTIONS", key, { origin: "https://shop.example", "access-control-request-method": "POST" }],
      ["GET", "/api/v1/info", { host: "shop.example" }],
      ["GET", "/", { "sec-fetch-site": "cross-site" }],
      ["GET", "/nowhere", { "sec-fetch-site": "same-site" }],
    ] as const) {
      const [status, contentType, body] = await exchange(method, path, headers);
      expect([method, path, status, contentType]).toEqual([method, path, 403, "text/plain; charset=utf-8"]);
      expect(body).toMatch(/^[^\n]*\. [^\n]*\.\n$/);
    }
    expect((await service.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
    expect((await exchange("GET", "/api/v1/info", { "sec-fetch-site": "none" }))[0]).toBe(200);
    expect((await exchange("POST", key, { origin: service.baseUrl }))[0]).toBe(200);
    expect((await service.ask(apiKey, "AAAAAAAAAAA")).status).toBe(401);
  });
});
