import { readFile } from "node:fs/promises";
import { makeFunctions } from "../functions";
import { makeHost } from "../local/host";
import { close, listen } from "../local/server";
import { describedAnswers, seenAnswers } from "./contract";
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

  it("is served as it is", async () => {
    const reply = await call(`${service.baseUrl}/api/v1/openapi.yaml`);
    expect(reply.headers.get("content-type")).toBe("application/yaml");
    expect(reply.text).toBe(await readFile("openapi.yaml", "utf8"));
  });
});
