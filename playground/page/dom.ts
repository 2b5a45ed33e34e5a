/** The page's elements. Text from outside is inserted as text, never as markup. */
/** The element that `index.html` has under this id. */
export const byId = <E extends Element>(id: string, type: abstract new () => E): E => {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new Error(`#${id} is not there, or is not what it is taken for`);
  }
  return found;
};

/**
 * A copy of the `<template>` with this id. Each id in it, and each reference to one, gets the prefix, so that the page may
 * have several copies.
 */
export const copyTemplate = (id: string, prefix: string): DocumentFragment => {
  const copy = document.importNode(byId(id, HTMLTemplateElement).content, true);
  for (const attribute of ["id", "for", "aria-labelledby"]) {
    for (const element of copy.querySelectorAll(`[${attribute}]`)) {
      const ids = element.getAttribute(attribute) ?? "";
      element.setAttribute(attribute, ids.replaceAll(/\S+/g, `${prefix}-$&`));
    }
  }
  return copy;
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

/** Does not set the same text again: in a live region, a screen reader would read it again. */
export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) {
    element.textContent = text;
  }
};

/** Does not set the same children again, as `setText` does not set the same text. */
export const setChildren = (parent: Element, children: readonly Element[]): void => {
  const present = [...parent.children];
  if (
    children.length !== present.length ||
    children.some((child, index) => !child.isEqualNode(present[index] ?? null))
  ) {
    parent.replaceChildren(...children);
  }
};

/**
 * Brings what changed in a section into the window, if it is outside: on a phone, it may be. If the window is too small for
 * all of it, the last counts most. Does nothing when the user's focus has moved on to another section meanwhile.
 */
export const reveal = (...changed: readonly Element[]): void => {
  const { activeElement } = document;
  for (const element of changed) {
    if (activeElement === document.body || element.closest("section")?.contains(activeElement) === true) {
      element.scrollIntoView({ block: "nearest" });
    }
  }
};

/**
 * Shows that a button is at work, or that it has to wait. The button keeps the focus, which a `disabled` button would
 * lose. So its click handler must ignore clicks meanwhile.
 */
export const setBusy = (button: HTMLButtonElement, isBusy: boolean, isWaiting = isBusy): void => {
  button.ariaBusy = String(isBusy);
  button.ariaDisabled = String(isWaiting);
};
