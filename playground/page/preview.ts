/** Stands in for the site: the language from the address. */
const isEnglish = new URLSearchParams(location.search).get("lang") === "en";
document.documentElement.lang = isEnglish ? "en" : "it";
if (isEnglish) {
  document.title = "Discount codes of the Italian youth card: see the service work";
  const title = document.querySelector("h1");
  if (title !== null) {
    title.textContent = "See the service work on your computer";
  }
}
if (matchMedia("(prefers-color-scheme: dark)").matches) {
  document.documentElement.dataset["theme"] = "dark";
}
