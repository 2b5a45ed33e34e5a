/** Shows each call that the page makes, the latest first. */
import { isSuccess } from "./api";
import type { Call, Message, Outcome } from "./api";
import { makeCopyButton } from "./copy-button";
import { toCurl } from "./curl";
import { byId, make, setText } from "./dom";
import type { Locale } from "./messages";
import type { Panel } from "./page";

const maxEntries = 50;

export interface Trace extends Panel {
  /** Shows a call that was sent. Returns a function to call when that call ends. */
  add(call: Call): (outcome: Outcome) => void;
}

interface Entry {
  readonly element: HTMLDetailsElement;
  readonly render: () => void;
  readonly end: (outcome: Outcome) => void;
}

export const makeTrace = (locale: () => Locale): Trace => {
  const list = byId("trace", HTMLElement);
  const entries: Entry[] = [];
  let count = 0;

  return {
    add: (call) => {
      count += 1;
      const entry = makeEntry(call, `call-${count}`, locale);
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
      return entry.end;
    },
    render: () => {
      for (const { render } of entries) {
        render();
      }
    },
  };
};

const makeEntry = (call: Call, id: string, locale: () => Locale): Entry => {
  const requestLine = `${call.method} ${new URL(call.url).pathname}`;
  let outcome: Outcome | undefined;

  const status = make("span");
  const name = make("span", { id: `${id}-operation` });
  const time = make("span", { class: "time" });
  const lost = make("span", { class: "badge bg-warning" });
  const requestTitle = make("h3", { class: "h6" });
  const responseTitle = make("h3", { class: "h6" });
  const received = make("pre");
  const note = make("p", { class: "note" });
  const copy = make("button", {
    type: "button",
    class: "btn btn-outline-primary btn-xs",
    id: `${id}-copy`,
    "aria-labelledby": `${id}-copy ${id}-operation`,
  });
  const renderCopy = makeCopyButton(
    copy,
    () => toCurl(call),
    ({ messages }) => messages.copyAsCurl,
    locale,
  );
  const element = make(
    "details",
    { open: "" },
    make(
      "summary",
      {},
      status,
      make("span", { class: "operation" }, name, " ", lost),
      make("code", { class: "call" }, requestLine),
      time,
    ),
    make(
      "div",
      { class: "exchange" },
      make("div", {}, requestTitle, make("pre", {}, `${requestLine}\n${print(call.request)}`), copy),
      make("div", {}, responseTitle, received, note),
    ),
  );

  const render = (): void => {
    const { messages, formatTime } = locale();
    const response = outcome?.response;
    element.ariaBusy = String(outcome === undefined);
    const hasSucceeded = response !== undefined && isSuccess(response.status);
    status.className = `badge ${outcome === undefined ? "bg-secondary" : hasSucceeded ? "bg-success" : "bg-danger"}`;
    setText(status, outcome === undefined ? "…" : String(response?.status ?? "—"));
    setText(name, messages.operations[call.operation]);
    lost.hidden = outcome?.withheld !== true;
    setText(lost, messages.lost);
    const took = outcome === undefined ? "…" : `${Math.round(outcome.durationMs)} ms`;
    setText(time, `${formatTime(call.at)} · ${took}`);
    setText(requestTitle, messages.request);
    setText(responseTitle, messages.response);
    received.hidden = response === undefined;
    setText(received, response === undefined ? "" : `${response.status}\n${print(response)}`);
    note.hidden = response !== undefined && lost.hidden;
    setText(
      note,
      outcome === undefined
        ? messages.noResponseYet
        : outcome.withheld && response !== undefined
          ? messages.lostInTrace
          : messages.noResponse,
    );
    renderCopy();
  };
  return {
    element,
    render,
    end: (ended) => {
      outcome = ended;
      render();
    },
  };
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
