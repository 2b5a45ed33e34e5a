/** A purchase in the shop, without the page: what each answer of the service makes of the cart. */
import type { Answer } from "./api";
import {
  afterAsking,
  afterPaying,
  ask,
  codeIn,
  isOpen,
  makeCart,
  pay,
  payInFull,
  totalIn,
  typeCode,
  type Cart,
  type PayingCart,
} from "./cart";
import { toCurl } from "./curl";
import { merchants } from "./merchants";
import { makeLocale } from "./messages";

const [shop] = merchants;
const discount = { id: "libri-15", percent: 15, name: { it: "15% sui libri", en: "15% off books" } };
const granted = { code: "AAAAAAAAAAA", discount };
const { messages, formatPrice } = makeLocale("it");

type Validated = Parameters<typeof afterAsking>[2];

const valid = (id = discount.id): Validated => ({
  tag: "answered",
  value: { discount_id: id, expires_at: "2026-03-01T10:10:00.000Z" },
});
const refused = (status: number): Answer<never> => ({
  tag: "refused",
  problem: { type: "x", title: "Che cosa è successo", status, detail: "Che cosa fare." },
  language: "it",
});
const lost: Answer<never> = { tag: "lost" };

const typed = typeCode(makeCart("cart-1"), " aaaaa aaaaaa ");
const asking = ask(typed);
const paying = pay({ ...asking, stage: { tag: "applied", granted } }, granted);
const retrying: PayingCart = pay({ ...paying, stage: { tag: "unsettled", granted } }, granted);

/** Where the cart stands, the price, and the last thing that the customer reads. */
const told = (cart: Cart): readonly [string, string, string | undefined] => [
  cart.stage.tag,
  formatPrice(totalIn(cart, shop)),
  cart.notices.at(-1)?.text(makeLocale("it")),
];
const full = formatPrice(4030);
const reduced = formatPrice(3425);

it("takes the code as the customer meant it, with spaces and in small letters", () => {
  expect(codeIn(typed)).toBe("AAAAAAAAAAA");
});

it.each([
  ["a valid code", valid(), "key", ["applied", reduced, expect.stringContaining("15% sui libri")]],
  ["a discount that the shop does not know", valid("other"), "key", ["open", full, messages.otherDiscount]],
  ["a code that the service refuses", refused(404), "key", ["open", full, "Che cosa fare."]],
  ["a key that the service refuses", refused(401), "key", ["open", full, messages.keyRefused]],
  ["a shop without a key", refused(401), undefined, ["open", full, messages.keyMissing]],
  ["no answer", lost, "key", ["open", full, messages.noAnswer]],
] as const)("after asking: %s", (_, answer, apiKey, expected) => {
  const cart = afterAsking(asking, shop, answer, apiKey);
  expect(told(cart)).toEqual(expected);
  expect(isOpen(cart)).toBe(true);
});

it.each([
  ["unknown: another discount", valid("other"), true],
  ["refused", refused(409), true],
  ["not known, because the key was refused", refused(401), false],
  ["not known, because the service failed", refused(503), false],
  ["not known, without an answer", lost, false],
] as const)("marks the field only if the code is wrong: %s", (_, answer, isCodeRefused) => {
  expect(afterAsking(asking, shop, answer, "key").stage).toEqual({ tag: "open", isCodeRefused });
});

it.each([
  ["the use is granted", paying, valid(), ["paid", reduced, messages.paid(reduced)]],
  ["a retry is granted", retrying, valid(), ["paid", reduced, messages.paidOnRetry(reduced)]],
  ["the code was used meanwhile", paying, refused(404), ["open", full, "Che cosa fare."]],
  ["the answer is lost", paying, lost, ["unsettled", reduced, messages.answerLost]],
  ["the service fails", paying, refused(503), ["unsettled", reduced, "Che cosa fare."]],
  [
    "the shop's key is refused, which says nothing of the code",
    paying,
    refused(401),
    ["applied", reduced, messages.keyRefused],
  ],
  [
    "the key is refused at a retry, whose outcome stays unknown",
    retrying,
    refused(401),
    ["unsettled", reduced, messages.keyRefused],
  ],
] as const)("when the customer pays: %s", (_, cart, answer, expected) => {
  const settled = afterPaying(cart, shop, answer, "key");
  expect(told(settled)).toEqual(expected);
  expect([settled.idempotencyKey, codeIn(settled)]).toEqual(["cart-1", "AAAAAAAAAAA"]);
});

it("takes the full price without a code, and no payment while a code is typed but not applied", () => {
  expect(told(payInFull(makeCart("cart-1"), shop))).toEqual(["paid", full, messages.paid(full)]);
  expect(told(payInFull(typed, shop))).toEqual(["open", full, messages.notApplied]);
});

it("quotes a command's texts for the shell", () => {
  const request = { headers: [["A", "it's"]] as const, body: `'; echo "$HOME"` };
  const call = {
    operation: "ask",
    at: new Date(0),
    method: "POST",
    url: "http://127.0.0.1/x",
    request,
  } as const;
  expect(toCurl(call)).toBe(
    `curl -sS -X POST -H 'A: it'\\''s' --data-raw ''\\''; echo "$HOME"' 'http://127.0.0.1/x'`,
  );
});
