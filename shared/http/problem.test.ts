import * as t from "io-ts";
import { makeFailures } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { toProblem, type Audience } from "./problem";

const languages = ["it", "en"] as const;
const failures = Object.values(makeFailures(["body"]));

const sentencesOf = (
  failure: (typeof failures)[number],
  audience: Audience,
  acceptLanguage: string,
): string[] => {
  const { body } = toProblem(failure, { audience, acceptLanguage, invocationId: "" });
  const { title, detail } = decode(t.type({ title: t.string, detail: t.string }), JSON.parse(body));
  return [title, detail];
};

describe("a problem's two sentences", () => {
  it.each(
    failures.flatMap((failure) =>
      languages.flatMap((language) =>
        (["customer", "developer"] as const).map(
          (audience) => [failure.tag, language, audience, failure] as const,
        ),
      ),
    ),
  )("do not repeat one another: %s in %s, read by a %s", (_tag, language, audience, failure) => {
    const wordsOf = (sentence: string): string[] => [...(sentence.toLowerCase().match(/\p{L}{4,}/gu) ?? [])];
    const [title = [], detail = []] = sentencesOf(failure, audience, language).map(wordsOf);
    expect(title.filter((word) => detail.includes(word))).toEqual([]);
  });

  it.each([
    ["it", "In questo momento non possiamo verificare il codice. Riprova più tardi."],
    ["en", "We cannot check the code at the moment. Try again later."],
  ])(
    "tell a customer, in %s, only to try later where the shop or the service is to be mended",
    (language, told) => {
      const mendedElsewhere = failures.filter(({ tag }) => !/^(otp-|service-)/.test(tag));
      expect(mendedElsewhere.map(({ tag }) => tag)).toEqual([
        ...["invalid-request", "unauthorized", "request-too-large", "internal-error"],
      ]);
      for (const failure of mendedElsewhere) {
        const text = sentencesOf(failure, "customer", language).join(". ");
        // The names of the fields are a note for the shop.
        expect([
          failure.tag,
          text.replace(/ (?:Nota per il negozio: controllare|Note for the shop: look at) body\.$/, ""),
        ]).toEqual([failure.tag, told]);
      }
    },
  );
});

describe("a problem's language", () => {
  const languageFor = (acceptLanguage: string | undefined): string | undefined =>
    toProblem({ tag: "otp-expired" }, { audience: "customer", acceptLanguage, invocationId: "" }).headers[
      "Content-Language"
    ];

  it.each([
    undefined,
    "",
    "*",
    "fr",
    "it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7",
    "it-IT,en",
    "it-IT;q=0.8,en;q=0.8",
    "en;q=0.1, it",
    "en;q=0.5, *",
    "en;q=0",
    ";;;",
  ])("is Italian for %j", (acceptLanguage) => {
    expect(languageFor(acceptLanguage)).toBe("it");
  });

  it.each([
    "en",
    "en-GB,en;q=0.9,it;q=0.8",
    "en-GB,it",
    "en-GB;q=0.8, it;q=0.8",
    "en, *",
    "it;q=0.1, *",
    "it;q=0,*",
  ])("is English for %j", (acceptLanguage) => {
    expect(languageFor(acceptLanguage)).toBe("en");
  });
});
