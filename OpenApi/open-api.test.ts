import { readFileSync } from "node:fs";
import { startService, type Service } from "../tools/support/service";

describe("OpenApi", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it("answers with the contract, byte for byte, as YAML", async () => {
    const reply = await fetch(`${service.baseUrl}/api/v1/openapi.yaml`);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/yaml");
    expect(await reply.text()).toBe(readFileSync("openapi.yaml", "utf8"));
  });
});
