/** The OpenAPI document as a page in either language. `openapi.yaml` is in English, `openapi.it.yaml` has its texts in Italian. */
import * as t from "io-ts";
import type { Language } from "../playground/page/messages";
import { escapeHtml } from "./layout";
import { markdown, renderMarkdown, renderSample, type Heading, type Place, type Rendered } from "./markdown";
import { withAddress } from "./reader";

/** Part of a document, of whatever shape. */
type Part = Readonly<Record<string, unknown>>;

const toPart = (value: unknown): Part => (t.UnknownRecord.is(value) ? value : {});
const toParts = (value: unknown): readonly Part[] => (Array.isArray(value) ? value.map(toPart) : []);
const toText = (value: unknown): string => (typeof value === "string" ? value : "");
const entries = (value: unknown): readonly (readonly [string, Part])[] =>
  Object.entries(toPart(value)).map(([name, each]) => [name, toPart(each)]);

/** Texts that differ only in where their lines break are the same. */
export const unwrap = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

const Translations = t.array(t.type({ en: t.string, it: t.string }));

/** Italian texts by the English ones, which {@link unwrap} has made comparable. */
export type Translations = ReadonlyMap<string, string>;

/** Reads `openapi.it.yaml`. @throws if it is not a list of pairs. */
export const decodeTranslations = (value: unknown): Translations => {
  if (!Translations.is(value)) {
    throw new Error("site/openapi.it.yaml: expected a list of pairs en, it");
  }
  return new Map(value.map(({ en, it }) => [unwrap(en), it]));
};

/** The document has these chapters once for each language. Other chapters are translated. */
const chaptersInOneLanguage: Readonly<Record<string, Language | "none">> = {
  "For the developer of a shop": "en",
  "Per chi sviluppa un negozio": "it",
  // The page makes a list of its own.
  "Problems / Problemi": "none",
};

