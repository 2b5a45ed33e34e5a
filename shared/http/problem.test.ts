import { toProblem } from "./problem";

describe("a problem's language", () => {
  const languageFor = (acceptLanguage: string | null): string | undefined =>
    toProblem({ tag: "otp-expired" }, acceptLanguage, "").headers["Content-Language"];

  it.each([
    null,
    "",
    "*",
    "it",
    "fr",
    "it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7",
    "it-IT,en",
    "it-CH, en",
    "IT-it, en",
    "it-IT;q=0.8,en;q=0.8",
    "fr, it-IT;q=0.5, en;q=0.5",
    "en;q=0.1, it",
    "en;q=0.5, *",
    "*, en-GB;q=0.5",
    "en;q=0",
    "it;q=0, en;q=0",
    ";;;",
  ])("is Italian for %j", (acceptLanguage) => {
    expect(languageFor(acceptLanguage)).toBe("it");
  });

  it.each([
    "en",
    "EN-us",
    "en-GB,en;q=0.9,it;q=0.8",
    "en-GB,it",
    "en-GB;q=0.8, it;q=0.8",
    "fr, en;q=0.5",
    "en, *",
    "it;q=0.5, en-US",
    "it;q=0.1, *",
    "it;q=0,*",
    "it-IT;q=0, *;q=0.5",
  ])("is English for %j", (acceptLanguage) => {
    expect(languageFor(acceptLanguage)).toBe("en");
  });
});
