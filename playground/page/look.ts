/** What follows from the state. The view shows these, and nothing that somebody set beside them. */
import { isKeyRefused, isOutcomeUnknown, isSuccess } from "./calls";
import { normalizeCode } from "./code";
import { findDiscount, subtotalCents } from "./shop";
import {
  keyTypes,
  type AppCode,
  type Call,
  type CodeEnd,
  type Granted,
  type KeyType,
  type Stage,
  type State,
  type Step,
} from "./state";

export const lifeOf = ({ end, expiresAt }: AppCode, now: number): "live" | CodeEnd =>
  end ?? (now >= expiresAt ? "expired" : "live");

/** Where the cart is now: a discount is applied only as long as its code lives. */
export const stageOf = ({ cart: { stage }, now }: State): Stage =>
  stage.tag === "applied" && now >= stage.granted.expiresAt
    ? { tag: "open", typed: stage.granted.code, refusal: { tag: "ran-out" } }
    : stage;

/** A cart with a payment that is under way, or whose outcome nobody knows, does not change. */
export const isUnresolved = ({ tag }: Stage): boolean => tag === "paying" || tag === "unknown";

export const grantedIn = (stage: Stage): Granted | undefined =>
  stage.tag === "open" || stage.tag === "asking" ? undefined : stage.granted;

export const typedIn = (stage: Stage): string =>
  stage.tag === "open" || stage.tag === "asking" ? stage.typed : stage.granted.code;

export const reductionIn = (stage: Stage): number =>
  Math.round((subtotalCents * (findDiscount(grantedIn(stage)?.discountId)?.percent ?? 0)) / 100);

export const totalIn = (stage: Stage): number => subtotalCents - reductionIn(stage);

/** The service refused the code, or it is of no use here: it would be refused again. */
export const isWrong = (stage: Stage): boolean => {
  const refusal = stage.tag === "open" ? stage.refusal : undefined;
  return refusal?.tag === "refused" || refusal?.tag === "lost"
    ? !isKeyRefused(refusal) && !isOutcomeUnknown(refusal)
    : refusal !== undefined;
};

/** The code in the app that the shop can still be given. */
export const codeToTake = (state: State): string | undefined => {
  const { code } = state.app;
  const stage = stageOf(state);
  const isThere = !isWrong(stage) && normalizeCode(typedIn(stage)) === code?.code;
  return code && lifeOf(code, state.now) === "live" && !isThere && !isUnresolved(stage)
    ? code.code
    : undefined;
};

export const isTesting = ({ shop }: State): boolean => shop.keyType === "test";

/**
 * What the shop has in the place of a key: nothing, the one in `force`, or one that the service refuses because it was
 * `replaced` or `revoked` since.
 */
export const holdingOf = (
  { shop, portal: { listed } }: State,
  keyType: KeyType,
): "none" | "force" | "replaced" | "revoked" => {
  if (shop.key === undefined || shop.keyType !== keyType) {
    return "none";
  }
  if (listed === undefined) {
    return "force";
  }
  const hint = listed[keyType]?.hint;
  return hint === undefined ? "revoked" : shop.key.endsWith(hint) ? "force" : "replaced";
};

/** Nobody knows whether the key was made. */
export const isPressUnknown = ({ isBusy, press }: Step): boolean => !isBusy && press !== undefined;

/** What the button that makes a key does now. Undefined until the portal knows which keys there are. */
export const regenerationOf = (
  { portal: { listed, steps } }: State,
  keyType: KeyType,
): "generate" | "regenerate" | "retry" | undefined =>
  isPressUnknown(steps[keyType])
    ? "retry"
    : listed && (listed[keyType] === undefined ? "generate" : "regenerate");

/** The shop may be given this key. It learns the outcome of a payment only with a key of the same kind. */
export const mayGet = (state: State, keyType: KeyType): boolean =>
  !isUnresolved(state.cart.stage) || (keyType === "test") === isTesting(state);

const isPending = ({ outcome }: Call): boolean => outcome.tag === "pending";

/** The page reads the shop's keys for the first time or, on the local host's own store, makes its first. */
export const isPreparing = ({ portal, calls }: State): boolean =>
  calls.some(
    (call) => call.by === "page" && (!portal.listed || call.purpose.tag !== "list") && isPending(call),
  );

/** What leads on in the story. Undefined while the shop tries its test codes, of which none comes before the others. */
export type Action = "generate" | "take" | "apply" | "pay" | "to-portal" | KeyType | `give-${KeyType}`;

export const nextOf = (state: State): Action | undefined => {
  const stage = stageOf(state);
  const { keyType: uses } = state.shop;
  const hasKey = holdingOf(state, uses) === "force" || isPreparing(state);
  const fresh = keyTypes.find((each) => state.portal.fresh[each] !== undefined && mayGet(state, each));
  if (fresh !== undefined) {
    return `give-${fresh}`;
  }
  if (stage.tag === "applied" || isUnresolved(stage)) {
    return hasKey ? "pay" : uses;
  }
  if (stage.tag !== "paid" && normalizeCode(typedIn(stage)) !== "" && !isWrong(stage)) {
    return hasKey ? "apply" : uses;
  }
  if (isTesting(state)) {
    return stage.tag === "paid" ? "pay" : undefined;
  }
  return codeToTake(state) !== undefined ? "take" : stage.tag === "paid" ? "to-portal" : "generate";
};

/** The three steps of the story: the one to which the next action belongs, and those that are behind. */
export const stepsOf = (state: State): { readonly current: 1 | 2 | 3; readonly done: readonly number[] } => {
  const next = nextOf(state) ?? "apply";
  const life = state.app.code && lifeOf(state.app.code, state.now);
  return {
    current: next === "generate" ? 1 : next === "take" || next === "apply" || next === "pay" ? 2 : 3,
    done: life === "used" ? [1, 2] : life === "live" ? [1] : [],
  };
};

/** How a call looks to its caller. */
export const lookOf = ({
  outcome,
}: Call): { readonly level: "muted" | "success" | "danger" | "warning"; readonly status?: number } => {
  switch (outcome.tag) {
    case "pending":
      return { level: "muted" };
    case "answered": {
      const { status } = outcome.response;
      return { level: isSuccess(status) ? "success" : "danger", status };
    }
    case "lost":
    case "none":
      return { level: "warning" };
  }
};
