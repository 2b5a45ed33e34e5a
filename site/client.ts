/** In the browser: puts the reader's values into the samples, copies samples, and opens the tab that a link or a choice wants. */

for (const field of document.querySelectorAll<HTMLInputElement>("input[data-sets]")) {
  const places = [...document.querySelectorAll(`[data-value="${field.dataset["sets"] ?? ""}"]`)].map(
    (place) => ({ place, before: place.textContent }),
  );
  field.addEventListener("input", () => {
    // The commands add a path, which begins with a slash.
    const value = field.value.trim().replace(/\/+$/, "");
    for (const { place, before } of places) {
      place.textContent = value === "" ? before : value;
    }
  });
}

const words =
  document.documentElement.lang === "en"
    ? { copy: "Copy", copied: "Copied", notCopied: "Not copied" }
    : { copy: "Copia", copied: "Copiato", notCopied: "Non copiato" };
const shownForMs = 2000;

for (const button of document.querySelectorAll<HTMLButtonElement>(".sample button")) {
  const lines = [...(button.closest(".sample")?.querySelectorAll(".ec-line") ?? [])];
  const say = (text: string): void => {
    button.textContent = text;
  };
  // So that a screen reader says what came of it.
  button.ariaLive = "polite";
  button.hidden = false;
  say(words.copy);
  button.addEventListener("click", () => {
    const code = lines.map(({ textContent }) => textContent.replace(/\n$/, "")).join("\n");
    const written = navigator.clipboard.writeText(code);
    void written
      .then(() => words.copied)
      .catch(() => words.notCopied)
      .then(say);
    setTimeout(say, shownForMs, words.copy);
  });
}

/** Where Starlight's tabs keep the language that was chosen. In the reference, a list has the same languages. */
const chosen = "starlight-synced-tabs__language";
const picker = document.querySelector<HTMLSelectElement>("sl-openapi-snippet-picker select");
if (picker !== null) {
  void customElements.whenDefined("sl-openapi-snippet-picker").then(() => {
    const option = [...picker.options].find(({ text }) => text === localStorage.getItem(chosen));
    picker.value = option?.value ?? picker.value;
    picker.dispatchEvent(new Event("change"));
    picker.addEventListener("change", () => {
      localStorage.setItem(chosen, picker.selectedOptions[0]?.text ?? "");
    });
  });
}

/** A link to a heading within a tab opens the tab. */
const followHash = (): void => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const tab = target?.closest('[role="tabpanel"]')?.getAttribute("aria-labelledby") ?? "";
  document.getElementById(tab)?.click();
  target?.scrollIntoView();
};
addEventListener("hashchange", followHash);
void customElements.whenDefined("starlight-tabs").then(followHash);

// The names of the search's button and field: what they show, the keys included.
for (const button of document.querySelectorAll("[data-open-modal]")) {
  button.ariaLabel = button.textContent.replaceAll(/\s+/g, " ").trim();
}
addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLInputElement && target.matches(".pagefind-ui__search-input")) {
    target.ariaLabel = target.title;
  }
});

export {};
