import type { TestCode } from "../../shared/domain/test-codes";

export type Language = "it" | "en";

const it = {
  pageTitle: "Codici sconto della Carta Giovani Nazionale: prova il servizio",
  skip: "Vai al contenuto",
  card: "Carta Giovani Nazionale",
  language: "Lingua",
  brand: "Codici sconto CGN",
  places: "Pagine del sito",
  start: "Primi passi",
  guide: "Guida",
  contract: "Riferimento API",
  keysGuide: "Chiavi API",
  playground: "Prova dal vivo",
  tagline: "Prova il servizio sul tuo computer",
  lead: "Segui la storia in tre passi. Ogni pulsante chiama davvero il servizio, e in fondo alla pagina vedi le chiamate.",
  step1: "Giulia genera un codice nell'app",
  step2: "Lo incolla al checkout e paga meno",
  step3: "Il negozio gestisce le sue chiavi",

  appTitle: "App IO",
  appRole: "Giulia, 19 anni, titolare della carta",
  chooseDiscount: "Scegli un'agevolazione",
  generate: "Genera codice",
  noCode: "Qui compare il codice, con il tempo che gli resta.",
  yourCode: "Il tuo codice sconto",
  expiresIn: "Scade tra",
  expired: "Scaduto",
  used: "Usato",
  useAtCheckout: "Usalo al checkout",
  codeReady: "Il codice è pronto: incollalo al checkout del negozio.",
  sameCode: "Hai già un codice attivo per questa agevolazione: eccolo.",
  codeExpired: "Il codice è scaduto. Puoi generarne uno nuovo.",

  checkoutTitle: "Checkout",
  checkoutRole: "Il negozio online dove Giulia compra",
  shop: "Negozio",
  cart: "Carrello",
  subtotal: "Subtotale",
  total: "Totale",
  codeField: "Codice sconto",
  apply: "Applica",
  applied: (discount: string, time: string) =>
    `Sconto applicato: ${discount}. Il codice vale fino alle ${time}.`,
  otherDiscount: "Il codice è valido, ma per un'agevolazione che questo negozio non conosce.",
  notApplied: "Hai scritto un codice: premi Applica, oppure cancellalo per pagare il prezzo pieno.",
  pay: (price: string) => `Paga ${price}`,
  retry: "Riprova a pagare",
  loseAnswer: "Simula una risposta persa",
  loseAnswerHint:
    "La prossima volta che paghi con un codice, il servizio risponde ma la risposta non arriva al negozio.",
  loseAnswerNeeds: "Serve uno sconto applicato: scrivi un codice al checkout e premi Applica.",
  answerLost:
    "La risposta non è arrivata: il negozio non sa se il codice è stato usato. Riprova: l'Idempotency-Key è la stessa e il codice non si usa due volte.",
  paid: (price: string) => `Ordine confermato: hai pagato ${price}.`,
  paidOnRetry: (price: string) =>
    `Ordine confermato: hai pagato ${price}. Riprovare con la stessa Idempotency-Key non ha usato il codice due volte.`,
  newCart: "Nuovo carrello",
  toPortal: "Passo 3: le chiavi del negozio",
  noAnswer: "Il servizio non è disponibile. Riprova tra qualche istante.",
  keyRefused:
    "Il negozio ha una chiave che non vale più, perché è stata rigenerata o revocata. Per rimediare, genera una chiave nel portale e dalla al negozio, oppure fagli usare l'altra.",
  keyMissing: "Il negozio non ha ancora una chiave: si genera nel portale.",

  simulationTitle: "Simulazione",
  simulationText: "Ciò che un cliente non vede mai, e che il negozio deve saper gestire.",

  useTestKey: "Usa la chiave di prova",
  useTestKeyHint: "Con i codici di prova il checkout mostra ogni esito, senza app e senza consumare nulla.",
  noTestKey: "Il negozio non ha una chiave di prova: generala nel portale e dalla al negozio.",
  testKeyWaits:
    "Prima serve l'esito del pagamento: lo può sapere solo una chiave dello stesso tipo. Premi Riprova a pagare.",
  testMark:
    "Stai usando la chiave di prova: nessun codice viene usato. L'app non serve: scegli un codice di prova.",
  testCodesTitle: "Codici di prova",
  testCodes: {
    TESTLIVE000: "valido, e si può usare quante volte vuoi",
    TESTRACE000: "valido, ma qualcun altro lo usa prima che tu paghi",
    TESTEXPIRED: "scaduto",
    TESTUSED000: "già usato",
    TESTNEWER00: "superato: il titolare della carta ne ha uno più recente",
    TESTDOWN000: "il servizio non è disponibile",
  } satisfies Readonly<Record<TestCode, string>>,
  otherTestCodes: "Ogni altro codice non esiste, nemmeno se viene dall'app.",

  portalTitle: "Portale operatori",
  portalRole: (shop: string) => `Chi gestisce ${shop}`,
  namedStore:
    "Il servizio usa l'account indicato nelle impostazioni: questa pagina non vi crea chiavi finché non lo chiedi tu. Al negozio ne servono due, la primaria e la secondaria: se ne ha già, quelle smettono subito di funzionare. La pagina non conserva le chiavi: se la ricarichi, bisogna generarne altre.",
  makeKeys: "Genera le chiavi",
  keys: "Chiavi API",
  keyTitle: { primary: "Chiave primaria", secondary: "Chiave secondaria", test: "Chiave di prova" },
  noKey: "Nessuna chiave",
  unknownKey: "Non si sa",
  readKeys: "Rileggi le chiavi",
  createdAt: (time: string) => `Generata: ${time}`,
  generateKey: "Genera",
  regenerate: "Rigenera",
  retryKey: "Riprova",
  revoke: "Revoca",
  inUse: "Il negozio usa questa",
  aboutTestKey: "Per provare il checkout: conosce i codici di prova e nessun codice vero.",
  testKeyInUse: "Il negozio usa questa, che conosce i codici di prova e nessun codice vero.",
  replaced: "Il negozio ha ancora la chiave di prima, che ora è rifiutata.",
  replacedInShop:
    "Il negozio ha un'altra chiave, che è rifiutata. Per rimediare, rigenera questa e dalla al negozio.",
  revokedInShop:
    "La chiave del negozio è stata revocata e viene rifiutata. Per rimediare, generane una e dalla al negozio.",
  shownOnce: "Chiave nuova: copiala adesso, poi il portale non la mostra più.",
  give: "Dalla al negozio",
  given: (key: string) => `Il negozio ha la nuova ${key.toLowerCase()}.`,
  generated: (key: string) => `${key} generata.`,
  regenerated: (key: string) => `${key} rigenerata.`,
  regeneratedOnRetry: (key: string) =>
    `${key} generata una volta sola: con la stessa Idempotency-Key il servizio restituisce la stessa chiave.`,
  keyUnsettled:
    "Il portale non sa se la chiave è stata generata. Riprova: l'Idempotency-Key è la stessa e, se la chiave c'è già, la risposta la contiene.",
  revoked: (key: string) => `${key} revocata.`,
  switched: (key: string) => `Il negozio ora usa la ${key.toLowerCase()}.`,
  regenerateTitle: (key: string) => `Rigenerare la ${key.toLowerCase()}?`,
  regenerateInUse:
    "Il negozio usa questa chiave. La chiave attuale smetterà subito di funzionare. Per non interrompere il servizio, passa prima all'altra.",
  regenerateNotInUse:
    "La chiave attuale smetterà subito di funzionare. Questo negozio non la usa: il servizio non si interrompe.",
  revokeTitle: (key: string) => `Revocare la ${key.toLowerCase()}?`,
  revokeInUse:
    "Il negozio usa questa chiave. Il servizio la rifiuterà subito con 401 e al checkout non si applicherà più nessuno sconto, finché il negozio non userà un'altra chiave.",
  revokeNotInUse:
    "Il servizio la rifiuterà subito con 401, chiunque la usi. Questo negozio non la usa: il servizio non si interrompe.",
  cancel: "Annulla",
  loseKey: "Simula una chiave persa",
  loseKeyHint:
    "La prossima volta che generi una chiave, il servizio la crea ma la risposta non arriva al portale.",

  traceTitle: "Le chiamate al servizio",
  traceText:
    "Le ultime 50 richieste HTTP di questa pagina, dalla più recente, con le intestazioni che contano: sono le stesse API che chiamano l'app, i negozi e il portale.",
  noCalls: "Ancora nessuna chiamata: la prima che fai compare qui.",
  startCalls: (count: string) => `All'avvio la pagina ha preparato il negozio (chiamate: ${count})`,
  lastCall: "Ultima chiamata",
  operations: {
    generate: "App IO: genera un codice",
    ask: "Negozio: verifica il codice",
    use: "Negozio: usa il codice",
    list: "Portale: legge quali chiavi sono in vigore",
    regenerate: "Portale: rigenera una chiave",
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

/** Every text of the page. The type makes sure that both languages have the same ones. */
export type Messages = typeof it;

const en: Messages = {
  pageTitle: "Discount codes of the Italian youth card: see the service work",
  skip: "Skip to content",
  card: "Carta Giovani Nazionale",
  language: "Language",
  brand: "CGN discount codes",
  places: "Pages of the site",
  start: "Get started",
  guide: "Guide",
  contract: "API reference",
  keysGuide: "API keys",
  playground: "See it work",
  tagline: "See the service work on your computer",
  lead: "Follow the story in three steps. Each button really calls the service, and the calls are at the end of the page.",
  step1: "Giulia generates a code in the app",
  step2: "She pastes it at the checkout and pays less",
  step3: "The shop manages its keys",

  appTitle: "IO app",
  appRole: "Giulia, 19, holder of the card",
  chooseDiscount: "Choose a discount",
  generate: "Generate code",
  noCode: "The code appears here, with the time that it has left.",
  yourCode: "Your discount code",
  expiresIn: "Expires in",
  expired: "Expired",
  used: "Used",
  useAtCheckout: "Use it at the checkout",
  codeReady: "The code is ready: paste it at the shop's checkout.",
  sameCode: "You already have an active code for this discount: here it is.",
  codeExpired: "The code has expired. You can generate a new one.",

  checkoutTitle: "Shop checkout",
  checkoutRole: "The online shop where Giulia buys",
  shop: "Shop",
  cart: "Cart",
  subtotal: "Subtotal",
  total: "Total",
  codeField: "Discount code",
  apply: "Apply",
  applied: (discount, time) => `Discount applied: ${discount}. The code is valid until ${time}.`,
  otherDiscount: "The code is valid, but for a discount that this shop does not know.",
  notApplied: "You typed a code: press Apply, or clear it to pay the full price.",
  pay: (price) => `Pay ${price}`,
  retry: "Try to pay again",
  loseAnswer: "Simulate a lost answer",
  loseAnswerHint:
    "The next time you pay with a code, the service answers but the answer does not reach the shop.",
  loseAnswerNeeds: "It needs an applied discount: type a code at the checkout and press Apply.",
  answerLost:
    "The answer did not arrive: the shop does not know whether the code was used. Try again: the Idempotency-Key is the same, and the code is not used twice.",
  paid: (price) => `Order confirmed: you paid ${price}.`,
  paidOnRetry: (price) =>
    `Order confirmed: you paid ${price}. Trying again with the same Idempotency-Key did not use the code twice.`,
  newCart: "New cart",
  toPortal: "Step 3: the shop's keys",
  noAnswer: "The service is not available. Try again in a few moments.",
  keyRefused:
    "The shop has a key that is no longer valid, because it was regenerated or revoked. To come back: generate a key in the portal and give it to the shop, or let the shop use its other one.",
  keyMissing: "The shop has no key yet: the portal can generate it.",

  simulationTitle: "Simulation",
  simulationText: "What a customer never sees, and a shop must be able to deal with.",

  useTestKey: "Use the test key",
  useTestKeyHint:
    "With the test codes the checkout tries every outcome, without the app and using nothing up.",
  noTestKey: "The shop has no test key: generate it in the portal, and give it to the shop.",
  testKeyWaits:
    "First the payment needs an outcome, which only a key of the same kind can learn. Press Try to pay again.",
  testMark: "Trying with the test key: no code is used up. The app is not needed: choose a test code.",
  testCodesTitle: "Test codes",
  testCodes: {
    TESTLIVE000: "valid, and can be used as often as you like",
    TESTRACE000: "valid, but somebody uses it before you pay",
    TESTEXPIRED: "expired",
    TESTUSED000: "already used",
    TESTNEWER00: "superseded: the card holder has a newer one",
    TESTDOWN000: "the service is unavailable",
  },
  otherTestCodes: "No other code exists, not even one from the app.",

  portalTitle: "Merchants' portal",
  portalRole: (shop) => `The manager of ${shop}`,
  namedStore:
    "The service uses the account that its settings name: this page makes no keys there until you ask for them. The shop needs two, a primary and a secondary: if it has any, those stop working at once. The page does not keep the keys: after a reload it takes new ones.",
  makeKeys: "Generate the keys",
  keys: "API keys",
  keyTitle: { primary: "Primary key", secondary: "Secondary key", test: "Test key" },
  noKey: "No key",
  unknownKey: "Not known",
  readKeys: "Read the keys again",
  createdAt: (time) => `Generated: ${time}`,
  generateKey: "Generate",
  regenerate: "Regenerate",
  retryKey: "Try again",
  revoke: "Revoke",
  inUse: "The shop uses this one",
  aboutTestKey: "For trying the checkout: it knows the test codes, and no real code.",
  testKeyInUse: "The shop uses this one, which knows the test codes and no real code.",
  replaced: "The shop still has the previous key, which is now refused.",
  replacedInShop:
    "The shop has another key, which is refused. To come back: regenerate this one and give it to the shop.",
  revokedInShop:
    "The shop's key was revoked, and is refused. To come back: generate a key and give it to the shop.",
  shownOnce: "New key: copy it now, the portal does not show it again.",
  give: "Give it to the shop",
  given: (key) => `The shop has the new ${key.toLowerCase()}.`,
  generated: (key) => `${key} generated.`,
  regenerated: (key) => `${key} regenerated.`,
  regeneratedOnRetry: (key) =>
    `${key} made only once: to the same Idempotency-Key the service tells the same key.`,
  keyUnsettled:
    "The portal does not know whether the key was made. Try again: the Idempotency-Key is the same, and the answer tells the key that was made, if one was.",
  revoked: (key) => `${key} revoked.`,
  switched: (key) => `The shop now uses the ${key.toLowerCase()}.`,
  regenerateTitle: (key) => `Regenerate the ${key.toLowerCase()}?`,
  regenerateInUse:
    "The shop uses this key, and the present one stops working at once. To keep the shop going, let it use another key first.",
  regenerateNotInUse: "The present one stops working at once. This shop does not use it, and goes on.",
  revokeTitle: (key) => `Revoke the ${key.toLowerCase()}?`,
  revokeInUse:
    "The shop uses this key. From now on the service refuses it with 401, and no discount is applied at the checkout until the shop uses another key.",
  revokeNotInUse:
    "From now on the service refuses it with 401, whoever uses it. This shop does not use it, and goes on.",
  cancel: "Cancel",
  loseKey: "Simulate a lost key",
  loseKeyHint:
    "The next time you generate a key, the service makes it but the answer does not reach the portal.",

  traceTitle: "Calls to the service",
  traceText:
    "The last 50 HTTP requests of this page, the latest first, with the headers that matter: these are the APIs that the app, the shops and the portal call.",
  noCalls: "No calls yet: the first one that you make appears here.",
  startCalls: (count) => `At its start the page prepared the shop (calls: ${count})`,
  lastCall: "Last call",
  operations: {
    generate: "IO app: generates a code",
    ask: "Shop: asks whether the code is valid",
    use: "Shop: uses the code up",
    list: "Portal: reads which keys are in force",
    regenerate: "Portal: regenerates a key",
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

const catalogue: Readonly<Record<Language, Messages>> = { it, en };

/** What depends on the reader's language. */
export interface Locale {
  readonly language: Language;
  readonly messages: Messages;
  readonly formatPrice: (cents: number) => string;
  readonly formatTime: (date: Date) => string;
  readonly formatDateTime: (date: Date) => string;
}

const tags: Readonly<Record<Language, string>> = { it: "it-IT", en: "en-IE" };

export const makeLocale = (language: Language): Locale => {
  const prices = new Intl.NumberFormat(tags[language], { style: "currency", currency: "EUR" });
  const times = new Intl.DateTimeFormat(tags[language], { timeStyle: "medium" });
  const dateTimes = new Intl.DateTimeFormat(tags[language], { dateStyle: "medium", timeStyle: "medium" });
  return {
    language,
    messages: catalogue[language],
    formatPrice: (cents) => prices.format(cents / 100),
    formatTime: (date) => times.format(date),
    formatDateTime: (date) => dateTimes.format(date),
  };
};
