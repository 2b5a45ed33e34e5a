/** Every change of the state: from a state and an event to the next state. */
import * as t from "io-ts";
import { ApiKeyBody, ApiKeysBody, OtpBody, ValidationBody } from "../../shared/http/bodies";
import { describeCall, isKeyRefused, isOutcomeUnknown, readAnswer, type Answer } from "./calls";
import { normalizeCode } from "./code";
import {
  codeToTake,
  isPreparing,
  isTesting,
  isUnresolved,
  mayGet,
  regenerationOf,
  stageOf,
  typedIn,
} from "./look";
import { findDiscount } from "./shop";
import {
  makeCart,
  type Call,
  type CodeEnd,
  type KeyType,
  type Portal,
  type Purpose,
  type Response,
  type Stage,
  type State,
  type Step,
} from "./state";

export type Event =
  | { readonly tag: "tick" | "generate" | "take" | "apply" | "pay" | "new-cart" }
  | { readonly tag: "type"; readonly text: string }
  | { readonly tag: "lose-answer"; readonly isOn: boolean }
  | { readonly tag: "regenerate" | "revoke" | "give"; readonly keyType: KeyType }
  | {
      readonly tag: "arrive";
      readonly id: number;
      readonly response: Response | undefined;
      readonly ms: number;
    };

/** What an event brings from outside: the time, and a UUID that nobody can guess. */
export interface Chance {
  readonly now: number;
  readonly uuid: string;
}

const maxCalls = 50;

const withStage = (state: State, stage: Stage): State => ({ ...state, cart: { ...state.cart, stage } });
const withApp = (state: State, app: Partial<State["app"]>): State => ({
  ...state,
  app: { ...state.app, ...app },
});
const withPortal = (state: State, portal: Partial<Portal>): State => ({
  ...state,
  portal: { ...state.portal, ...portal },
});
const withStep = (state: State, keyType: KeyType, step: Step): State =>
  withPortal(state, { steps: { ...state.portal.steps, [keyType]: step } });

const lastIdIn = ({ calls }: State): number => calls[0]?.id ?? 0;

/** The page sends each call once, as soon as it is in the state. */
const withCall = (
  state: State,
  purpose: Purpose,
  {
    by = "visitor",
    idempotencyKey,
    willBeLost = false,
  }: Partial<Call> & { readonly idempotencyKey?: string } = {},
): State => {
  const id = lastIdIn(state) + 1;
  const sent = describeCall(state, purpose, idempotencyKey);
  const call: Call = { id, purpose, by, at: state.now, ...sent, willBeLost, outcome: { tag: "pending" } };
  return { ...state, calls: [call, ...state.calls].slice(0, maxCalls) };
};

export const readKeys = (state: State): State => withCall(state, { tag: "list" }, { by: "page" });

export const update = (before: State, event: Event, { now, uuid }: Chance): State => {
  const state: State = { ...before, now };
  const stage = stageOf(state);
  switch (event.tag) {
    case "tick":
      return state;
    case "generate":
      return state.app.isWaiting
        ? state
        : withCall(withApp(state, { isWaiting: true, failure: undefined }), { tag: "generate" });
    case "take":
      return enter(state, codeToTake(state), uuid);
    case "type":
      return enter(state, event.text, uuid);
    case "new-cart":
      return stage.tag === "paid" ? { ...state, cart: makeCart(uuid) } : state;
    case "lose-answer":
      return stage.tag === "applied" ? withStage(state, { ...stage, willLoseAnswer: event.isOn }) : state;
    case "apply":
      return apply(state, stage);
    case "pay":
      return pay(state, stage);
    case "regenerate":
      return regenerate(state, event.keyType, uuid, "visitor");
    case "revoke": {
      const { keyType } = event;
      const { isBusy, press } = state.portal.steps[keyType];
      return isBusy || press !== undefined || state.portal.listed?.[keyType] === undefined
        ? state
        : withCall(withStep(state, keyType, { isBusy: true }), { tag: "revoke", keyType });
    }
    case "give": {
      const { [event.keyType]: given, ...fresh } = state.portal.fresh;
      return given === undefined || !mayGet(state, event.keyType)
        ? state
        : equip(withPortal(state, { fresh }), event.keyType, given, uuid);
    }
    case "arrive":
      return arrive(state, event, uuid);
  }
};

/** Puts a code in the field. After an order this is the next cart. */
const enter = (state: State, typed: string | undefined, uuid: string): State => {
  const { stage } = state.cart;
  if (typed === undefined || isUnresolved(stage)) {
    return state;
  }
  return stage.tag === "paid"
    ? { ...state, cart: makeCart(uuid, typed) }
    : withStage(state, { tag: "open", typed, refusal: undefined });
};

