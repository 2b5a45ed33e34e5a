/** The codes of a test key, with which a shop tries every outcome. They are a table: nothing is stored or used up. */
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import type { Failure } from "./failure";
import { DiscountId, type OtpCode } from "./identifiers";

export const testDiscountId: DiscountId = pipe(
  DiscountId.decode("test-discount"),
  E.getOrElseW(() => {
    throw new Error("the discount of the test codes is not a discount id");
  }),
);

export type TestOutcome = "valid" | Failure;

interface TestOutcomes {
  readonly ask: TestOutcome;
  readonly use: TestOutcome;
}

const always = (outcome: TestOutcome): TestOutcomes => ({ ask: outcome, use: outcome });

/** The contract's table. */
const testCodes = {
  TESTLIVE000: always("valid"),
  // Another call used it between the question and the use.
  TESTRACE000: { ask: "valid", use: { tag: "otp-already-used" } },
  TESTEXPIRED: always({ tag: "otp-expired" }),
  TESTUSED000: always({ tag: "otp-already-used" }),
  TESTNEWER00: always({ tag: "otp-conflict" }),
  TESTDOWN000: always({ tag: "service-unavailable", retryAfterSeconds: 1, cause: "test code" }),
} satisfies Readonly<Record<string, TestOutcomes>>;

const outcomesByCode: ReadonlyMap<string, TestOutcomes> = new Map(Object.entries(testCodes));

export const decideTestCode = (code: OtpCode, invalidate: boolean): TestOutcome =>
  (outcomesByCode.get(code) ?? always({ tag: "otp-not-found" }))[invalidate ? "use" : "ask"];
