import * as E from "fp-ts/Either";
import { problemTypeBase } from "../../shared/http/problem";
import { interpret, judgeUses } from "./single-use";

const otp = {
  code: "AAAAAAAAAAA",
  expiresAt: "2026-03-01T10:10:00.000Z",
  discountId: "load",
  liveUntil: 1000,
};
const call = (operation: "use" | "ask", start: number) => ({ operation, start, end: start + 5 });
const problem = (status: number, name: string) => ({ status, json: { type: problemTypeBase + name } });
const ok = (expires_at: string, discount_id = "load") => ({ status: 200, json: { expires_at, discount_id } });

describe("an answer about a code", () => {
  it.each([
    ["is not found", 0, problem(404, "otp-not-found"), /^use from 0 to 5 answered 404 otp-not-found$/],
    ["is malformed", 0, problem(400, "otp-invalid"), /otp-invalid$/],
    ["has a newer one", 0, problem(409, "otp-conflict"), /otp-conflict$/],
    ["has expired before its time", 0, problem(404, "otp-expired"), /otp-expired$/],
    ["is for another discount", 0, ok(otp.expiresAt, "other"), /for another discount$/],
  ])("is an objection when the code %s", (_, start, reply, reason) => {
    const shown = interpret(call("use", start), reply, otp);
    const wanted: unknown = expect.stringMatching(reason);
    expect(shown).toEqual(E.left({ isAboutCode: true, reason: wanted }));
    expect(judgeUses([shown])).toHaveLength(1);
  });

  it("is an objection when a question is answered with another expiry", () => {
    expect(interpret(call("ask", 0), ok("2026-03-01T11:00:00.000Z"), otp)).toMatchObject({
      left: { isAboutCode: true },
    });
  });

  it("that has expired says that this call did not use it, and no later one will", () => {
    const expired = interpret(call("use", 995), problem(404, "otp-expired"), otp);
    expect(expired).toMatchObject({ right: { outcome: "expired" } });
    const usedAt = "2026-03-01T10:09:59.000Z";
    const later = interpret({ ...call("use", 1001), idempotencyKey: "cart 1" }, ok(usedAt), otp);
    expect(judgeUses([expired, later])).toHaveLength(1);
    const before = interpret({ ...call("use", 990), idempotencyKey: "cart 1" }, undefined, otp);
    expect(judgeUses([before, expired, later])).toEqual([]);
  });

  it("says nothing of the code when there is none", () => {
    const unknown = { right: { outcome: "unknown" } };
    expect(interpret(call("use", 0), problem(503, "service-unavailable"), otp)).toMatchObject(unknown);
    expect(interpret(call("use", 0), undefined, otp)).toMatchObject(unknown);
  });

  it.each([
    ["a gateway's 429", { status: 429, json: undefined }],
    ["a gateway's 503", { status: 503, json: "Service Unavailable" }],
    ["a failure of the service", problem(500, "internal-error")],
    ["an unreadable 200", { status: 200, json: {} }],
  ])("is an objection to the service alone when it is %s", (_, reply) => {
    expect(interpret(call("use", 0), reply, otp)).toMatchObject({ left: { isAboutCode: false } });
  });
});
