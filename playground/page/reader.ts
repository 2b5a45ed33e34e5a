/** The pages to read: puts the reader's values into the samples, copies samples, and shows where the reader is. */
import { makeCopyButton } from "./copy-button";
import { setText } from "./dom";
import { makeLocale } from "./messages";

const locale = makeLocale(document.documentElement.lang === "en" ? "en" : "it");

for (const field of document.querySelectorAll<HTMLInputElement>("input[data-sets]")) {
  const places = [...document.querySelectorAll(`[data-value="${field.dataset["sets"] ?? ""}"]`)].map(
    (place) => ({ place, before: place.textContent }),
  );
  field.addEventListener("input", () => {
    // The commands add a path, which begins with a slash.
    const value = field.value.trim().replace(/\/+$/, "");
    for (const { place, before } of places) {
      setText(place, value === "" ? before : value);
    }
  });
}

for (const sample of document.querySelectorAll(".sample")) {
  const [button, code] = [sample.querySelector("button"), sample.querySelector("code")];
  if (button !== null && code !== null) {
    const render = makeCopyButton(
      button,
      () => code.textContent,
      ({ messages }) => messages.copy,
      () => locale,
    );
    render();
    button.hidden = false;
  }
}

/** The entries of the table of contents. That of the last heading that reached the top of the window is marked. */
const links = new Map(
  [...document.querySelectorAll<HTMLAnchorElement>(".contents a[href^='#']")].map((link) => [
    decodeURIComponent(link.hash.slice(1)),
    link,
  ]),
);
const headings = [...links.keys()].flatMap((id) => document.getElementById(id) ?? []);
const showPlace = (): void => {
  const above = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight / 10);
  const current = above.at(-1)?.id;
  for (const [id, link] of links) {
    link.ariaCurrent = id === current ? "true" : null;
  }
};
// The observer calls when a heading enters the top tenth of the window or leaves it.
const observer = new IntersectionObserver(showPlace, { rootMargin: "0px 0px -90% 0px" });
for (const heading of headings) {
  observer.observe(heading);
}

// The list closes over what it led to, where it is not beside the text.
for (const link of links.values()) {
  link.addEventListener("click", () => {
    link.closest("details")?.removeAttribute("open");
  });
}
