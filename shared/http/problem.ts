/** Problem details (RFC 9457) of a failure, in the caller's language. */
import Negotiator from "negotiator";
import type { BodyFault, Failure } from "../domain/failure";
import type { Answer } from "./answer";
import { otpBody, type ProblemBody } from "./bodies";

/** A problem's `type` is this URI followed by the name of the failure. Clients compare it, so it never changes. */
export const problemTypeBase = "https://api.cgn.pagopa.it/problems/";

const languages = ["it", "en"] as const;
type Language = (typeof languages)[number];

/** Who reads an operation's problems: the customer at a shop's checkout, or the developer of the calling program. */
export type Audience = "customer" | "developer";

/** What happened, and what to do now. */
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
  "too-many-requests": 429,
  "internal-error": 500,
  "service-unavailable": 503,
};

export const problemNames: readonly string[] = Object.keys(statuses);

export const statusOf = ({ tag }: Failure): number => statuses[tag];

/** A customer cannot mend these. The shop reads the note, and the problem's page. */
const notForCustomers: Readonly<Record<Language, Message>> = {
  it: { title: "In questo momento non possiamo verificare il codice", detail: "Riprova più tardi." },
  en: { title: "We cannot check the code at the moment", detail: "Try again later." },
};

const messages: Readonly<Record<Language, Readonly<Record<Failure["tag"], Message>>>> = {
  it: {
    "invalid-request": notForCustomers.it,
    "otp-invalid": {
      title: "Il formato del codice sconto non è corretto",
      detail: "Controlla di aver copiato tutti gli 11 caratteri, lettere maiuscole e cifre, e riprova.",
    },
    unauthorized: notForCustomers.it,
    "otp-not-found": {
      title: "Il codice sconto non esiste",
      detail: "Controlla di averlo copiato per intero e di averlo generato per questo negozio.",
    },
    "otp-expired": {
      title: "Il codice sconto è scaduto",
      detail: "Generane uno nuovo nell'app IO e incollalo qui.",
    },
    "otp-already-used": {
      title: "Il codice sconto è già stato usato",
      detail: "Generane uno nuovo nell'app IO e incollalo qui.",
    },
    "otp-conflict": {
      title: "C'è già un altro codice sconto attivo",
      detail: "Usa quello che vedi nell'app IO.",
    },
    // A customer who pasted a whole message can mend it.
    "request-too-large": {
      title: "Non possiamo verificare il codice",
      detail: "Controlla di aver incollato solo gli 11 caratteri.",
    },
    "too-many-requests": { title: notForCustomers.it.title, detail: "Riprova tra qualche istante." },
    "internal-error": notForCustomers.it,
    "service-unavailable": {
      title: "In questo momento non possiamo applicare lo sconto",
      detail: "Riprova tra qualche istante.",
    },
  },
  en: {
    "invalid-request": notForCustomers.en,
    "otp-invalid": {
      title: "The discount code is not in the right format",
      detail: "Check that you copied all 11 characters, capital letters and digits, and try again.",
    },
    unauthorized: notForCustomers.en,
    "otp-not-found": {
      title: "The discount code does not exist",
      detail: "Check that you copied all of it, and that you generated it for this shop.",
    },
    "otp-expired": {
      title: "The discount code has expired",
      detail: "Generate a new one in the IO app and paste it here.",
    },
    "otp-already-used": {
      title: "The discount code has already been used",
      detail: "Generate a new one in the IO app and paste it here.",
    },
    "otp-conflict": {
      title: "There is already another active discount code",
      detail: "Use the one shown in the IO app.",
    },
    "request-too-large": {
      title: "We cannot check the code",
      detail: "Make sure that you pasted only its 11 characters.",
    },
    "too-many-requests": { title: notForCustomers.en.title, detail: "Try again in a few moments." },
    "internal-error": notForCustomers.en,
    "service-unavailable": {
      title: "We cannot apply the discount right now",
      detail: "Try again in a few moments.",
    },
  },
};

/** What replaces a message in operations that no customer sees. */
const messagesForDevelopers: Readonly<Record<Language, Readonly<Partial<Record<Failure["tag"], Message>>>>> =
  {
    it: {
      "invalid-request": {
        title: "La richiesta non è valida",
        detail: "Un campo manca o non ha il formato previsto.",
      },
      "request-too-large": {
        title: "La richiesta è troppo grande",
        detail: "Invia un corpo di 4 KiB al massimo.",
      },
      "internal-error": { title: "Si è verificato un errore", detail: "Riprova più tardi." },
      "service-unavailable": {
        title: "Il servizio non è disponibile",
        detail: "Riprova tra qualche istante.",
      },
    },
    en: {
      "invalid-request": {
        title: "The request is not valid",
        detail: "A field is missing or is not in the expected format.",
      },
      "request-too-large": { title: "The request is too large", detail: "Send a body of 4 KiB at most." },
      "internal-error": { title: "Something went wrong", detail: "Try again later." },
      "service-unavailable": {
        title: "The service is not available",
        detail: "Try again in a few moments.",
      },
    },
  };

