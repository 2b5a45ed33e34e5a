/** The story without a browser: what each event and each answer make of the state, and what the page then says. */
import { holdingOf, lifeOf, lookOf, nextOf, regenerationOf, stageOf, stepsOf, totalIn } from "./look";
import { saveSession, saveSettings, start, type KeyType, type State } from "./state";
import { tellAtCheckout, tellHolding, tellInApp, tellOfKey } from "./tell";
import { makeLocale } from "./texts";
import { readKeys, update, type Event } from "./update";

const locale = makeLocale("it");
const { texts } = locale;
const beginning = Date.parse("2026-03-01T10:00:00Z");
const [full, reduced] = [4030, 3425];

let uuids = 0;

/** A visit, in which the test also plays the service. */
class Visit {
  state: State;
  now = beginning;

  constructor(before?: State, since = "1", store: State["store"] = "own") {
    const kept = before && { session: saveSession(before), settings: saveSettings(before) };
    this.state = readKeys(start({ language: "it", store, since, now: this.now, uuid: "0", ...kept }));
  }

  send(...events: readonly Event[]): this {
    for (const event of events) {
      uuids += 1;
      this.state = update(this.state, event, { now: this.now, uuid: `uuid-${uuids}` });
    }
    return this;
  }

  /** Answers the call that waits longest. Without a status there is no answer. */
  answer(status?: number, body?: object): this {
    const id = this.state.calls.findLast(({ outcome }) => outcome.tag === "pending")?.id ?? 0;
    const text = body === undefined ? "" : JSON.stringify(body);
    const response = status === undefined ? undefined : { status, headers: [], body: text };
    return this.send({ tag: "arrive", id, response, ms: 5 });
  }

  refuse(status: number, name: string): this {
    return this.answer(status, { type: `https://x/problems/${name}`, title: name, status, detail: name });
  }

  listKeys(...types: readonly string[]): this {
    const api_keys = types.map((key_type) => ({
      key_type,
      hint: "0001",
      created_at: "2026-03-01T10:00:00Z",
    }));
    return this.answer(200, { merchant_id: "m", api_keys });
  }

  makeKey(key_type: string, api_key = "cgn_new_0002"): this {
    return this.answer(200, { merchant_id: "m", key_type, api_key, created_at: "2026-03-01T10:00:00Z" });
  }

  /** The portal makes a key, and the shop gets it. */
  equip(keyType: KeyType, key?: string): this {
    return this.send({ tag: "regenerate", keyType }).makeKey(keyType, key).send({ tag: "give", keyType });
  }

  generate(): this {
    const expires_at = new Date(this.now + 600_000).toISOString();
    return this.send({ tag: "generate" }).answer(200, { code: "BCDFGHJKMPQ", expires_at, ttl: 600 });
  }

  validate(discount_id = "libri-15"): this {
    return this.answer(200, { discount_id, expires_at: new Date(beginning + 600_000).toISOString() });
  }

  ask(): this {
    return this.send({ tag: "take" }, { tag: "apply" });
  }

  reload(): Visit {
    return new Visit(this.state).listKeys("primary");
  }

  /** The stage, the price, and what the checkout says last. */
  get checkout(): readonly unknown[] {
    const stage = stageOf(this.state);
    return [stage.tag, totalIn(stage), tellAtCheckout(this.state, locale).at(-1)?.text];
  }

  get life(): string | undefined {
    const { code } = this.state.app;
    return code && lifeOf(code, this.state.now);
  }

  /** The header `Idempotency-Key` of each call for a purpose. */
  idempotencyKeys(tag: string): readonly unknown[] {
    const calls = this.state.calls.filter(({ purpose }) => purpose.tag === tag);
    return calls.map(({ request }) => Object.fromEntries(request.headers)["Idempotency-Key"]);
  }
}

const visit = (): Visit => new Visit().listKeys().makeKey("primary", "cgn_first_0001");

