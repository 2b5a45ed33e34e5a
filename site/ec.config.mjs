/** Blocks of code: a bar with the language and a button that copies, and the reader's own values within the code. */
import { h } from "astro-expressive-code/hast";
import { bundledLanguagesInfo } from "shiki";
import { markValues } from "./reader.ts";

const nameOf = (language) =>
  bundledLanguagesInfo.find(({ id, aliases = [] }) => [id, ...aliases].includes(language))?.name ?? "";

/** What a program prints, and what a message looks like, is nothing to copy. */
const isOutput = (language) => ["", "text", "plaintext", "http", "console"].includes(language);

/** A long line breaks at its spaces, after these characters and before a method, rather than anywhere. */
const breaks = /(?<=[,;&](?=\S)|(?<=\w)\/(?=\w))|(?<=[)'"])(?=\.\w)/;

const withBreaks = (node) =>
  node.type === "text"
    ? node.value.split(breaks).flatMap((value, index) => [...(index ? [h("wbr")] : []), { ...node, value }])
    : [{ ...node, ...(node.children && { children: node.children.flatMap(withBreaks) }) }];

const bar = {
  name: "bar",
  hooks: {
    preprocessCode: ({ codeBlock }) => {
      for (const line of codeBlock.getLines()) {
        line.editText(0, line.text.length, markValues(line.text));
      }
    },
    postprocessRenderedLine: ({ renderData }) => {
      [renderData.lineAst] = withBreaks(renderData.lineAst);
    },
    postprocessRenderedBlock: ({ codeBlock, renderData }) => {
      const { language } = codeBlock;
      const button = isOutput(language) ? [] : [h("button", { type: "button", hidden: true })];
      renderData.blockAst = h("figure.sample", [
        h("figcaption", [h("span", nameOf(language)), ...button]),
        renderData.blockAst,
      ]);
    },
  },
};

/** @type {import("@astrojs/starlight/expressive-code").StarlightExpressiveCodeOptions} */
export default {
  frames: false,
  defaultProps: { wrap: true },
  plugins: [bar],
  styleOverrides: {
    borderRadius: "0",
    borderWidth: "0",
    codeBackground: "var(--sl-color-bg)",
    codeFontSize: "0.875rem",
    codeLineHeight: "1.6",
  },
};
