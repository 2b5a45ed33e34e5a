/** What the page says where something happened. It follows from the state, so nothing is left over. */
import { isKeyRefused } from "./calls";
import { codeToTake, holdingOf, isPressUnknown, lifeOf, stageOf, totalIn } from "./look";
import { findDiscount, type Language } from "./shop";
import type { Failure, KeyType, Refusal, State } from "./state";
import { fill, type Locale, type Texts } from "./texts";

export interface Notice {
  readonly level: "success" | "info" | "warning" | "danger";
  readonly title?: string;
  readonly text: string;
  /** The language of a text that the service wrote. */
  readonly language?: Language;
}

const success = (text: string): Notice => ({ level: "success", text });
const info = (text: string): Notice => ({ level: "info", text });
const warning = (text: string): Notice => ({ level: "warning", text });

/** Why a call failed, in the words of the service's problem, if there is one. */
const explain = (failure: Failure, { noAnswer }: Texts): Notice => {
  if (failure.tag === "lost") {
    return { level: "danger", text: noAnswer };
  }
  const { problem, language } = failure;
  return { level: "danger", title: problem.title, text: problem.detail, language };
};

export const tellInApp = (state: State, { texts }: Locale): readonly Notice[] => {
  const { code, failure, isWaiting } = state.app;
  if (failure !== undefined) {
    return [explain(failure, texts)];
  }
  if (code === undefined || isWaiting) {
    return [];
  }
  const life = lifeOf(code, state.now);
  if (life !== "live") {
    return [info(texts.codeOver[life])];
  }
  const isReady = codeToTake(state) !== undefined;
  return isReady ? [code.isNew ? success(texts.codeReady) : info(texts.sameCode)] : [];
};

const tellRefusal = ({ shop }: State, refusal: Refusal, texts: Texts): readonly Notice[] => {
  switch (refusal.tag) {
    case "lost":
    case "refused": {
      const way = shop.key === undefined ? texts.keyMissing : texts.keyRefused;
      return [explain(refusal, texts), ...(isKeyRefused(refusal) ? [info(way)] : [])];
    }
    case "other-discount":
    case "ran-out":
      return [warning(texts.refusals[refusal.tag])];
  }
};

export const tellAtCheckout = (
  state: State,
  { texts, language, formatPrice, formatTime }: Locale,
): readonly Notice[] => {
  const stage = stageOf(state);
  switch (stage.tag) {
    case "open":
      return stage.refusal === undefined ? [] : tellRefusal(state, stage.refusal, texts);
    case "asking":
    case "paying":
      return [];
    case "applied": {
      const { granted, failure } = stage;
      const name = findDiscount(granted.discountId)?.name[language] ?? "";
      return failure === undefined
        ? [success(fill(texts.applied, { discount: name, time: formatTime(granted.expiresAt) }))]
        : tellRefusal(state, failure, texts);
    }
    case "unknown": {
      const { failure } = stage;
      return [
        ...(failure.tag === "lost" ? [] : tellRefusal(state, failure, texts)),
        warning(texts.answerLost),
      ];
    }
    case "paid": {
      const paid = success(fill(texts.paid, { price: formatPrice(totalIn(stage)) }));
      return stage.isRetry ? [paid, info(texts.paidOnRetry)] : [paid];
    }
  }
};

export const tellOfKey = ({ portal }: State, keyType: KeyType, { texts }: Locale): readonly Notice[] => {
  const step = portal.steps[keyType];
  const { failure } = step;
  const isUnknown = isPressUnknown(step);
  return [
    ...(failure && !(isUnknown && failure.tag === "lost") ? [explain(failure, texts)] : []),
    ...(isUnknown ? [warning(texts.keyUnknown)] : []),
    ...(portal.fresh[keyType] === undefined ? [] : [warning(texts.shownOnce)]),
  ];
};

export const tellOfKeys = (
  { portal: { listed, listFailure } }: State,
  { texts }: Locale,
): readonly Notice[] =>
  listFailure === undefined || listed !== undefined ? [] : [explain(listFailure, texts)];

/** Which key the shop has in the place of this one: one sentence, so that no two can contradict each other. */
export const tellHolding = (state: State, keyType: KeyType, texts: Texts): Notice => {
  switch (holdingOf(state, keyType)) {
    case "none":
      return info(keyType === "test" ? texts.aboutTestKey : texts.notGiven);
    case "force":
      return success(texts.inUse);
    case "replaced":
      return warning(texts.replaced);
    case "revoked":
      return warning(texts.revokedInShop);
  }
};
