import { byId, setText } from "./dom";
import type { Locale } from "./messages";

const shownForMs = 2000;

/**
 * Makes a button copy a text. The button shows whether that worked, and so does a live region, because screen readers
 * do not announce that a button's name changed. Returns the function that renders the button.
 */
export const makeCopyButton = (
  button: HTMLButtonElement,
  text: () => string,
  label: (locale: Locale) => string,
  locale: () => Locale,
): (() => void) => {
  let outcome: "copied" | "notCopied" | undefined;
  const render = (): void => {
    setText(button, outcome === undefined ? label(locale()) : locale().messages[outcome]);
  };
  const tell = (what: "copied" | "notCopied"): void => {
    const region = byId("copy-status", HTMLElement);
    outcome = what;
    setText(region, locale().messages[what]);
    render();
    setTimeout(() => {
      outcome = undefined;
      setText(region, "");
      render();
    }, shownForMs);
  };
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(text()).then(
      () => {
        tell("copied");
      },
      () => {
        tell("notCopied");
      },
    );
  });
  return render;
};
