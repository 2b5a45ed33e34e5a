/** Shows the user the result of an action, in the language that the page has at that moment. */
import type { Answer } from "./api";
import { make, setChildren } from "./dom";
import type { Language, Locale } from "./messages";

export interface Notice {
  readonly level: "success" | "info" | "warning" | "danger";
  readonly title?: string;
  readonly text: (locale: Locale) => string;
  /** The language of a text that is not the page's own. */
  readonly language?: Language;
}

/** Why a call failed, in the words of the service's problem, if there is one. */
export const explain = (answer: Exclude<Answer<unknown>, { tag: "answered" }>): Notice => {
  if (answer.tag === "lost") {
    return { level: "danger", text: ({ messages }) => messages.noAnswer };
  }
  const { problem, language } = answer;
  return { level: "danger", title: problem.title, text: () => problem.detail, language };
};

/** Shows notices in a live region. */
export const showNotices = (region: Element, notices: readonly Notice[], locale: Locale): void => {
  setChildren(
    region,
    notices.map(({ level, title, text, language = locale.language }) =>
      make(
        "div",
        { class: `alert alert-${level}`, lang: language },
        ...(title === undefined ? [] : [make("strong", { class: "d-block" }, title)]),
        text(locale),
      ),
    ),
  );
};
