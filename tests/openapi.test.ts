import { readFile } from "node:fs/promises";
import { HttpRequest, InvocationContext } from "@azure/functions";
import { makeFunctions } from "../functions";
import { makeHost } from "../local/host";
import { close, listen } from "../local/server";
import { KeyType } from "../shared/api-key";
import { DiscountId, FiscalCode, MerchantId, OtpCode } from "../shared/identifiers";
import { describedAnswers, faultsIn, functionKeyHeader, operations, seenAnswers } from "./contract";
import { call, fiscalCode, makeApi, merchantId, startBehindFaults, startService } from "./support";
import type { Api, Service } from "./support";

/** Calls every operation with what `code` and `apiKey` are, well or badly formed. */
const callAll = async (api: Api, apiKey: string, code: string): Promise<void> => {
  await api.generate();
  await api.ask(apiKey, code);
  await api.regenerate(merchantId, "secondary");
  await api.info();
  await call(`${api.baseUrl}/api/v1/openapi.yaml`);
};

describe("openapi.yaml", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  // Each call is held against the document: this fails when an operation answers what it does not describe.
  it("describes every answer, and no answer that cannot be had", async () => {
    const apiKey = await service.newApiKey();
    const code = await service.newCode();
    await callAll(service, apiKey, code);
    await service.generate("not a fiscal code");
    await service.generate(fiscalCode, { padding: "x".repeat(4096) });
    await service.validate(apiKey, {});
    await service.validate(apiKey, { padding: "x".repeat(4096) });
    await service.ask(apiKey, "short");
    await service.ask("not a key", code);
    await service.ask(apiKey, "AAAAAAAAAAA");
    await service.use(apiKey, code);
    await service.use(apiKey, code);
    const newer = await service.newCode();
    await service.ask(apiKey, code);
    service.clock.advance(600);
    await service.ask(apiKey, newer);
    await service.regenerate("a_b");

    const { proxy, instance } = await startBehindFaults(service, 200);
    proxy.script(() => ({ kind: "status", status: 503 }));
    await callAll(instance, apiKey, code);

    // A bug, of which the real parts have none to show.
    const host = makeHost(
      makeFunctions(service.config, () => {
        throw new Error("bug");
      }),
      () => undefined,
    );
    const port = await listen(host, 0);
    service.stopFirst(() => close(host));
    await callAll(makeApi(`http://127.0.0.1:${port}`), apiKey, code);

    expect([...seenAnswers()].sort()).toEqual([...describedAnswers()].sort());
  });

  it("describes every function, and no other", () => {
    const functions = makeFunctions(service.config, service.store.connect);
    const served = functions.flatMap(({ name, route, methods, authLevel }) =>
      methods.map((method) => ({ name, path: `/${route}`, method, takesKey: authLevel === "function" })),
    );
    const described = operations.map(({ id, path, method, security }) => ({
      name: id,
      path,
      method,
      takesKey: security.some(({ header }) => header === functionKeyHeader),
    }));
    const byName = (one: { name: string }, other: { name: string }): number =>
      one.name < other.name ? -1 : 1;
    expect(described.sort(byName)).toEqual(served.sort(byName));
  });

  it("asks for an API key where one is missed, in the header that the challenge names", async () => {
    const refusing = describedAnswers().flatMap((answer) => /^(\w+) 401 /.exec(answer)?.[1] ?? []);
    const { headers } = await service.ask("", "AAAAAAAAAAA");
    const [, header] = /header="([^"]+)"/.exec(headers.get("www-authenticate") ?? "") ?? [];
    const asking = operations.flatMap(({ id, security }) =>
      security.filter(({ header: name }) => name !== functionKeyHeader).map(({ header: name }) => [id, name]),
    );
    expect(asking).toEqual(refusing.map((id) => [id, header]));
  });

  describe("draws the line where the code draws it for", () => {
    /** The example and all that differs from it in one character, and texts of lengths around every limit. */
    const neighboursOf = (example: string): readonly string[] => {
      const characters = Array.from({ length: 129 }, (_, code) => String.fromCharCode(code));
      const lengths = [0, 1, 2, 10, 11, 12, 15, 16, 17, 63, 64, 65, 127, 128, 129, 254, 255, 256, 257];
      return [
        ...Array.from(example).flatMap((_, index) =>
          characters.map((character) => example.slice(0, index) + character + example.slice(index + 1)),
        ),
        ...lengths.map((length) => example.repeat(300).slice(0, length)),
      ];
    };
    const isAllowed = (name: string, text: string): boolean =>
      faultsIn(["components", "schemas", name], text) === undefined;

    it.each([
      ["FiscalCode", FiscalCode, fiscalCode],
      ["FiscalCode", FiscalCode, "ZZZZZZLMTVURSTNA"],
      ["MerchantId", MerchantId, "Shop-1"],
      ["DiscountId", DiscountId, "Discount-1"],
      ["OtpCode", OtpCode, "B8Y0RZ8AVLB"],
      ["KeyType", KeyType, "primary"],
      ["KeyType", KeyType, "secondary"],
    ])("%s", (name, codec, example) => {
      expect([isAllowed(name, example), codec.is(example)]).toEqual([true, true]);
      for (const text of neighboursOf(example)) {
        expect([text, isAllowed(name, text)]).toEqual([text, codec.is(text)]);
      }
    });

    it("IdempotencyKey", async () => {
      const validateOtp = makeFunctions(service.config, service.store.connect).find(
        ({ name }) => name === "ValidateOtp",
      );
      const statusFor = async (idempotencyKey: string): Promise<unknown> => {
        const request = new HttpRequest({
          method: "POST",
          url: "http://localhost/",
          headers: { "Idempotency-Key": idempotencyKey },
          body: { string: JSON.stringify({ otp_code: "AAAAAAAAAAA" }) },
        });
        const answer = await validateOtp?.handler(
          request,
          new InvocationContext({ logHandler: () => undefined }),
        );
        return answer?.status;
      };
      // What no header can hold, or holds without what is around it, does not come to the function.
      const texts = neighboursOf("cart").filter((text) => !/[\0\r\n\u0080]|^\s|\s$/.test(text));
      for (const text of texts) {
        expect([text, await statusFor(text)]).toEqual([text, isAllowed("IdempotencyKey", text) ? 401 : 400]);
      }
    });
  });

  it("is served as it is", async () => {
    const reply = await call(`${service.baseUrl}/api/v1/openapi.yaml`);
    expect(reply.headers.get("content-type")).toBe("application/yaml");
    expect(reply.text).toBe(await readFile("openapi.yaml", "utf8"));
  });
});
