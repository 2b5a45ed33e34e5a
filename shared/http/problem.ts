/** Problem details (RFC 9457): what a failure looks like on the wire, in the caller's language. */
import Negotiator from "negotiator";
import type { Failure, IssuedOtp } from "../domain/failure";
import type { Answer } from "./answer";
import type { OtpBody, ProblemBody } from "./bodies";

/** A problem's `type` is this URI followed by the name of the failure. Clients compare it, so it never changes. */
export const problemTypeBase = "https://api.cgn.pagopa.it/problems/";

const languages = ["it", "en"] as const;
type Language = (typeof languages)[number];

/** Sentences that a shop may show its customer. */
interface Message {
  readonly title: string;
  readonly detail: string;
}

const statuses: Readonly<Record<Failure["tag"], number>> = {
  "invalid-request": 400,
  "otp-invalid": 400,
  unauthorized: 401,
  "otp-not-found": 404,
  "otp-expired": 404,
  "otp-already-used": 404,
  "otp-conflict": 409,
  "request-too-large": 413,
  "internal-error": 500,
  "service-unavailable": 503,
};

/** The name of every failure. The type of `statuses` makes sure that none is missing. */
export const problemNames: readonly string[] = Object.keys(statuses);

/** The HTTP status that a failure is answered with. */
export const statusOf = ({ tag }: Failure): number => statuses[tag];

const messages: Readonly<Record<Language, Readonly<Record<Failure["tag"], Message>>>> = {
  it: {
    "invalid-request": {
      title: "La richiesta non è valida",
      detail: "La richiesta non può essere elaborata: un campo manca o non è scritto nel modo previsto.",
    },
    "otp-invalid": {
      title: "Il codice sconto non è scritto correttamente",
      detail: "Il codice sconto è fatto di 11 caratteri, lettere maiuscole e cifre: controllalo e riprova.",
    },
    unauthorized: {
      title: "Il negozio non è stato riconosciuto",
      detail:
        "Il codice sconto non può essere verificato perché la chiave API del negozio manca o non è valida.",
    },
    "otp-not-found": {
      title: "Il codice sconto non esiste",
      detail: "Questo codice sconto non esiste: controlla di averlo copiato per intero e riprova.",
    },
    "otp-expired": {
      title: "Il codice sconto è scaduto",
      detail: "Questo codice sconto è scaduto: generane uno nuovo nell'app IO.",
    },
    "otp-already-used": {
      title: "Il codice sconto è già stato usato",
      detail: "Questo codice sconto è già stato usato: generane uno nuovo nell'app IO.",
    },
    "otp-conflict": {
      title: "C'è già un altro codice sconto attivo",
      detail: "Per questa agevolazione c'è già un codice sconto attivo: usa quello che vedi nell'app IO.",
    },
    "request-too-large": {
      title: "La richiesta è troppo grande",
      detail: "La richiesta supera la dimensione massima di 4 KiB.",
    },
    "internal-error": {
      title: "Si è verificato un errore",
      detail: "La richiesta non è stata completata per un errore del servizio. Riprova più tardi.",
    },
    "service-unavailable": {
      title: "Il servizio non è disponibile",
      detail: "Il servizio è momentaneamente indisponibile. Riprova tra qualche istante.",
    },
  },
  en: {
    "invalid-request": {
      title: "The request is not valid",
      detail: "The request cannot be processed: a field is missing or is not written as expected.",
    },
    "otp-invalid": {
      title: "The discount code is not written correctly",
      detail: "A discount code is made of 11 characters, capital letters and digits: check it and try again.",
    },
    unauthorized: {
      title: "The shop was not recognised",
      detail: "The discount code cannot be checked because the shop's API key is missing or not valid.",
    },
    "otp-not-found": {
      title: "The discount code does not exist",
      detail: "This discount code does not exist: check that you copied all of it and try again.",
    },
    "otp-expired": {
      title: "The discount code has expired",
      detail: "This discount code has expired: generate a new one in the IO app.",
    },
    "otp-already-used": {
      title: "The discount code has already been used",
      detail: "This discount code has already been used: generate a new one in the IO app.",
    },
    "otp-conflict": {
      title: "There is already another active discount code",
      detail: "There is already an active discount code for this discount: use the one shown in the IO app.",
    },
    "request-too-large": {
      title: "The request is too large",
      detail: "The request is larger than the limit of 4 KiB.",
    },
    "internal-error": {
      title: "Something went wrong",
      detail: "The request was not completed because of an error of the service. Try again later.",
    },
    "service-unavailable": {
      title: "The service is not available",
      detail: "The service is temporarily unavailable. Try again in a few moments.",
    },
  },
};

const namingFields: Readonly<Record<Language, (fields: string) => string>> = {
  it: (fields) => `Da controllare: ${fields}.`,
  en: (fields) => `To be checked: ${fields}.`,
};

/**
 * Italian, unless `Accept-Language` (RFC 9110, section 12.5.4) prefers English. The negotiator must not see regions:
 * with `it-IT, en`, which have equal weight, it would choose `en`, the exact match, although `it-IT` comes first.
 */
const negotiateLanguage = (acceptLanguage: string | null): Language => {
  const preferred = new Negotiator({
    headers: { "accept-language": acceptLanguage?.replaceAll(/-[\w*-]*/g, "") },
  }).language([...languages]);
  return languages.find((language) => language === preferred) ?? "it";
};

/** An OTP on the wire; `ttl` is in seconds. */
export const otpBody = (otp: IssuedOtp): OtpBody => ({
  code: otp.code,
  expires_at: otp.expiresAt.toISOString(),
  ttl: otp.ttlSeconds,
});

const headersOf = (failure: Failure): Record<string, string> => {
  switch (failure.tag) {
    // RFC 9110, section 15.5.2: a 401 carries a challenge.
    case "unauthorized":
      return { "WWW-Authenticate": 'ApiKey realm="cgn-otp", header="Ocp-Apim-Subscription-Key"' };
    case "service-unavailable":
      return { "Retry-After": String(failure.retryAfterSeconds) };
    default:
      return {};
  }
};

/** @param acceptLanguage the request's `Accept-Language`. */
export const toProblem = (
  failure: Failure,
  acceptLanguage: string | null,
  invocationId: string,
): Required<Answer> => {
  const language = negotiateLanguage(acceptLanguage);
  const { title, detail } = messages[language][failure.tag];
  const status = statusOf(failure);
  return {
    status,
    headers: {
      "Content-Type": "application/problem+json",
      "Content-Language": language,
      Vary: "Accept-Language",
      ...headersOf(failure),
    },
    body: JSON.stringify({
      type: problemTypeBase + failure.tag,
      title,
      status,
      detail:
        failure.tag === "invalid-request"
          ? `${detail} ${namingFields[language](failure.fields.join(", "))}`
          : detail,
      instance: `urn:uuid:${invocationId}`,
      ...(failure.tag === "otp-conflict" && failure.otp !== undefined ? { otp: otpBody(failure.otp) } : {}),
    } satisfies ProblemBody),
  };
};
