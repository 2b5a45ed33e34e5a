/** The page's elements. Whatever comes from outside gets there as text, never as markup. */
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

/**
 * Shows that a button is at work, or that it has to wait. It stays where it is and keeps the focus, which a button that is
 * `disabled` loses: its click is for its handler to ignore.
 */
export const setBusy = (button: HTMLButtonElement, isBusy: boolean, isWaiting = isBusy): void => {
  button.ariaBusy = String(isBusy);
  button.ariaDisabled = String(isWaiting);
};