it("tells the story: generate, take, apply, pay, find it used", () => {
  const story = visit();
  expect(nextOf(story.state)).toBe("generate");
  expect(nextOf(story.generate().state)).toBe("take");
  expect(nextOf(story.send({ tag: "take" }).state)).toBe("apply");
  expect(nextOf(story.send({ tag: "apply" }).validate().state)).toBe("pay");
  expect(nextOf(story.send({ tag: "pay" }).validate().state)).toBe("to-portal");
  expect(story.checkout).toEqual(["paid", reduced, expect.stringContaining("34,25")]);
  expect([story.life, stepsOf(story.state)]).toEqual(["used", { current: 3, done: [1, 2] }]);
});

it.each([
  ["used", 404, "otp-already-used"],
  ["expired", 404, "otp-expired"],
  ["superseded", 409, "otp-conflict"],
] as const)("ends a code in the app, when the service calls it %s", (end, status, problem) => {
  const story = visit().generate().ask().refuse(status, problem);
  expect([story.life, nextOf(story.state)]).toEqual([end, "generate"]);
  expect(tellInApp(story.state, locale).map(({ text }) => text)).toEqual([texts.codeOver[end]]);
  expect(story.send({ tag: "take" }).checkout).toEqual(["open", full, problem]);
});

it("leaves a code alive that another merchant or a test key does not know", () => {
  const story = visit().generate().ask().refuse(404, "otp-not-found");
  expect(story.life).toBe("live");
  expect(story.equip("test").ask().refuse(404, "otp-already-used").life).toBe("live");
});

it("ends a code and its discount together, when the time is over", () => {
  const story = visit().generate().ask().validate();
  expect(story.checkout).toEqual(["applied", reduced, expect.stringContaining("15% sui libri")]);
  story.now += 600_000;
  expect(story.send({ tag: "tick" }).checkout).toEqual(["open", full, texts.refusals["ran-out"]]);
  expect([story.life, nextOf(story.state)]).toEqual(["expired", "generate"]);
  expect(story.send({ tag: "pay" }).idempotencyKeys("use")).toEqual([]);
});

it("shows the live code again, when the app asks for another", () => {
  const otp = { code: "YYYYYYYYYYY", expires_at: "2026-03-01T10:05:00.000Z", ttl: 600 };
  const story = visit().generate().send({ tag: "generate" });
  story.answer(409, { type: "x/otp-conflict", title: "x", status: 409, detail: "x", otp });
  expect([story.state.app.code?.code, tellInApp(story.state, locale)[0]?.text]).toEqual([
    otp.code,
    texts.sameCode,
  ]);
});

it.each([
  ["a discount that the shop does not know", 200, "other", texts.refusals["other-discount"], "take"],
  ["a code that the service refuses", 404, "otp-not-found", "otp-not-found", "take"],
  ["a key that the service refuses", 401, "unauthorized", texts.keyRefused, "apply"],
  ["a failure", 503, "service-unavailable", "service-unavailable", "apply"],
  ["no answer", undefined, "", texts.noAnswer, "apply"],
] as const)("asks, and wants another code only if this one is wrong: %s", (_, status, name, text, next) => {
  const story = visit().generate().ask();
  const answered =
    status === 200 ? story.validate(name) : status ? story.refuse(status, name) : story.answer();
  expect([...answered.checkout, nextOf(answered.state)]).toEqual(["open", full, text, next]);
});

it("hears no answer to an earlier question, and forgets a refusal of its key with the key", () => {
  const story = visit().generate().ask();
  const [late] = story.state.calls;
  story.send({ tag: "type", text: "nonsense" }, { tag: "apply" }).validate();
  expect(story.checkout).toEqual(["asking", full, undefined]);
  story.validate().send({ tag: "pay" });
  story.send({ tag: "arrive", id: late?.id ?? 0, response: undefined, ms: 1 });
  expect(story.checkout).toEqual(["paying", reduced, undefined]);
  expect(story.refuse(401, "unauthorized").checkout).toEqual(["applied", reduced, texts.keyRefused]);
  expect(story.listKeys().equip("primary").checkout).toEqual([
    "applied",
    reduced,
    expect.stringContaining("15% sui libri"),
  ]);
  const asked = visit().generate().ask().refuse(401, "unauthorized").listKeys("primary");
  expect(asked.equip("secondary").checkout).toEqual(["open", full, undefined]);
});

