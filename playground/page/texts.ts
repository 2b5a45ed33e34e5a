/** Every text of the playground. The type makes sure that both languages have the same ones. */
import type { Language } from "./shop";

const it = {
  done: "fatto",

  appTitle: "App IO",
  appStep: "Giulia genera un codice nell'app",
  generate: "Genera codice",
  noCode: "Qui compare il codice, con il tempo che gli resta.",
  yourCode: "Il tuo codice sconto",
  expiresIn: "Scade tra",
  take: "Usalo al checkout",
  codeReady: "Il codice è pronto: incollalo al checkout del negozio.",
  sameCode: "Hai già un codice attivo per questa agevolazione: eccolo.",
  codeOver: {
    expired: "Il codice è scaduto. Puoi generarne uno nuovo.",
    used: "Il codice è stato usato: vale una volta sola. Puoi generarne uno nuovo.",
    superseded: "Ne hai uno più recente: premi Genera codice per rivederlo.",
  },

  checkoutTitle: "Checkout",
  checkoutStep: "Lo incolla al checkout e paga meno",
  cart: "Carrello",
  subtotal: "Subtotale",
  total: "Totale",
  codeField: "Codice sconto",
  apply: "Applica",
  applied: (discount: string, time: string) =>
    `Sconto applicato: ${discount}. Il codice vale fino alle ${time}.`,
  refusals: {
    "ran-out": "Il codice è scaduto prima del pagamento e lo sconto non c'è più. Generane un altro nell'app.",
    "other-discount": "Il codice è valido, ma per un'agevolazione che questo negozio non conosce.",
  },
  pay: (price: string) => `Paga ${price}`,
  retry: "Riprova a pagare",
  loseAnswer: "Simula una risposta persa",
  loseAnswerHint: "Il servizio usa il codice e risponde, ma la risposta non arriva al negozio.",
  answerLost:
    "L'esito non è arrivato: il negozio non sa se il codice è stato usato. Riprova: la Idempotency-Key è la stessa e il codice non si usa due volte. Puoi anche ricaricare la pagina: carrello e chiave restano.",
  paid: (price: string) => `Ordine confermato: hai pagato ${price}.`,
  paidOnRetry: "Riprovare con la stessa Idempotency-Key non ha usato il codice due volte.",
  newCart: "Nuovo carrello",
  toPortal: "Passo 3: le chiavi del negozio",
  noAnswer: "Il servizio non è disponibile. Riprova tra qualche istante.",
  keyRefused:
    "Il negozio ha una chiave che non vale più, perché è stata rigenerata o revocata. Per rimediare, genera una chiave nel portale e dalla al negozio.",
  keyMissing: "Il negozio non ha ancora una chiave: si genera nel portale.",
  testMark: "Il negozio usa la chiave di prova: nessun codice viene consumato e l'app non serve.",
  testCodes: { text: "Codici di prova nella guida", href: "/integrazione-operatori#prova-ogni-esito" },

  portalTitle: "Portale operatori",
  portalStep: "Il negozio gestisce le sue chiavi",
  namedStore:
    "Il servizio usa l'account indicato nelle impostazioni: questa pagina non vi genera chiavi finché non lo chiedi tu, e non le conserva. Se la ricarichi, il negozio ha bisogno di una chiave nuova.",
  keyTitle: { primary: "Chiave primaria", secondary: "Chiave secondaria", test: "Chiave di prova" },
  noKey: "Nessuna chiave",
  unknownKey: "Non disponibile",
  createdAt: (time: string) => `Generata: ${time}`,
  regenerations: { generate: "Genera", regenerate: "Rigenera", retry: "Riprova" },
  revoke: "Revoca",
  confirm: (key: string) => `${key}: quella attuale smetterà subito di funzionare. Continuare?`,
  inUse: "Il negozio usa questa chiave.",
  notInUse: "Il negozio ha anche questa chiave.",
  notGiven: "Il negozio non ha questa chiave.",
  aboutTestKey: "Conosce i codici di prova e nessun codice vero.",
  replaced: "Il negozio ha ancora la chiave di prima, che il servizio rifiuta.",
  revokedInShop: "Il negozio ha ancora la chiave revocata, che il servizio rifiuta.",
  shownOnce: "Chiave nuova: copiala adesso, poi il portale non la mostra più.",
  give: "Dalla al negozio",
  use: "Usala al checkout",
  keyUnknown:
    "Il portale non sa se la chiave è stata generata. Riprova: la Idempotency-Key è la stessa e, se la chiave c'è già, la risposta la contiene.",

  traceTitle: "Le chiamate al servizio",
  traceText:
    "Sono le stesse API che chiamano l'app, i negozi e il portale. In alto c'è l'ultima; ne restano 50.",
  noCalls: "Ancora nessuna chiamata: la prima che fai compare qui.",
  pageCalls: (count: number) => `Chiamate fatte dalla pagina da sola: ${count}`,
  purposes: {
    generate: "App IO: genera un codice",
    ask: "Negozio: verifica il codice",
    use: "Negozio: usa il codice",
    list: "Portale: legge le chiavi in vigore",
    regenerate: "Portale: genera una chiave",
    revoke: "Portale: revoca una chiave",
  },
  request: "Richiesta",
  response: "Risposta",
  lost: "persa",
  lostInTrace: "Il servizio ha risposto così, ma chi ha chiamato non l'ha saputo.",
  noResponse: "Nessuna risposta.",
  noResponseYet: "La risposta non è ancora arrivata.",
  copyAsCurl: "Copia come curl",
  copy: "Copia",
  copied: "Copiato",
  notCopied: "Copia non riuscita",
};

