/** Blocks of code: a bar with the language and a button that copies, and the reader's own values within the code. */
import { h } from "astro-expressive-code/hast";
import { findValues } from "./reader.ts";

/** Where the service answers that the reader's values name, unless the local host serves the page. */
const productionOrigin = "https://api.cgn.pagopa.it";

const names = {
  bash: "Shell",
  sh: "Shell",
  shell: "Shell",
  html: "HTML",
  java: "Java",
  js: "JavaScript",
  mermaid: "Mermaid",
  ts: "TypeScript",
  php: "PHP",
  powershell: "PowerShell",
  python: "Python",
  csharp: "C#",
  http: "HTTP",
  json: "JSON",
  yaml: "YAML",
  text: "",
  plaintext: "",
};

/** What a program prints, and what a message looks like, is nothing to copy. */
const isOutput = (language) => ["", "text", "plaintext", "http", "console"].includes(language);

const readersValues = {
  name: "reader's values",
  hooks: {
    postprocessAnalyzedCode: ({ codeBlock }) => {
      for (const line of codeBlock.getLines()) {
        for (const { value, start, text } of findValues(line.text)) {
          const [columnStart, columnEnd] = [start, start + text.length];
          // The colours of the highlighting would cut the value into pieces.
          for (const each of line.getAnnotations()) {
            const range = each.inlineRange;
            if (range && range.columnStart < columnEnd && range.columnEnd > columnStart) {
              line.deleteAnnotation(each);
              for (const [from, to] of [
                [range.columnStart, columnStart],
                [columnEnd, range.columnEnd],
              ]) {
                if (from < to) {
                  const part = Object.assign(Object.create(Object.getPrototypeOf(each)), each);
                  part.inlineRange = { columnStart: from, columnEnd: to };
                  line.addAnnotation(part);
                }
              }
            }
          }
          line.addAnnotation({
            inlineRange: { columnStart, columnEnd },
            renderPhase: "latest",
            render: ({ nodesToTransform }) =>
              nodesToTransform.map(() =>
                h("span", { "data-value": value }, value === "url" ? productionOrigin : text),
              ),
          });
        }
      }
    },
  },
};

/** A long line breaks at its spaces and after these characters, rather than anywhere. */
const breaks = /(?<=[,;&](?=\S)|(?<=\w)\/(?=\w))/;

const withBreaks = (node) =>
  node.type === "text"
    ? node.value.split(breaks).flatMap((value, index) => [...(index ? [h("wbr")] : []), { ...node, value }])
    : [{ ...node, ...(node.children && { children: node.children.flatMap(withBreaks) }) }];

const lineBreaks = {
  name: "line breaks",
  hooks: {
    postprocessRenderedLine: ({ renderData }) => {
      [renderData.lineAst] = withBreaks(renderData.lineAst);
    },
  },
};

const bar = {
  name: "bar",
  hooks: {
    postprocessRenderedBlock: ({ codeBlock, renderData }) => {
      const { language } = codeBlock;
      const button = isOutput(language) ? [] : [h("button", { type: "button", hidden: true })];
      renderData.blockAst = h("figure.sample", [
        h("figcaption", [h("span", names[language] ?? language), ...button]),
        renderData.blockAst,
      ]);
    },
  },
};

/** @type {import("@astrojs/starlight/expressive-code").StarlightExpressiveCodeOptions} */
export default {
  frames: false,
  defaultProps: { wrap: true },
  plugins: [readersValues, lineBreaks, bar],
  styleOverrides: { borderRadius: "0", borderWidth: "0", codeFontSize: "0.875rem", codeLineHeight: "1.6" },
};