it.each([
  ["the code was used meanwhile", 404, "otp-already-used", ["open", full, "otp-already-used"]],
  ["the service fails", 503, "service-unavailable", ["unknown", reduced, texts.answerLost]],
  ["there is no answer", undefined, "", ["unknown", reduced, texts.answerLost]],
  ["the key is refused, which says nothing of the code", 401, "", ["applied", reduced, texts.keyRefused]],
] as const)("pays: %s", (_, status, name, expected) => {
  const story = visit().generate().ask().validate().send({ tag: "pay" });
  expect((status ? story.refuse(status, name) : story.answer()).checkout).toEqual(expected);
});

describe("a payment whose answer is lost", () => {
  const unanswered = (): Visit =>
    visit().generate().ask().validate().send({ tag: "lose-answer", isOn: true }, { tag: "pay" });
  const lost = (): Visit => unanswered().validate();

  it("looks lost everywhere, changes by nothing, and is retried with the same Idempotency-Key", () => {
    const story = lost();
    expect(story.checkout).toEqual(["unknown", reduced, texts.answerLost]);
    expect(story.state.calls.slice(0, 1).map(lookOf)).toEqual([{ level: "warning" }]);
    expect([story.life, nextOf(story.state)]).toEqual(["live", "pay"]);
    story.now += 700_000;
    story.send({ tag: "type", text: "X" }, { tag: "take" }, { tag: "new-cart" }, { tag: "apply" });
    // A key of another kind would not learn the outcome.
    expect([story.equip("test").state.shop.keyType, nextOf(story.state)]).toEqual(["primary", "pay"]);
    expect(story.send({ tag: "pay" }).refuse(401, "unauthorized").state.cart.stage.tag).toBe("unknown");
    expect(tellAtCheckout(story.state, locale).map(({ text }) => text)).toContain(texts.keyRefused);
    story.listKeys("primary").equip("secondary");
    expect(tellAtCheckout(story.state, locale).map(({ text }) => text)).toEqual([texts.answerLost]);
    expect(story.send({ tag: "pay" }).validate().checkout).toEqual(["paid", reduced, texts.paidOnRetry]);
    expect(new Set(story.idempotencyKeys("use"))).toEqual(new Set(["cart-0"]));
    expect(story.send({ tag: "new-cart" }).state.cart.idempotencyKey).not.toBe("cart-0");
  });

  it.each([
    ["after the answer", lost],
    ["before it", unanswered],
  ])("survives a reload: %s", (_, play) => {
    const story = play().reload();
    expect(story.checkout).toEqual(["unknown", reduced, texts.answerLost]);
    expect(story.send({ tag: "pay" }).validate().checkout).toEqual(["paid", reduced, texts.paidOnRetry]);
    expect([story.idempotencyKeys("use"), story.life]).toEqual([["cart-0"], "used"]);
  });
});

it("keeps code, field and key over a reload, and nothing of another store or another version", () => {
  const story = visit().generate().send({ tag: "type", text: "bcd" }, { tag: "apply" });
  const reloaded = story.reload();
  expect([reloaded.life, reloaded.state.cart]).toEqual([
    "live",
    { ...story.state.cart, stage: stageOf(reloaded.state) },
  ]);
  expect([reloaded.checkout, reloaded.state.shop]).toEqual([["open", full, undefined], story.state.shop]);
  expect(new Visit(story.state, "2").state).toMatchObject({
    app: { code: undefined },
    shop: { key: undefined },
  });
  for (const session of ["", "{", `{"since":"1","cart":{"stage":{"tag":"other"}}}`]) {
    const kept = { session, settings: session };
    const state = start({ language: "it", store: "own", since: "1", now: 0, uuid: "0", ...kept });
    expect(state.cart.stage.tag).toBe("open");
  }
});

