import { expectProblem } from "../tests/support/expect-problem";
import { send, type Reply } from "../tools/support/api";
import { startService, type Service } from "../tools/support/service";

describe("Status", () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  it("says that a service is up that can keep its promises", async () => {
    const reply = await service.status();
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.text).toBe('{"status":"up"}');
  });

  it("answers HEAD as GET, without a body, as Info does", async () => {
    const ask = (method: string, path: string): Promise<Reply> => send(service.baseUrl + path, { method });
    for (const path of ["/api/v1/status", "/api/v1/info"]) {
      const [got, head] = [await ask("GET", path), await ask("HEAD", path)];
      expect([head.status, head.text]).toEqual([200, ""]);
      expect(head.headers.get("content-type")).toBe(got.headers.get("content-type"));
    }
    await service.otps.delete();
    service.clock.advance(5);
    expect((await ask("HEAD", "/api/v1/status")).status).toBe(503);
  });

  it("is unavailable whenever Info is, and says no more of it", async () => {
    await service.otps.delete();
    expectProblem(await service.info(), 503, "service-unavailable");
    const reply = await service.status();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(reply.text).not.toContain("otps");
  });
});
