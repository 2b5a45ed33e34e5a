import { setText } from "./dom";
import type { Locale } from "./messages";

const shownForMs = 2000;

/** Makes a button copy a text, and say whether it could. Returns what renders it. */
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
  const tell = (what: typeof outcome): void => {
    outcome = what;
    render();
    setTimeout(() => {
      outcome = undefined;
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