const apply = (state: State, stage: Stage): State => {
  if (isPreparing(state) || (stage.tag !== "open" && stage.tag !== "applied")) {
    return state;
  }
  const typed = typedIn(stage);
  const asked = withCall(state, { tag: "ask", code: normalizeCode(typed), keyType: state.shop.keyType });
  return withStage(asked, { tag: "asking", typed, callId: lastIdIn(asked) });
};

const pay = (state: State, stage: Stage): State => {
  if (isPreparing(state) || (stage.tag !== "applied" && stage.tag !== "unknown")) {
    return state;
  }
  const { granted } = stage;
  const { idempotencyKey } = state.cart;
  const willBeLost = stage.tag === "applied" && stage.willLoseAnswer;
  const use = { tag: "use", code: granted.code, keyType: state.shop.keyType } as const;
  const sent = withCall(state, use, { idempotencyKey, willBeLost });
  return withStage(sent, {
    tag: "paying",
    granted,
    isRetry: stage.tag === "unknown",
    callId: lastIdIn(sent),
  });
};

/** A press whose outcome is unknown is repeated with its `Idempotency-Key`. */
const regenerate = (state: State, keyType: KeyType, uuid: string, by: Call["by"]): State => {
  const { isBusy, press = uuid } = state.portal.steps[keyType];
  return isBusy || regenerationOf(state, keyType) === undefined
    ? state
    : withCall(
        withStep(state, keyType, { isBusy: true, press }),
        { tag: "regenerate", keyType },
        { by, idempotencyKey: press },
      );
};

/** Gives the shop a key, which it uses from then on. What it was told about the key before is over. */
const equip = (state: State, keyType: KeyType, key: string, uuid: string): State => {
  const stage = stageOf(state);
  const equipped: State = { ...state, shop: { keyType, key } };
  if (isTesting(equipped) !== isTesting(state)) {
    return { ...equipped, cart: makeCart(uuid) };
  }
  switch (stage.tag) {
    case "open":
      return withStage(equipped, { ...stage, refusal: undefined });
    case "applied":
      return withStage(equipped, { ...stage, failure: undefined });
    case "unknown":
      return withStage(equipped, { ...stage, failure: { tag: "lost" } });
    default:
      return equipped;
  }
};

/** What an answer changes. An answer that its caller never got is handled as none. */
const arrive = (
  before: State,
  { id, response, ms }: Extract<Event, { tag: "arrive" }>,
  uuid: string,
): State => {
  const sent = before.calls.find((each) => each.id === id);
  if (sent === undefined) {
    return before;
  }
  const tag = sent.willBeLost ? "lost" : "answered";
  const call: Call = {
    ...sent,
    outcome: response === undefined ? { tag: "none", ms } : { tag, response, ms },
  };
  const state = { ...before, calls: before.calls.map((each) => (each === sent ? call : each)) };
  const { purpose } = call;
  switch (purpose.tag) {
    case "generate":
      return afterGenerating(state, readAnswer(call, OtpBody, state));
    case "ask":
    case "use": {
      const answer = readAnswer(call, ValidationBody, state);
      return learn(withStage(state, afterValidating(state.cart.stage, id, answer)), purpose, answer);
    }
    case "list":
      return afterListing(state, readAnswer(call, ApiKeysBody, state), uuid);
    case "regenerate":
      return afterRegenerating(state, call.by, purpose.keyType, readAnswer(call, ApiKeyBody, state), uuid);
    case "revoke":
      return afterRevoking(state, purpose.keyType, readAnswer(call, t.undefined, state));
  }
};

const afterGenerating = (state: State, answer: Answer<OtpBody>): State => {
  const isNew = answer.tag === "answered";
  const otp = isNew ? answer.value : answer.tag === "refused" ? answer.problem.otp : undefined;
  if (otp === undefined) {
    return withApp(state, { isWaiting: false, failure: isNew ? undefined : answer });
  }
  const expiresAt = Date.parse(otp.expires_at);
  const code = { code: otp.code, expiresAt, ttlMs: otp.ttl * 1000, isNew, end: undefined };
  return withApp(state, { isWaiting: false, code });
};

const endsByProblem: Readonly<Record<string, CodeEnd>> = {
  "otp-already-used": "used",
  "otp-expired": "expired",
  "otp-conflict": "superseded",
};

