import { decode } from "../../tools/support/either";
import { OtpItem } from "./items";

describe("the item of an OTP", () => {
  const stored = { discountId: "discount-1", slotId: "slot-1", expiresAt: "2026-03-01T10:10:00.000Z" };
  const usedAt = "2026-03-01T10:01:00.123Z";

  it.each([
    ["unused", null, undefined],
    [
      "used by a call without an Idempotency-Key",
      { usedAt, attemptId: "1", idempotencyKeyHash: null },
      { usedAt: new Date(usedAt), callId: "1", idempotencyKeyHash: undefined },
    ],
    [
      "used by a call with one",
      { usedAt, attemptId: "1", idempotencyKeyHash: "hash" },
      { usedAt: new Date(usedAt), callId: "1", idempotencyKeyHash: "hash" },
    ],
  ])("is read and written as ever: %s", (_, storedUse, use) => {
    const otp = decode(OtpItem, { ...stored, use: storedUse });
    expect(otp).toEqual({ ...stored, expiresAt: new Date(stored.expiresAt), use });
    expect(OtpItem.encode(otp)).toStrictEqual({ ...stored, use: storedUse });
  });

  it.each([{}, { use: {} }, { use: { usedAt, attemptId: "1" } }])(
    "is refused if it lacks a part: %j",
    (part) => {
      expect(OtpItem.decode({ ...stored, ...part })._tag).toBe("Left");
    },
  );
});
