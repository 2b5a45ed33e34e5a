import { expectProblem } from "../tests/support/expect-problem";
import { startService } from "../tools/support/service";
import type { Service } from "../tools/support/service";

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

  it("is unavailable whenever Info is, and says no more of it", async () => {
    await service.otps.delete();
    expectProblem(await service.info(), 503, "service-unavailable");
    const reply = await service.status();
    expectProblem(reply, 503, "service-unavailable");
    expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(reply.text).not.toContain("otps");
  });
});