/** What an answer to the shop says beyond the cart: of its key, and of the code in the app, which a test key cannot know. */
const learn = (
  state: State,
  { tag, code, keyType }: Extract<Purpose, { readonly code: string }>,
  answer: Answer<ValidationBody>,
): State => {
  if (answer.tag !== "answered" && isKeyRefused(answer)) {
    return readKeys(state);
  }
  const problem = answer.tag === "refused" ? (answer.problem.type.split("/").at(-1) ?? "") : "";
  const end = answer.tag === "answered" && tag === "use" ? "used" : endsByProblem[problem];
  return state.app.code?.code === code && end !== undefined && keyType !== "test"
    ? withApp(state, { code: { ...state.app.code, end } })
    : state;
};

const afterValidating = (stage: Stage, callId: number, answer: Answer<ValidationBody>): Stage => {
  // The customer may have typed and paid another code in the meantime.
  if ((stage.tag !== "paying" && stage.tag !== "asking") || stage.callId !== callId) {
    return stage;
  }
  if (stage.tag === "paying") {
    const { granted, isRetry } = stage;
    if (answer.tag === "answered") {
      return { tag: "paid", granted, isRetry };
    }
    // A refused key says nothing about the code: the cart keeps it, and an unknown outcome stays unknown.
    if (isOutcomeUnknown(answer) || (isRetry && isKeyRefused(answer))) {
      return { tag: "unknown", granted, failure: answer };
    }
    return isKeyRefused(answer)
      ? { tag: "applied", granted, willLoseAnswer: false, failure: answer }
      : { tag: "open", typed: granted.code, refusal: answer };
  }
  const { typed } = stage;
  if (answer.tag !== "answered") {
    return { tag: "open", typed, refusal: answer };
  }
  const { discount_id: discountId, expires_at } = answer.value;
  const granted = { code: normalizeCode(typed), discountId, expiresAt: Date.parse(expires_at) };
  return findDiscount(discountId) === undefined
    ? { tag: "open", typed, refusal: { tag: "other-discount" } }
    : { tag: "applied", granted, willLoseAnswer: false, failure: undefined };
};

const afterListing = (state: State, answer: Answer<ApiKeysBody>, uuid: string): State => {
  if (answer.tag !== "answered") {
    return withPortal(state, { listFailure: answer });
  }
  const listed = Object.fromEntries(
    answer.value.api_keys.map(({ key_type, hint, created_at }) => [
      key_type,
      { hint, createdAt: created_at },
    ]),
  );
  const read = withPortal(state, { listed, listFailure: undefined });
  // On the local host's own store the shop gets its first key at once. Elsewhere somebody may be using the one in force.
  const { store, shop, portal } = state;
  const hasKey = shop.key !== undefined || Object.keys(portal.fresh).length > 0;
  const { isBusy, press } = portal.steps.primary;
  const isFirst = !hasKey && portal.listed === undefined && !isBusy && press === undefined;
  return store === "own" && isFirst ? regenerate(read, "primary", uuid, "page") : read;
};

const afterRegenerating = (
  state: State,
  by: Call["by"],
  keyType: KeyType,
  answer: Answer<ApiKeyBody>,
  uuid: string,
): State => {
  const { listed, steps, fresh } = state.portal;
  if (answer.tag !== "answered") {
    const press = isOutcomeUnknown(answer) ? steps[keyType].press : undefined;
    return readKeys(withStep(state, keyType, { isBusy: false, press, failure: answer }));
  }
  const { api_key: key, created_at: createdAt } = answer.value;
  const made = withPortal(withStep(state, keyType, { isBusy: false }), {
    listed: listed && { ...listed, [keyType]: { hint: key.slice(-4), createdAt } },
  });
  if (by === "page") {
    return equip(made, keyType, key, uuid);
  }
  const shown = withPortal(made, { fresh: { ...fresh, [keyType]: key } });
  return listed === undefined ? readKeys(shown) : shown;
};

const afterRevoking = (state: State, keyType: KeyType, answer: Answer<undefined>): State => {
  if (answer.tag !== "answered") {
    return readKeys(withStep(state, keyType, { isBusy: false, failure: answer }));
  }
  const { listed, fresh } = state.portal;
  const others = <A>(all: Partial<Record<KeyType, A>> = {}): Partial<Record<KeyType, A>> =>
    Object.fromEntries(Object.entries(all).filter(([each]) => each !== keyType));
  return withPortal(withStep(state, keyType, { isBusy: false }), {
    listed: others(listed),
    fresh: others(fresh),
  });
};
