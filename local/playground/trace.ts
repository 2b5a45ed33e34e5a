/** Each call that the page made, the latest first. */
import type { Exchange, Message } from "./api";
import { makeCopyButton } from "./copy-button";
import { toCurl } from "./curl";
import { byId, make, setText } from "./dom";
import type { Locale } from "./messages";
import type { Panel } from "./page";

const maxEntries = 50;

export interface Trace extends Panel {
  add(exchange: Exchange): void;
}

export const makeTrace = (locale: () => Locale): Trace => {
  const list = byId("trace", HTMLElement);
  const entries: { readonly element: HTMLDetailsElement; readonly render: () => void }[] = [];

  return {
    add: (exchange) => {
      const entry = makeEntry(exchange, locale);
      const previous = entries[0];
      if (previous) {
        previous.element.open = false;
      }
      entries.unshift(entry);
      for (const forgotten of entries.splice(maxEntries)) {
        forgotten.element.parentElement?.remove();
      }
      list.prepend(make("li", {}, entry.element));
      byId("no-calls", HTMLElement).hidden = true;
      entry.render();
    },
    render: () => {
      for (const { render } of entries) {
        render();
      }
    },
  };
};

const makeEntry = (
  exchange: Exchange,
  locale: () => Locale,
): { readonly element: HTMLDetailsElement; readonly render: () => void } => {
  const { path, request, response, kept } = exchange;
  const operation = make("span", { class: "operation" });
  const time = make("span", { class: "time" });
  const lost = make("span", { class: "badge bg-warning" });
  const requestTitle = make("h3", { class: "h6" });
  const responseTitle = make("h3", { class: "h6" });
  const note = make("p", { class: "note" });
  const copy = make("button", { type: "button", class: "btn btn-outline-primary btn-xs" });
  const renderCopy = makeCopyButton(
    copy,
    () => toCurl(exchange),
    ({ messages }) => messages.copyAsCurl,
    locale,
  );
  const status = response === undefined ? "—" : String(response.status);
  const element = make(
    "details",
    { open: "" },
    make(
      "summary",
      {},
      make("span", { class: `badge ${response?.status === 200 ? "bg-success" : "bg-danger"}` }, status),
      ...(kept ? [lost] : []),
      operation,
      make("code", { class: "call" }, `POST ${path}`),
      time,
    ),
    make(
      "div",
      { class: "exchange" },
      make("div", {}, requestTitle, make("pre", {}, `POST ${path}\n${print(request)}`), copy),
      make(
        "div",
        {},
        responseTitle,
        ...(response === undefined ? [] : [make("pre", {}, `${status}\n${print(response)}`)]),
        note,
      ),
    ),
  );
  const render = (): void => {
    const { messages, formatTime } = locale();
    setText(operation, messages.operations[exchange.operation]);
    setText(time, `${formatTime(exchange.at)} · ${Math.round(exchange.durationMs)} ms`);
    setText(lost, messages.lost);
    setText(requestTitle, messages.request);
    setText(responseTitle, messages.response);
    note.hidden = response !== undefined && !kept;
    setText(note, kept ? messages.lostInTrace : messages.noResponse);
    renderCopy();
  };
  return { element, render };
};

const print = ({ headers, body }: Message): string => {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  return [...lines, "", prettify(body)].join("\n").trimEnd();
};

const prettify = (body: string): string => {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
};
