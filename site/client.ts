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
  // A screen reader announces the outcome, because the button is a live region of its own.
  button.ariaLive = "polite";
  button.textContent = words.copy;
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = lines.map(({ textContent }) => textContent.replace(/\n$/, "")).join("\n");
    void navigator.clipboard
      .writeText(text)
      .then(
        () => words.copied,
        () => words.notCopied,
      )
      .then((outcome) => {
        button.textContent = outcome;
        setTimeout(() => {
          button.textContent = words.copy;
        }, shownForMs);
      });
  });
}

/** Where the browser keeps the language that was chosen, for the whole site. */
const chosenKey = "language-of-programs";

interface Tabs {
  /** Shows a language, if these tabs have it. */
  show(name: string): void;
}

const makeTabs = (element: Element): Tabs => {
  const panels = [...element.querySelectorAll<HTMLElement>(":scope > section")];
  const list = document.createElement("div");
  list.role = "tablist";
  // Starlight's margins between paragraphs are not for these.
  list.className = "not-content";
  list.ariaLabel = words.languages;
  const tabs = panels.map((panel) => {
    const name = panel.dataset["tab"] ?? "";
    const tab = document.createElement("button");
    tab.type = "button";
    tab.role = "tab";
    tab.id = `tab-${panel.querySelector("h3")?.id ?? name}`;
    tab.textContent = name;
    panel.role = "tabpanel";
    panel.querySelector("h3")?.classList.add("sr-only");
    panel.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => {
      choose(name);
    });
    return tab;
  });
  const show = (name: string): void => {
    if (panels.some(({ dataset }) => dataset["tab"] === name)) {
      panels.forEach((panel, index) => {
        const isShown = panel.dataset["tab"] === name;
        panel.hidden = !isShown;
        const tab = tabs[index];
        if (tab) {
          tab.ariaSelected = String(isShown);
          tab.tabIndex = isShown ? 0 : -1;
        }
      });
    }
  };
  list.addEventListener("keydown", ({ key }) => {
    const [at, last] = [tabs.findIndex(({ ariaSelected }) => ariaSelected === "true"), tabs.length - 1];
    const next = {
      ArrowLeft: at === 0 ? last : at - 1,
      ArrowRight: at === last ? 0 : at + 1,
      Home: 0,
      End: last,
    }[key];
    tabs[next ?? -1]?.click();
    tabs[next ?? -1]?.focus();
  });
  list.append(...tabs);
  element.prepend(list);
  show(panels[0]?.dataset["tab"] ?? "");
  return { show };
};

const allTabs = [...document.querySelectorAll("language-tabs")].map(makeTabs);

/** How the reference calls the same languages, and where it keeps the one that was chosen. */
const samplesKey = "starlight-openapi-snippet-id";
const sampleIds: Readonly<Record<string, string>> = {
  curl: "code-sample:sh:0",
  PHP: "code-sample:php:1",
  "Node.js": "code-sample:js:2",
  Python: "code-sample:python:3",
  "C#": "code-sample:csharp:4",
};
document.querySelector("sl-openapi-snippet-picker select")?.addEventListener("change", ({ target }) => {
  const id = target instanceof HTMLSelectElement ? target.value : "";
  const name = Object.keys(sampleIds).find((each) => sampleIds[each] === id);
  keep(chosenKey, name ?? "");
});

/** A browser may have no storage. Then the choice is for the page. */
const keep = (key: string, value: string): void => {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Nothing depends on it.
  }
};
const readChosen = (): string | null => {
  try {
    return localStorage.getItem(chosenKey);
  } catch {
    return null;
  }
};

const choose = (name: string): void => {
  keep(samplesKey, sampleIds[name] ?? "");
  allTabs.forEach((tabs) => {
    tabs.show(name);
  });
  keep(chosenKey, name);
};

const chosen = readChosen();
if (chosen !== null) {
  allTabs.forEach((tabs) => {
    tabs.show(chosen);
  });
}

/** A link to a heading within a tab opens the tab. */
const followHash = (): void => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const name = target?.closest<HTMLElement>("section[data-tab]")?.dataset["tab"];
  if (target && name !== undefined) {
    choose(name);
    target.scrollIntoView();
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
