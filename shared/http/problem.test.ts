import * as t from "io-ts";
import { makeFailures } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { bodyFaults, type Failure } from "../domain/failure";
import { toProblem, type Audience } from "./problem";

const languages = ["it", "en"] as const;
const failures = Object.values(makeFailures(["body"]));

const sentencesOf = (failure: Failure, audience: Audience, acceptLanguage: string): string[] => {
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
    [
      "it",
      "In questo momento non possiamo verificare il codice. Riprova più tardi.",
      "Nota per il negozio: controllare",
    ],
    ["en", "We cannot check the code at the moment. Try again later.", "Note for the shop: look at"],
  ])(
    "tell a customer, in %s, only to try later where the shop or the service is to be mended, and the shop what to look at",
    (language, told, note) => {
      const notes = {
        "invalid-request": " body.",
        unauthorized: " Ocp-Apim-Subscription-Key.",
        "internal-error": undefined,
      };
      const texts = failures
        .filter(({ tag }) => Object.hasOwn(notes, tag))
        .map((failure) => [failure.tag, sentencesOf(failure, "customer", language).join(". ")]);
      expect(texts).toEqual(
        Object.entries(notes).map(([tag, named]) => [
          tag,
          named === undefined ? told : `${told} ${note}${named}`,
        ]),
      );
    },
  );

  it.each([
    ["it", /Nota per il negozio: controllare body, che supera 4 KiB\.$/],
    ["en", /Note for the shop: look at body, which is larger than 4 KiB\.$/],
  ])("do not tell a customer, in %s, to repeat what is too large", (language, note) => {
    const detail = sentencesOf({ tag: "request-too-large" }, "customer", language)[1] ?? "";
    expect(detail).toMatch(note);
    expect(detail).not.toMatch(/riprova|try again/i);
  });

  it("tell of each body that is not JSON what it is, and the shop's developer in other words than other developers", () => {
    const details = bodyFaults.flatMap((bodyFault) =>
      languages.flatMap((language) =>
        (["customer", "developer"] as const).map(
          (audience) =>
            sentencesOf({ tag: "invalid-request", fields: ["body"], bodyFault }, audience, language)[1],
        ),
      ),
    );
    expect(new Set(details).size).toBe(bodyFaults.length * 4);
    expect(details.filter((detail) => !/ body: .+\.$/.test(detail ?? ""))).toEqual([]);
  });
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
