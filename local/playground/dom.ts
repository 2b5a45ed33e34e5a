/** The page's elements. Whatever comes from outside gets there as text, never as markup. */
import type { Problem } from "./api";
import type { Language, Locale } from "./messages";

/** The element that `index.html` has under this id. */
export const byId = <E extends Element>(id: string, type: abstract new () => E): E => {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new Error(`#${id} is not there, or is not what it is taken for`);
  }
  return found;
};

export const make = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

/** Leaves a text that is there already alone: in a live region it would be read out again. */
export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) {
    element.textContent = text;
  }
};

/** Leaves children that are there already alone, as `setText` does. */
export const setChildren = (parent: Element, children: readonly Element[]): void => {
  const present = [...parent.children];
  if (
    children.length !== present.length ||
    children.some((child, index) => !child.isEqualNode(present[index] ?? null))
  ) {
    parent.replaceChildren(...children);
  }
};

/** What came of something that was done: said to whoever did it, in the language that the page has by then. */
export interface Notice {
  readonly level: "success" | "info" | "warning" | "danger";
  readonly title?: string;
  readonly text: (locale: Locale) => string;
  /** When it is not the page that says it. */
  readonly language?: Language;
}

export const toNotice = ({ title, detail }: Problem, language: Language): Notice => ({
  level: "danger",
  title,
  text: () => detail,
  language,
});

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