/** Names of the contract are for the shop, so the sentence that a customer sees says so. */
const notes: Readonly<Record<Language, Readonly<Record<Audience, (named: string) => string>>>> = {
  it: {
    customer: (named) => `Nota per il negozio: controllare ${named}.`,
    developer: (named) => `Da controllare: ${named}.`,
  },
  en: {
    customer: (named) => `Note for the shop: look at ${named}.`,
    developer: (named) => `To be checked: ${named}.`,
  },
};

const bodyFaults: Readonly<Record<Language, Readonly<Record<BodyFault, string>>>> = {
  it: {
    empty: "è vuoto, va inviato con Content-Length e non a blocchi (chunked)",
    gzip: "è compresso con gzip",
    "utf-16": "è in UTF-16, serve UTF-8",
    "not-utf-8": "non è in UTF-8, oppure è compresso",
    form: "contiene i campi di un modulo, serve JSON",
    multipart: "è multipart, serve JSON",
    "not-json": "non è JSON",
    "not-an-object": "è JSON, ma non un oggetto",
  },
  en: {
    empty: "it is empty, and is to be sent with Content-Length, not in chunks",
    gzip: "it is compressed with gzip",
    "utf-16": "it is in UTF-16 instead of UTF-8",
    "not-utf-8": "it is not in UTF-8, or is compressed",
    form: "it has the fields of a form instead of JSON",
    multipart: "it is multipart instead of JSON",
    "not-json": "it is not JSON",
    "not-an-object": "it is JSON, but not an object",
  },
};

const bodyTooLarge: Readonly<Record<Language, string>> = {
  it: "body, che supera 4 KiB",
  en: "body, which is larger than 4 KiB",
};

const apiKeyHeader = "Ocp-Apim-Subscription-Key";

/** What the calling program's developer must check: names of the contract, and never a value. */
const namedBy = (failure: Failure, audience: Audience, language: Language): string | undefined => {
  switch (failure.tag) {
    case "invalid-request": {
      const fields = failure.fields.join(", ");
      return failure.bodyFault === undefined
        ? fields
        : `${fields}: ${bodyFaults[language][failure.bodyFault]}`;
    }
    case "unauthorized":
      return apiKeyHeader;
    case "request-too-large":
      return audience === "customer" ? bodyTooLarge[language] : undefined;
    default:
      return undefined;
  }
};

/**
 * Italian, unless `Accept-Language` (RFC 9110, section 12.5.4) prefers English. The negotiator must not see regions: of
 * `it-IT, en` it would choose `en`, the exact match, although `it-IT` comes first.
 */
const negotiateLanguage = (acceptLanguage: string | undefined): Language => {
  const preferred = new Negotiator({
    headers: { "accept-language": acceptLanguage?.replaceAll(/-[\w*-]*/g, "") },
  }).language([...languages]);
  return languages.find((language) => language === preferred) ?? "it";
};

const headersOf = (failure: Failure): Record<string, string> => {
  switch (failure.tag) {
    // RFC 9110, section 15.5.2: a 401 carries a challenge.
    case "unauthorized":
      return { "WWW-Authenticate": `ApiKey realm="cgn-otp", header="${apiKeyHeader}"` };
    case "too-many-requests":
    case "service-unavailable":
      return { "Retry-After": String(failure.retryAfterSeconds) };
    default:
      return {};
  }
};

export interface ProblemContext {
  readonly audience: Audience;
  readonly acceptLanguage: string | undefined;
  readonly invocationId: string;
}

export const toProblem = (
  failure: Failure,
  { audience, acceptLanguage, invocationId }: ProblemContext,
): Required<Answer> => {
  const language = negotiateLanguage(acceptLanguage);
  const forDeveloper = audience === "developer" ? messagesForDevelopers[language][failure.tag] : undefined;
  const { title, detail } = forDeveloper ?? messages[language][failure.tag];
  const status = statusOf(failure);
  const named = namedBy(failure, audience, language);
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
      detail: named === undefined ? detail : `${detail} ${notes[language][audience](named)}`,
      instance: `urn:uuid:${invocationId}`,
      ...(failure.tag === "otp-conflict" && failure.otp !== undefined ? { otp: otpBody(failure.otp) } : {}),
    } satisfies ProblemBody),
  };
};
