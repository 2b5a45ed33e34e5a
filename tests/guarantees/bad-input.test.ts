import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expectProblem } from "../support/expect-problem";
import { call, discount, fiscalCode } from "../../tools/support/api";
import { readItems, startService, type Service } from "../../tools/support/service";

/** No answer may repeat this. */
const marker = "marker7f3a";

const bodies: readonly [string, string | Buffer][] = [
  ["empty", ""],
  ["cut off", `{"otp_code":"${marker}`],
  ["a form", `otp_code=${marker}&merchant_id=${marker}&invalidate_otp=true`],
  ["XML", `<otp_code>${marker}</otp_code>`],
  ["a string", `"${marker}"`],
  ["an array of the right shape", JSON.stringify([{ otp_code: marker }])],
  ["an object whose fields are its prototype's", `{"__proto__":{"otp_code":"${marker}"}}`],
  ["a field of the wrong type", `{"otp_code":{"a":"${marker}"},"merchant_id":["${marker}"]}`],
  ["not UTF-8", Buffer.from(`{"otp_code":"${marker}\xff"}`, "latin1")],
  ["UTF-16", Buffer.from(`{"otp_code":"${marker}"}`, "utf16le")],
  ["NUL bytes", Buffer.alloc(100)],
  ["2,000 levels deep", "[".repeat(2000) + "]".repeat(2000)],
  ["10 MB", Buffer.alloc(10_000_000, marker)],
];

const headers: readonly [string, Record<string, string>][] = [
  ["a long Accept-Language", { "Accept-Language": `${marker},`.repeat(700) }],
  ["a senseless Accept-Language", { "Accept-Language": `;q=x,,${marker};q=9,*;q=-1` }],
  ["a form's Content-Type", { "Content-Type": "application/x-www-form-urlencoded" }],
  ["a senseless Content-Type", { "Content-Type": `\xc3\xbf${marker};charset=utf-7` }],
  ["a Content-Encoding", { "Content-Encoding": "gzip" }],
  ["a hostile API key", { "Ocp-Apim-Subscription-Key": `cgn_${marker}'"<script>${"x".repeat(4000)}` }],
  ["a hostile Idempotency-Key", { "Idempotency-Key": `${marker}\xc3\xa8`.repeat(300) }],
  [
    "proxy headers",
    { "X-Forwarded-For": marker, "X-Original-URL": `/${marker}`, "X-HTTP-Method-Override": "PUT" },
  ],
  ["a client principal", { "X-MS-Client-Principal": Buffer.from(marker).toString("base64") }],
  ["many cookies", { Cookie: `${marker}=1; `.repeat(300) }],
];

const invalid = [400, "invalid-request"] as const;
const tooLarge = [413, "request-too-large"] as const;

describe("bad input", () => {
  let service: Service;
  let routes: readonly [string, string][];
  beforeAll(async () => {
    service = await startService();
    routes = [
      ["GenerateOtp", `${service.baseUrl}/api/v1/cgn/otp`],
      ["ValidateOtp", `${service.baseUrl}/api/v1/merchant/cgn/otp/validate`],
      ["GenerateOtp in its deprecated form", `${service.baseUrl}/api/v1/cgn/otp/${fiscalCode}`],
    ];
  });
  afterAll(() => service.stop());

  const stored = async (): Promise<unknown> => [
    await readItems(service.otps),
    await readItems(service.apiKeys),
  ];

  const expectUnchanged = async (run: () => Promise<void>): Promise<void> => {
    const before = await stored();
    await run();
    expect(await stored()).toEqual(before);
    expect(service.log.filter(({ level }) => level === "error")).toEqual([]);
    expect(service.log.map(({ text: line }) => line).join()).not.toContain(marker);
  };

  it.each(bodies)(
    "a body that is %s is refused, writes nothing, and the answer does not repeat it",
    async (name, body) => {
      await expectUnchanged(async () => {
        for (const [, url] of routes) {
          const reply = await call(url, { method: "POST", body });
          const [status, type] = name === "10 MB" ? tooLarge : invalid;
          expectProblem(reply, status, type);
          expect(reply.text).not.toContain(marker);
        }
      });
    },
  );

  it.each(headers)("%s neither breaks an answer nor appears in it", async (_, hostile) => {
    await expectUnchanged(async () => {
      for (const [, url] of routes) {
        const reply = await call(url, { method: "POST", body: "{}", headers: hostile });
        expectProblem(reply, 400, "invalid-request");
        expect(reply.text).not.toContain(marker);
        expect([...reply.headers].join()).not.toContain(marker);
      }
    });
  });

  it("of a field given twice the last value counts, as in JSON.parse", async () => {
    const apiKey = await service.newApiKey();
    const code = await service.newCode("AAAAAA00A00A000C");
    const body = `{"otp_code":"${code}","invalidate_otp":true,"invalidate_otp":false}`;
    const headersOf = { "Ocp-Apim-Subscription-Key": apiKey };
    const url = routes[1]?.[1] ?? "";
    expect((await call(url, { method: "POST", body, headers: headersOf })).status).toBe(200);
    expect((await service.use(apiKey, code)).status).toBe(200);
  });

  it("a byte order mark before the JSON is ignored, and so is Content-Type", async () => {
    for (const [index, type] of ["text/plain", "application/x-www-form-urlencoded", ""].entries()) {
      const url = `${service.baseUrl}/api/v1/cgn/otp`;
      const body = `\ufeff${JSON.stringify({ fiscal_code: `AAAAAA00A00A00${index}D`, ...discount })}`;
      expect((await call(url, { method: "POST", body, headers: { "Content-Type": type } })).status).toBe(200);
    }
  });

  it("a body in chunks does not arrive, however large it is", async () => {
    for (const [, url] of routes) {
      for (const size of [1, 100_000]) {
        const chunks = new Blob([JSON.stringify(discount).padEnd(size)]).stream();
        expectProblem(
          await call(url, { method: "POST", body: chunks, duplex: "half" }),
          400,
          "invalid-request",
        );
      }
    }
  });

  it("a Content-Length that is not a number is refused before any function sees it", async () => {
    const { hostname, port } = new URL(service.baseUrl);
    for (const length of ["-1", "0x10", marker, "1, 2"]) {
      const socket = connect(Number(port), hostname);
      socket.write(
        `POST /api/v1/merchant/cgn/otp/validate HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n{}`,
      );
      expect(await text(socket)).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    }
  });

  it.each(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])("%s is not found", async (method) => {
    for (const [, url] of routes) {
      expect((await call(url, { method })).status).toBe(404);
    }
  });

  it.each([
    ["GET", "/api/v1/openapiXyaml"],
    ["POST", "/"],
    ["POST", "/api/v1/cgn/otp/a/b"],
    ["GET", "//evil/api/v1/info"],
    ["GET", "/api/v1/info/..%2f"],
    ["GET", "/api/v1/infos"],
  ])("%s %s is not found", async (method, path) => {
    expect((await call(service.baseUrl + path, { method })).status).toBe(404);
  });
});
