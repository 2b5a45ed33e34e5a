/** What came of something that was done: said to whoever did it, in the language that the page has by then. */
import type { Answer } from "./api";
import { make, setChildren } from "./dom";
import type { Language, Locale } from "./messages";

export interface Notice {
  readonly level: "success" | "info" | "warning" | "danger";
  readonly title?: string;
  readonly text: (locale: Locale) => string;
  /** When it is not the page that says it. */
  readonly language?: Language;
}

/** Why a call did not give what it was made for: in the service's own words, if it said any. */
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