/** The chapters of the document's own description. The first has no heading. */
export const chaptersOf = (
  document: unknown,
): readonly { readonly heading: string; readonly text: string; readonly language: string | undefined }[] =>
  toText(toPart(toPart(document)["info"])["description"])
    .split(/^(?=## )/m)
    .map((text) => {
      const [, heading = ""] = /^## (.+)/.exec(text) ?? [];
      return { heading, text, language: chaptersInOneLanguage[heading] };
    });

/** Every English text of the document that the page shows. */
export const textsOf = (document: unknown): ReadonlySet<string> => {
  const texts = new Set(
    chaptersOf(document).flatMap(({ text, language }) => (language === undefined ? [unwrap(text)] : [])),
  );
  const collect = (part: Part): void => {
    for (const [name, value] of Object.entries(part)) {
      if (typeof value === "string" && (name === "description" || name === "summary")) {
        texts.add(unwrap(value));
      } else if (!["value", "example", "externalDocs"].includes(name)) {
        collect(Array.isArray(value) ? Object.fromEntries(value.entries()) : toPart(value));
      }
    }
  };
  const { tags, paths, components } = toPart(document);
  // The examples of problems say only in which language they are.
  collect({ paths, ...toPart(components), examples: undefined });
  for (const tag of toParts(tags)) {
    collect(tag);
    texts.add(toText(tag["name"]));
  }
  return texts;
};

const words = {
  it: {
    title: "Riferimento API",
    document: "documento OpenAPI",
    guide:
      "Per scrivere l'integrazione parti dai [primi passi](/primi-passi) o dalla [guida](/integrazione-operatori). Per generare un client scarica il",
    request: "Richiesta",
    programs: "I programmi completi",
    programsText:
      "Verificano un codice e lo usano, e ripetono la chiamata quando serve. Leggono questi valori dall'ambiente:",
    parameters: "Parametri",
    body: "Corpo",
    answers: "Risposte",
    name: "nome",
    type: "tipo",
    meaning: "significato",
    required: "obbligatorio",
    oneOf: "uno di",
    listOf: "elenco di",
    security: "Autenticazione",
    noSecurity: "Nessuna.",
    headers: "Intestazioni della risposta",
    everyAnswer: "Ogni risposta",
    everyAnswerText: "Queste intestazioni sono in ogni risposta:",
    everyProblem: "e queste in ogni rifiuto:",
    problems: "Problemi",
  },
  en: {
    title: "API reference",
    document: "OpenAPI document",
    guide:
      "To write the integration, begin with [the first steps](/get-started) or [the guide](/merchant-integration). To generate a client, download the",
    request: "Request",
    programs: "The complete programs",
    programsText:
      "They ask about a code and use it, and repeat the call when it needs that. They read these values from the environment:",
    parameters: "Parameters",
    body: "Body",
    answers: "Answers",
    name: "name",
    type: "type",
    meaning: "meaning",
    required: "required",
    oneOf: "one of",
    listOf: "list of",
    security: "Authentication",
    noSecurity: "None.",
    headers: "Headers of the answer",
    everyAnswer: "Every answer",
    everyAnswerText: "These headers are in every answer:",
    everyProblem: "and these in every refusal:",
    problems: "Problems",
  },
} as const satisfies Readonly<Record<Language, Readonly<Record<string, string>>>>;

/** The languages of the guide's programs, by the names in their fences. */
const programLanguages: Readonly<Record<string, string>> = {
  php: "PHP",
  js: "Node.js",
  python: "Python",
  sh: "curl",
};

/** The operation that the guide's programs call. */
const programsOperation = "ValidateOtp";

export interface ContractInput {
  readonly document: unknown;
  readonly translations: Translations;
  /** The guide, as Markdown, with the programs. */
  readonly guide: string;
  readonly place: Place;
  /** The names of the problems, each of which has a page. */
  readonly problemNames: readonly string[];
}

/** The path of the first server, to which the document's paths are relative. */
const basePathOf = (document: unknown): string =>
  new URL(toText(toParts(toPart(document)["servers"])[0]?.["url"]), "http://host").pathname.replace(
    /\/$/,
    "",
  );

/** The document with the local host as its only server, or as it is. */
export const withServer = (document: unknown, localOrigin: string | undefined): unknown =>
  localOrigin === undefined
    ? document
    : {
        ...toPart(document),
        servers: [{ url: localOrigin + basePathOf(document), description: "The local host." }],
      };

export const renderContract = ({
  document,
  translations,
  guide,
  place,
  problemNames,
}: ContractInput): Rendered => {
  const { language, reader, findPath } = place;
  const word = words[language];
  const translate = (text: string): string =>
    language === "en" ? text : (translations.get(unwrap(text)) ?? text);
  const isProblem = (name: string): boolean => problemNames.includes(name);
  /** A text of the document. A problem's name leads to its page. */
  const prose = (text: string): string =>
    renderMarkdown(
      translate(text).replaceAll(/`([a-z-]+)`/g, (code, name: string) =>
        isProblem(name) ? `[${code}](/problems/${name})` : code,
      ),
      place,
    ).html;

  const root = toPart(document);
  /** What a reference names. A member beside the reference counts more than the same member there. */
  const follow = (part: Part): Part => {
    const reference = toText(part["$ref"]);
    if (reference === "") {
      return part;
    }
    const [, ...names] = reference.split("/");
    const target = names.reduce<unknown>((found, name) => toPart(found)[name], root);
    return { ...follow(toPart(target)), ...part, $ref: undefined };
  };
  const at = (part: Part, name: string): Part => follow(toPart(part[name]));

  const headings: Heading[] = [];
  const heading = (level: 2 | 3, id: string, text: string): string => {
    headings.push({ level, id, text });
    return `<h${level} id="${id}">${escapeHtml(text)}</h${level}>`;
  };
  const code = (text: string): string => `<code>${escapeHtml(text)}</code>`;
  const asJson = (value: unknown): string => renderSample(JSON.stringify(value, null, 2), reader);
  const table = (rows: readonly (readonly string[])[]): string =>
    rows.length === 0
      ? ""
      : `<div class="rows" tabindex="0"><table><thead><tr><th>${word.name}</th><th>${word.type}</th><th>${word.meaning}</th></tr></thead><tbody>${rows
          .map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`)
          .join("")}</tbody></table></div>`;

  const describeType = (schema: Part): string => {
    if (schema["const"] !== undefined) {
      return code(JSON.stringify(schema["const"]));
    }
    if (Array.isArray(schema["enum"])) {
      return `${word.oneOf} ${schema["enum"].map((each) => code(JSON.stringify(each))).join(", ")}`;
    }
    if (schema["type"] === "array") {
      return `${word.listOf} ${describeType(at(schema, "items"))}`;
    }
    const { type, format, minimum, maximum } = schema;
    // The pattern of a time says less than its format.
    const pattern = format === undefined ? schema["pattern"] : undefined;
    const range = [minimum, maximum].some((limit) => limit !== undefined)
      ? ` ${[minimum, maximum].map((limit) => (typeof limit === "number" ? limit : "")).join("–")}`
      : "";
    return `${escapeHtml([toText(type), toText(format)].filter(Boolean).join(", ") + range)}${typeof pattern === "string" ? `<br>${code(pattern)}` : ""}`;
  };
  const row = (name: string, isRequired: boolean, schema: Part, text: string): readonly string[] => [
    `${code(name)}${isRequired ? `<br><small>${word.required}</small>` : ""}`,
    describeType(schema),
    prose(text),
  ];
  /** A row for each member, those of members included. */
  const fieldsOf = (schema: Part, before = ""): readonly (readonly string[])[] => {
    const required = Array.isArray(schema["required"]) ? schema["required"] : [];
    return entries(schema["properties"]).flatMap(([name, member]) => {
      const followed = follow(member);
      const inner = followed["type"] === "array" ? at(followed, "items") : followed;
      const suffix = followed["type"] === "array" ? "[]." : ".";
      return [
        row(before + name, required.includes(name), followed, toText(followed["description"])),
        ...(inner["properties"] === undefined ? [] : fieldsOf(inner, before + name + suffix)),
      ];
    });
  };

  /** The examples of a body, without those in the other language. */
  const examplesOf = (content: Part): readonly { readonly summary: string; readonly value: unknown }[] => {
    const several = entries(content["examples"])
      .filter(([name]) => !/\.(it|en)$/.test(name) || name.endsWith(`.${language}`))
      .map(([name, example]) => {
        const followed = follow(example);
        const isInLanguage = /\.(it|en)$/.test(name);
        return { summary: isInLanguage ? "" : toText(followed["summary"]), value: followed["value"] };
      });
    return content["example"] === undefined ? several : [{ summary: "", value: content["example"] }];
  };
  const samplesOf = (content: Part): string =>
    examplesOf(content)
      .map(({ summary, value }) => (summary === "" ? "" : prose(summary)) + asJson(value))
      .join("");

  const basePath = basePathOf(document);
  const schemes = toPart(toPart(root["components"])["securitySchemes"]);
  /** What is written in a command for a value that the reader has. */
  const schemeSamples: Readonly<Record<string, string>> = {
    merchantApiKey: "cgn_test_demo-shop_…",
    functionKey: "…",
  };

  const securityOf = (operation: Part): readonly string[] =>
    toParts(operation["security"]).flatMap((each) => Object.keys(each));
  const parametersOf = (operation: Part): readonly Part[] => toParts(operation["parameters"]).map(follow);

  /** The example of a body, with a code that the test key knows: the command works as it is. */
  const toTry = (body: unknown): unknown =>
    Object.hasOwn(toPart(body), "otp_code") ? { ...toPart(body), otp_code: "TESTLIVE000" } : body;

  /** Commands that make a call: one for each example of its body. */
  const renderCommands = (method: string, pathname: string, operation: Part): string => {
    const parameters = parametersOf(operation);
    const isIn = (where: string) => (parameter: Part) => parameter["in"] === where;
    const filled = parameters
      .filter(isIn("path"))
      .reduce((text, { name, example }) => text.replace(`{${toText(name)}}`, toText(example)), pathname);
    const [, content = {}] = entries(at(operation, "requestBody")["content"])[0] ?? [];
    const headers = [
      ...securityOf(operation).map(
        (name) => `${toText(at(schemes, name)["name"])}: ${schemeSamples[name] ?? "…"}`,
      ),
      ...parameters
        .filter((parameter) => isIn("header")(parameter) && parameter["name"] !== "Accept-Language")
        // A value that is drawn for each call.
        .map(
          ({ name, example }) =>
            `${toText(name)}: ${/^[\da-f-]{36}$/.test(toText(example)) ? "$(uuidgen)" : toText(example)}`,
        ),
    ];
    const command = (body: unknown): string =>
      [
        `curl -sS${method === "GET" || body !== undefined ? "" : ` -X ${method}`} http://127.0.0.1:7071${filled}`,
        ...headers.map((header) => `-H ${header.includes("$(") ? `"${header}"` : `'${header}'`}`),
        ...(body === undefined
          ? []
          : ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(toTry(body))}'`]),
      ].join(" \\\n  ");
    const examples = examplesOf(content);
    return examples.length === 0
      ? renderSample(command(undefined), withAddress(reader))
      : examples
          .map(
            ({ summary, value }) =>
              (summary === "" ? "" : prose(summary)) + renderSample(command(value), withAddress(reader)),
          )
          .join("");
  };

  const renderPrograms = (): string => {
    const settings = `export CGN_URL=http://127.0.0.1:7071\nexport CGN_API_KEY=cgn_test_demo-shop_…\nexport CGN_OTP=TESTLIVE000\nexport CGN_CART=cart-4711\n`;
    const fences = markdown.parse(guide, {}).filter(({ type }) => type === "fence");
    const programs = Object.entries(programLanguages).map(([info, name]) => {
      const source = fences.find((fence) => fence.info === info)?.content ?? "";
      return renderSample(source, reader, name);
    });
    return `<h4>${word.programs}</h4><p>${word.programsText}</p>${renderSample(settings, reader)}${programs.join("")}`;
  };

  const operations = entries(root["paths"]).flatMap(([relative, methods]) =>
    entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      pathname: basePath + relative,
      operation,
    })),
  );

  /** The headers that several answers share are described once, and not with each. */
  const answersOfAll = operations.flatMap(({ operation }) =>
    entries(operation["responses"])
      .map(([status, answer]) => ({ status, answer: follow(answer) }))
      .filter(({ answer }) => answer["x-sent-by"] !== "platform"),
  );
  const headersInAll = (answers: typeof answersOfAll): readonly string[] =>
    Object.keys(toPart(answers[0]?.answer["headers"])).filter((name) =>
      answers.every(({ answer }) => Object.hasOwn(toPart(answer["headers"]), name)),
    );
  const inEveryAnswer = headersInAll(answersOfAll);
  const inEveryProblem = headersInAll(answersOfAll.filter(({ status }) => Number(status) >= 400)).filter(
    (name) => !inEveryAnswer.includes(name),
  );
  const renderHeaders = (answer: Part, names: readonly string[]): string => {
    const rows = names.map((name) => {
      const header = at(toPart(answer["headers"]), name);
      return row(name, false, at(header, "schema"), toText(header["description"]));
    });
    return table(rows);
  };

  const renderAnswer = (status: string, answer: Part): string => {
    const [, content = {}] = entries(answer["content"])[0] ?? [];
    const own = Object.keys(toPart(answer["headers"])).filter(
      (name) => !inEveryAnswer.includes(name) && !(Number(status) >= 400 && inEveryProblem.includes(name)),
    );
    const names = [...toText(answer["description"]).matchAll(/`([a-z-]+)`/g)].flatMap(([, name = ""]) =>
      isProblem(name) ? [name] : [],
    );
    // Whoever reads the page of the merchant's call wants to see what a good answer holds.
    const isGood = Number(status) < 300;
    return `<details class="more"${isGood ? " open" : ""}><summary><strong>${status}</strong> ${[...new Set(names)].map(code).join(", ")}</summary>${prose(
      toText(answer["description"]),
    )}${isGood ? table(fieldsOf(at(content, "schema"))) : ""}${own.length === 0 ? "" : `<h5>${word.headers}</h5>${renderHeaders(answer, own)}`}${samplesOf(content)}</details>`;
  };

  const renderOperation = (method: string, pathname: string, operation: Part): string => {
    const id = toText(operation["operationId"]);
    const [, content = {}] = entries(at(operation, "requestBody")["content"])[0] ?? [];
    const parameters = parametersOf(operation).map((parameter) =>
      row(
        toText(parameter["name"]),
        parameter["required"] === true,
        at(parameter, "schema"),
        toText(parameter["description"]),
      ),
    );
    const security = securityOf(operation).map(
      (name) =>
        `<p>${code(toText(at(schemes, name)["name"]))}</p>${prose(toText(at(schemes, name)["description"]))}`,
    );
    const body = fieldsOf(at(content, "schema"));
    return `${heading(3, id, translate(toText(operation["summary"])))}
<p class="call"><strong>${method}</strong> <span>${escapeHtml(pathname)}</span> <small>${id}</small></p>
<h4>${word.request}</h4>${renderCommands(method, pathname, operation)}${id === programsOperation ? renderPrograms() : ""}
${prose(toText(operation["description"]))}
<h4>${word.security}</h4>${security.length === 0 ? `<p>${word.noSecurity}</p>` : security.join("")}
${parameters.length === 0 ? "" : `<h4>${word.parameters}</h4>${table(parameters)}`}
${body.length === 0 ? "" : `<h4>${word.body}</h4>${table(body)}`}
<h4>${word.answers}</h4>${entries(operation["responses"])
      .map(([status, answer]) => renderAnswer(status, follow(answer)))
      .join("")}`;
  };

  const [opening, ...chapters] = chaptersOf(document);
  const calls = toParts(root["tags"]).map((tag) => {
    const name = toText(tag["name"]);
    const own = operations.filter(({ operation }) => {
      const { tags } = operation;
      return Array.isArray(tags) && tags.includes(name);
    });
    return `${heading(2, name.toLowerCase().replaceAll(/[^a-z]+/g, "-"), translate(name))}${prose(toText(tag["description"]))}${own
      .map(({ method, pathname, operation }) => renderOperation(method, pathname, operation))
      .join("")}`;
  });
  const shared = chapters
    .filter((chapter) => chapter.language === undefined || chapter.language === language)
    .map(({ text }) => {
      const rendered = renderMarkdown(translate(text), place);
      headings.push(...rendered.headings);
      return rendered.html;
    });
  const aProblem = answersOfAll.find(({ status }) => status === "503")?.answer ?? {};
  const headersHtml = `${heading(2, "every-answer", word.everyAnswer)}<p>${word.everyAnswerText}</p>${renderHeaders(aProblem, inEveryAnswer)}<p>${word.everyProblem}</p>${renderHeaders(aProblem, inEveryProblem)}`;
  const problems = `${heading(2, "problems", word.problems)}<ul>${problemNames
    .map((name) => `<li><a href="${findPath(`docs/problems/${name}.md`) ?? ""}">${code(name)}</a></li>`)
    .join("")}</ul>`;
  return {
    title: word.title,
    html: `<h1>${word.title}</h1>${prose(opening?.text ?? "")}${renderMarkdown(word.guide, place).html.replace("</p>", ` <a href="/docs/openapi.json" download>${word.document}</a>.</p>`)}
${calls.join("\n")}${shared.join("\n")}${headersHtml}${problems}`,
    headings,
  };
};