export type Texts = typeof it;

const en: Texts = {
  done: "done",

  appTitle: "IO app",
  appStep: "Giulia generates a code in the app",
  generate: "Generate code",
  noCode: "The code appears here, with the time that it has left.",
  yourCode: "Your discount code",
  expiresIn: "Expires in",
  take: "Use it at the checkout",
  codeReady: "The code is ready: paste it at the shop's checkout.",
  sameCode: "You already have an active code for this discount: here it is.",
  codeOver: {
    expired: "The code has expired. You can generate a new one.",
    used: "The code was used: it works once. You can generate a new one.",
    superseded: "You have a newer one: press Generate code to see it.",
  },

  checkoutTitle: "Shop checkout",
  checkoutStep: "She pastes it at the checkout and pays less",
  cart: "Cart",
  subtotal: "Subtotal",
  total: "Total",
  codeField: "Discount code",
  apply: "Apply",
  applied: (discount, time) => `Discount applied: ${discount}. The code is valid until ${time}.`,
  refusals: {
    "ran-out":
      "The code expired before the payment, and the discount is gone. Generate another one in the app.",
    "other-discount": "The code is valid, but for a discount that this shop does not know.",
  },
  pay: (price) => `Pay ${price}`,
  retry: "Try to pay again",
  loseAnswer: "Simulate a lost answer",
  loseAnswerHint: "The service uses the code and answers, but the answer does not reach the shop.",
  answerLost:
    "The outcome did not arrive: the shop does not know whether the code was used. Try again: the Idempotency-Key is the same, and the code is not used twice. You may also reload the page: it keeps the cart and the key.",
  paid: (price) => `Order confirmed: you paid ${price}.`,
  paidOnRetry: "Trying again with the same Idempotency-Key did not use the code twice.",
  newCart: "New cart",
  toPortal: "Step 3: the shop's keys",
  noAnswer: "The service is not available. Try again in a few moments.",
  keyRefused:
    "The shop has a key that is no longer valid, because it was regenerated or revoked. To fix this: generate a key in the portal and give it to the shop.",
  keyMissing: "The shop has no key yet: the portal can generate it.",
  testMark: "The shop uses the test key: no code is used up, and the app is not needed.",
  testCodes: { text: "Test codes in the guide", href: "/en/merchant-integration#try-every-outcome" },

  portalTitle: "Merchants' portal",
  portalStep: "The shop manages its keys",
  namedStore:
    "The service uses the account that its settings name: this page generates no keys there until you ask for them, and keeps none. After a reload the shop needs a new key.",
  keyTitle: { primary: "Primary key", secondary: "Secondary key", test: "Test key" },
  noKey: "No key",
  unknownKey: "Not available",
  createdAt: (time) => `Generated: ${time}`,
  regenerations: { generate: "Generate", regenerate: "Regenerate", retry: "Try again" },
  revoke: "Revoke",
  confirm: (key) => `${key}: the present one stops working at once. Continue?`,
  inUse: "The shop uses this key.",
  notInUse: "The shop has this key too.",
  notGiven: "The shop does not have this key.",
  aboutTestKey: "It knows the test codes, and no real code.",
  replaced: "The shop still has the previous key, which the service refuses.",
  revokedInShop: "The shop still has the revoked key, which the service refuses.",
  shownOnce: "New key: copy it now, the portal does not show it again.",
  give: "Give it to the shop",
  use: "Use it at the checkout",
  keyUnknown:
    "The portal does not know whether the key was generated. Try again: the Idempotency-Key is the same and, if the key exists already, the answer contains it.",

  traceTitle: "Calls to the service",
  traceText:
    "These are the APIs that the app, the shops and the portal call. The last one is on top; 50 stay.",
  noCalls: "No calls yet: the first one that you make appears here.",
  pageCalls: (count) => `Calls that the page made by itself: ${count}`,
  purposes: {
    generate: "IO app: generates a code",
    ask: "Shop: asks whether the code is valid",
    use: "Shop: uses the code up",
    list: "Portal: reads the keys in force",
    regenerate: "Portal: generates a key",
    revoke: "Portal: revokes a key",
  },
  request: "Request",
  response: "Response",
  lost: "lost",
  lostInTrace: "This is what the service answered, but the caller never knew.",
  noResponse: "No response.",
  noResponseYet: "The response has not arrived yet.",
  copyAsCurl: "Copy as curl",
  copy: "Copy",
  copied: "Copied",
  notCopied: "Could not copy",
};

const locales: Readonly<Record<Language, string>> = { it: "it-IT", en: "en-IE" };

/** What depends on the reader's language. */
export interface Locale {
  readonly language: Language;
  readonly texts: Texts;
  readonly formatPrice: (cents: number) => string;
  readonly formatTime: (date: number) => string;
  readonly formatDateTime: (date: number) => string;
}

export const makeLocale = (language: Language): Locale => {
  const locale = locales[language];
  const prices = new Intl.NumberFormat(locale, { style: "currency", currency: "EUR" });
  const times = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
  const dateTimes = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  return {
    language,
    texts: { it, en }[language],
    formatPrice: (cents) => prices.format(cents / 100),
    formatTime: (date) => times.format(date),
    formatDateTime: (date) => dateTimes.format(date),
  };
};