describe("the portal", () => {
  it("says one thing of what the shop has, and leads to the way back", () => {
    const story = visit();
    const holding = (): string => tellHolding(story.state, "primary", texts).text;
    expect(holding()).toBe(texts.inUse);
    story.send({ tag: "regenerate", keyType: "primary" }).makeKey("primary");
    expect([holding(), nextOf(story.state)]).toEqual([texts.replaced, "give-primary"]);
    story.send({ tag: "give", keyType: "primary" });
    expect([holding(), story.state.portal.fresh]).toEqual([texts.inUse, {}]);
    story.send({ tag: "revoke", keyType: "primary" }).answer(204).send({ tag: "type", text: "BCDFGHJKMPQ" });
    expect([holding(), nextOf(story.state)]).toEqual([texts.revokedInShop, "primary"]);
  });

  it("names its button by the keys that there are, and has none before it knows them", () => {
    const story = new Visit();
    expect(regenerationOf(story.state, "test")).toBeUndefined();
    expect(regenerationOf(story.listKeys("primary").state, "test")).toBe("generate");
    expect(regenerationOf(story.send({ tag: "regenerate", keyType: "test" }).state, "test")).toBe("generate");
    expect(regenerationOf(story.makeKey("primary").makeKey("test").state, "test")).toBe("regenerate");
  });

  it("ticks no step for a test key, and begins a new cart with it and after it", () => {
    const story = visit().send({ tag: "type", text: "BCD" }).equip("test");
    expect([story.checkout, stepsOf(story.state)]).toEqual([
      ["open", full, undefined],
      { current: 2, done: [] },
    ]);
    story.send({ tag: "type", text: "TESTLIVE000" }, { tag: "apply" }).validate("test-discount");
    expect(story.checkout).toEqual(["applied", 3627, expect.stringContaining("10% di prova")]);
    expect(story.equip("primary").checkout).toEqual(["open", full, undefined]);
  });

  it("repeats a press whose outcome is unknown with its Idempotency-Key, over a reload too", () => {
    const pressed = visit().send({ tag: "regenerate", keyType: "secondary" });
    const story = pressed.answer().reload();
    expect(tellOfKey(story.state, "secondary", locale)[0]?.text).toBe(texts.keyUnknown);
    story.send({ tag: "revoke", keyType: "secondary" });
    expect(regenerationOf(story.state, "secondary")).toBe("retry");
    story.send({ tag: "regenerate", keyType: "secondary" }).makeKey("secondary");
    expect(tellOfKey(story.state, "secondary", locale).at(-1)?.text).toBe(texts.shownOnce);
    expect(story.idempotencyKeys("regenerate")[0]).toBe(pressed.idempotencyKeys("regenerate")[0]);
  });

  it("makes no other key in place of one that a repeated press brought before the keys were read", () => {
    const story = new Visit(new Visit().listKeys().answer().state);
    story.send({ tag: "regenerate", keyType: "primary" }).refuse(503, "service-unavailable");
    story.makeKey("primary").listKeys("primary");
    expect(Object.keys(story.state.portal.fresh)).toEqual(["primary"]);
    expect(story.idempotencyKeys("regenerate")).toHaveLength(1);
  });

  it("makes the first key on the local host's own store only, and keeps none of another store", () => {
    const made = ({ state }: Visit): number => state.calls.filter(({ method }) => method === "POST").length;
    expect([made(new Visit().listKeys()), made(visit().reload())]).toEqual([1, 0]);
    const named = new Visit(undefined, "1", "named").listKeys("primary");
    expect([made(named), holdingOf(named.state, "primary")]).toEqual([0, "none"]);
    named.equip("primary");
    expect(saveSession(named.state) + saveSettings(named.state)).not.toContain("cgn_");
    expect(saveSettings(visit().state)).toContain("cgn_first_0001");
  });
});
