import { randomInt } from "node:crypto";

/**
 * Fiscal codes that nobody has, because no month has a day 00. They count in base 26, from a random start, so that no earlier
 * run is likely to have used them.
 */
export const makeBeneficiaries = (): (() => string) => {
  let next = randomInt(26 ** 6 - 1_000_000);
  return () => {
    const digits = (next++).toString(26).padStart(6, "0");
    const letters = Array.from(digits, (digit) => String.fromCharCode(65 + Number.parseInt(digit, 26)));
    return `${letters.join("")}00A00A000A`;
  };
};
