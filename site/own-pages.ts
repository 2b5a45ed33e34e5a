/** The pages that are made from no file of `docs/`. Their texts are Markdown. */

export const problemsTitle = {
  it: {
    title: "Tutti i problemi",
    text: "Ogni rifiuto del servizio ha in `type` l'indirizzo di una di queste pagine: dice che cosa è successo, che cosa fare e che cosa mostrare al cliente.",
    head: "| problema | stato | che cosa legge il cliente |",
  },
  en: {
    title: "All problems",
    text: "The `type` of each refusal is the address of one of these pages: it says what happened, what to do and what to show to the customer.",
    head: "| problem | status | what the customer reads |",
  },
};

export const playground = {
  it: {
    title: "Prova il servizio sul tuo computer",
    description: "Genera un codice sconto, usalo in un negozio di prova e guarda ogni chiamata al servizio.",
    body: `<div id="playground" class="not-content">
<noscript><p>Questa pagina funziona con JavaScript. I <a href="primi-passi.md">primi passi</a> si fanno anche senza.</p></noscript>
</div>`,
  },
  en: {
    title: "See the service work on your computer",
    description: "Generate a discount code, use it in a test shop and see each call to the service.",
    body: `<div id="playground" class="not-content">
<noscript><p>This page needs JavaScript. The <a href="get-started.md">first steps</a> do not.</p></noscript>
</div>`,
  },
};

/** A static host answers every unknown address with one page, so that page is in both languages. */
export const notFound = {
  title: "Pagina non trovata",
  body: `Questo indirizzo non esiste, o non esiste più. Cerca in tutto il sito con il pulsante in alto, oppure parti dai
[primi passi](primi-passi.md) o dall'elenco dei [problemi](/problems).

<div lang="en">

## Page not found

There is nothing at this address, or not any more. Search the whole site with the button at the top, or begin with
the [first steps](get-started.md) or the list of [problems](/en/problems).

</div>`,
};
