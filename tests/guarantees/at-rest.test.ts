import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import * as t from "io-ts";
import type { HostLine } from "../../local/host";
import { discount } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import {
  readItems,
  startInstance,
  startService,
  type Instance,
  type Service,
} from "../../tools/support/service";

const levels = ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"];

const { logLevel } = decode(
  t.type({ logging: t.type({ logLevel: t.record(t.string, t.string) }) }),
  JSON.parse(readFileSync("host.json", "utf8")),
).logging;

/** The longest prefix of the category decides (https://learn.microsoft.com/azure/azure-functions/configure-monitoring). */
const isLoggedByHost = ({ category, level }: Pick<HostLine, "category" | "level">): boolean => {
  const [best] = Object.keys(logLevel)
    .filter((prefix) => category === prefix || category.startsWith(`${prefix}.`))
    .toSorted((one, other) => other.length - one.length);
  // Without a level of its own a category has the host's default.
  const least = best === undefined ? "Information" : logLevel[best];
  return levels.indexOf(level) >= levels.indexOf(least ?? "");
};

describe("at rest", () => {
  let service: Service;
  /** Issues under the secret that is the second of `service`. */
  let swapped: Instance;
  const requests: string[] = [];
  const codes: string[] = [];
  const apiKeys: string[] = [];
  const beneficiaries: string[] = [];
  let database: string;

  // Generates, repeated generates, asks, uses, retries, refusals and regenerations. Some OTPs stay live.
  beforeAll(async () => {
    service = await startService({ OTP_SECRET_SECOND: randomBytes(32).toString("base64") });
    const { OTP_SECRET: first = "", OTP_SECRET_SECOND: second = "", ...settings } = service.settings;
    swapped = await startInstance(
      { ...settings, OTP_SECRET: second, OTP_SECRET_SECOND: first },
      service.clock,
    );
    service.stopFirst(() => swapped.stop());
    service.storeServer.on("request", (request) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        requests.push(
          [request.method, request.url, ...request.rawHeaders, Buffer.concat(chunks).toString()].join("\n"),
        );
      });
    });
    for (let index = 0; index < 12; index++) {
      const merchant = `shop-${index % 3}`;
      const beneficiary = `ABCDEF00A01H${String(index).padStart(3, "0")}Z`;
      beneficiaries.push(beneficiary);
      const body = { ...discount, merchant_id: merchant };
      const keyType = index % 2 === 0 ? "primary" : "secondary";
      const apiKey = await service.newApiKey(merchant, keyType, `press of ${beneficiary}`);
      // Told again from what is stored.
      await service.regenerate(merchant, keyType, `press of ${beneficiary}`);
      const issuer = index % 2 === 0 ? service : swapped;
      const code = await issuer.newCode(beneficiary, body);
      apiKeys.push(apiKey);
      codes.push(code);
      await service.generate(beneficiary, body);
      await service.ask(apiKey, code);
      if (index % 3 === 0) {
        await service.use(apiKey, code, `cart of ${beneficiary}`);
        await service.use(apiKey, code, `cart of ${beneficiary}`);
        await service.ask(apiKey, code);
        codes.push(await service.newCode(beneficiary, body));
        await service.ask(apiKey, code);
      }
      await service.ask(apiKey, "AAAAAAAAAAA");
      await service.ask("not a key", code);
      const testApiKey = await service.newApiKey(merchant, "test");
      apiKeys.push(testApiKey);
      await service.use(testApiKey, "TESTLIVE000", `cart of ${beneficiary}`);
    }
    database = JSON.stringify([await readItems(service.otps), await readItems(service.apiKeys)]);
  });
  afterAll(() => service.stop());

  const places = (): [string, string][] => [
    ["the database", database],
    ["the requests made to it", requests.join("\n")],
    ["the log of the functions", [...service.log, ...swapped.log].map(({ text }) => text).join("\n")],
  ];
  /** A secret as it is, and in the encodings in which a mistake could write it. */
  const writings = (secret: string): string[] => [
    secret,
    secret.toLowerCase(),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("hex"),
    Buffer.from(secret).toString("base64").replaceAll("=", ""),
    Buffer.from(secret).toString("base64url"),
  ];
  const expectNowhere = (secrets: readonly string[]): void => {
    expect(secrets.length).toBeGreaterThan(0);
    for (const [place, text] of places()) {
      const found = secrets.filter((secret) => writings(secret).some((writing) => text.includes(writing)));
      expect([place, found]).toEqual([place, []]);
    }
  };

  it("there is something to look at", () => {
    expect(requests.length).toBeGreaterThan(100);
    expect(database).toContain('"nonce"');
    expect(database).toContain('"primary"');
    expect(database).toContain('"test"');
    expect(database).toContain('"idempotencyKeyHash"');
    expect(requests.join("\n")).toContain("/dbs/cgn/colls/otps/docs/otp-");
  });

  it("no code can be read", () => {
    expectNowhere(codes);
  });

  it("no API key can be read, nor its random part", () => {
    expectNowhere(apiKeys);
    expectNowhere(apiKeys.map((apiKey) => apiKey.slice(-72, -8)));
  });

  it("no fiscal code can be read", () => {
    expectNowhere(beneficiaries);
  });

  describe("in the log of the host itself", () => {
    const readHost = (lines: readonly HostLine[]): string => lines.map(({ text }) => text).join("\n");

    it("no fiscal code can be read at any level, since none is in an address", () => {
      const text = readHost([...service.hostLog, ...swapped.hostLog]);
      expect(text).toContain("/api/v1/cgn/otp");
      expect(
        beneficiaries.filter((each) => writings(each).some((writing) => text.includes(writing))),
      ).toEqual([]);
    });

    it("none can be read at the levels of host.json either, where the deprecated form puts it into the address", async () => {
      const beneficiary = "ABCDEF00A01H999Z";
      const from = service.hostLog.length;
      expect((await service.generateByPath(beneficiary)).status).toBe(200);
      // .NET accepts this Host, and Node's URL does not: the worker's error quotes the address.
      const refused = await new Promise((resolve) => {
        const headers = { Host: "localhost:99999", "Content-Length": 2 };
        request(
          `${service.baseUrl}/api/v1/cgn/otp/${beneficiary}`,
          { method: "POST", headers },
          ({ statusCode }) => {
            resolve(statusCode);
          },
        ).end("{}");
      });
      expect(refused).toBe(500);
      const lines = service.hostLog.slice(from);
      expect(lines.filter(({ text }) => text.includes(beneficiary)).map(({ level }) => level)).toEqual(
        expect.arrayContaining(["Information", "Error"]),
      );
      expect(readHost(lines.filter(isLoggedByHost))).not.toContain(beneficiary);
    });
  });

  it("no Idempotency-Key can be read", () => {
    expectNowhere(beneficiaries.map((beneficiary) => `cart of ${beneficiary}`));
    expectNowhere(beneficiaries.map((beneficiary) => `press of ${beneficiary}`));
  });

  it("neither OTP_SECRET nor OTP_SECRET_SECOND can be read", () => {
    const secrets = [service.config.otpSecret, swapped.config.otpSecret];
    expect(service.config.otpSecretSecond).toEqual(swapped.config.otpSecret);
    expectNowhere(secrets.flatMap((secret) => [secret.toString("base64"), secret.toString("hex")]));
  });
});
