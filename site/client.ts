/** In the browser: puts the reader's values into the samples, copies samples, and makes tabs of the languages. */

const words =
  document.documentElement.lang === "en"
    ? { copy: "Copy", copied: "Copied", notCopied: "Not copied", languages: "Language" }
    : { copy: "Copia", copied: "Copiato", notCopied: "Non copiato", languages: "Linguaggio" };

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
    void navigator.clipboard.writeText(code).then(
      () => {
        say(words.copied);
      },
      () => {
        say(words.notCopied);
      },
    );
    setTimeout(say, shownForMs, words.copy);
  });
}

/** The language that was chosen, for the whole site. A browser may have no storage: then for nothing but the page. */
const chosen = {
  key: "language-of-programs",
  read: (): string | null => {
    try {
      return localStorage.getItem(chosen.key);
    } catch {
      return null;
    }
  },
  keep: (name: string): void => {
    try {
      localStorage.setItem(chosen.key, name);
    } catch {
      // Nothing depends on it.
    }
  },
};

/** Shows a language in each group of tabs that has it. */
const show = (name: string): void => {
  for (const group of document.querySelectorAll("language-tabs")) {
    const panels = [...group.querySelectorAll<HTMLElement>(":scope > section")];
    const tabs = group.querySelectorAll<HTMLElement>('[role="tab"]');
    const at = panels.findIndex(({ dataset }) => dataset["tab"] === name);
    panels.forEach((panel, index) => {
      panel.hidden = at === -1 ? panel.hidden : at !== index;
    });
    tabs.forEach((tab, index) => {
      tab.ariaSelected = at === -1 ? tab.ariaSelected : String(at === index);
      tab.tabIndex = tab.ariaSelected === "true" ? 0 : -1;
    });
  }
};

const choose = (name: string): void => {
  show(name);
  chosen.keep(name);
};

for (const group of document.querySelectorAll("language-tabs")) {
  const list = document.createElement("div");
  list.role = "tablist";
  list.ariaLabel = words.languages;
  // Starlight's margins between paragraphs are not for these.
  list.className = "not-content";
  const tabs = [...group.querySelectorAll<HTMLElement>(":scope > section")].map((panel, index) => {
    const heading = panel.querySelector("h3");
    const tab = document.createElement("button");
    tab.type = "button";
    tab.role = "tab";
    tab.id = `tab-${heading?.id ?? ""}`;
    tab.textContent = panel.dataset["tab"] ?? "";
    tab.ariaSelected = String(index === 0);
    tab.addEventListener("click", () => {
      choose(tab.textContent);
    });
    heading?.classList.add("sr-only");
    panel.role = "tabpanel";
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  });
  list.addEventListener("keydown", ({ key }) => {
    const at = tabs.findIndex(({ ariaSelected }) => ariaSelected === "true");
    const next = { ArrowLeft: at - 1, ArrowRight: (at + 1) % tabs.length, Home: 0, End: -1 }[key];
    if (next !== undefined) {
      tabs.at(next)?.click();
      tabs.at(next)?.focus();
    }
  });
  list.append(...tabs);
  group.prepend(list);
  show(tabs[0]?.textContent ?? "");
}
show(chosen.read() ?? "");

// In the reference, a list has the same languages.
const picker = document.querySelector<HTMLSelectElement>("sl-openapi-snippet-picker select");
if (picker !== null) {
  void customElements.whenDefined("sl-openapi-snippet-picker").then(() => {
    const option = [...picker.options].find(({ text }) => text === chosen.read());
    picker.value = option?.value ?? picker.value;
    picker.dispatchEvent(new Event("change"));
    picker.addEventListener("change", () => {
      chosen.keep(picker.selectedOptions[0]?.text ?? "");
    });
  });
}

/** A link to a heading within a tab opens the tab. */
const followHash = (): void => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const name = target?.closest<HTMLElement>("section[data-tab]")?.dataset["tab"];
  if (name !== undefined) {
    choose(name);
    target?.scrollIntoView();
  }
};
followHash();
addEventListener("hashchange", followHash);

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
