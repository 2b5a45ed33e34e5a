/** Shows each call that the page makes, the latest first. */
import { isSuccess, type Call, type Message, type Operation, type Outcome } from "./api";
import { makeCopyButton } from "./copy-button";
import { toCurl } from "./curl";
import { byId, make, setText } from "./dom";
import type { Locale } from "./messages";
import type { Panel } from "./page";

const maxEntries = 50;

export interface Trace extends Panel {
  /** Shows a call that the user has made. Returns a function to call when that call ends. */
  add(call: Call): (outcome: Outcome) => void;
  /** Keeps a call that the page made by itself at its start. It is shown in a group that the user may open. */
  addOfStart(call: Call): (outcome: Outcome) => void;
}

interface Entry {
  readonly element: HTMLDetailsElement;
  readonly isOfStart: boolean;
  readonly operation: Operation;
  /** The status, as a badge. */
  readonly status: HTMLElement;
  readonly requestLine: string;
  readonly render: () => void;
  readonly end: (outcome: Outcome) => void;
}

/** The panel that makes each call. A reading of the keys follows another call, so no panel shows that as its last. */
const panelOf: Readonly<Record<Operation, "app" | "checkout" | "portal" | undefined>> = {
  generate: "app",
  ask: "checkout",
  use: "checkout",
  regenerate: "portal",
  revoke: "portal",
  list: undefined,
};

export const makeTrace = (locale: () => Locale): Trace => {
  const list = byId("trace", HTMLElement);
  const ofStart = byId("start", HTMLDetailsElement);
  const listOfStart = byId("start-calls", HTMLElement);
  let entries: readonly Entry[] = [];
  let count = 0;

  const lastCalls = (["app", "checkout", "portal"] as const).map((panel) =>
    makeLastCall(byId(`${panel}-call`, HTMLElement), locale, () =>
      entries.find(({ isOfStart, operation }) => !isOfStart && panelOf[operation] === panel),
    ),
  );
  const renderAround = (): void => {
    const countOfStart = entries.filter(({ isOfStart }) => isOfStart).length;
    ofStart.hidden = countOfStart === 0;
    setText(byId("start-title", HTMLElement), locale().messages.startCalls(String(countOfStart)));
    byId("no-calls", HTMLElement).hidden = countOfStart < entries.length;
    for (const render of lastCalls) {
      render();
    }
  };

  const add = (call: Call, isOfStart: boolean): ((outcome: Outcome) => void) => {
    count += 1;
    const entry = makeEntry(call, `call-${count}`, isOfStart, locale);
    if (!isOfStart) {
      const previous = entries.find((each) => !each.isOfStart);
      if (previous) {
        previous.element.open = false;
      }
      entry.element.open = true;
    }
    for (const forgotten of entries.slice(maxEntries - 1)) {
      forgotten.element.parentElement?.remove();
    }
    entries = [entry, ...entries.slice(0, maxEntries - 1)];
    (isOfStart ? listOfStart : list).prepend(make("li", {}, entry.element));
    entry.render();
    renderAround();
    return (outcome) => {
      entry.end(outcome);
      renderAround();
    };
  };

  return {
    add: (call) => add(call, false),
    addOfStart: (call) => add(call, true),
    render: () => {
      for (const { render } of entries) {
        render();
      }
      renderAround();
    },
  };
};

/** A panel's last call, with a link to the whole call. On a phone, the trace is far from what was pressed. */
const makeLastCall = (
  element: HTMLElement,
  locale: () => Locale,
  find: () => Entry | undefined,
): (() => void) => {
  const label = make("span");
  const status = make("span");
  const link = make("a");
  element.append(label, status, link);
  link.addEventListener("click", () => {
    const entry = find();
    if (entry !== undefined) {
      entry.element.open = true;
    }
  });
  return () => {
    const entry = find();
    element.hidden = entry === undefined;
    if (entry !== undefined) {
      setText(label, `${locale().messages.lastCall}:`);
      setText(status, entry.status.textContent);
      status.className = entry.status.className;
      setText(link, entry.requestLine);
      link.href = `#${entry.element.id}`;
    }
  };
};

const makeEntry = (call: Call, id: string, isOfStart: boolean, locale: () => Locale): Entry => {
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
    { id },
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
    isOfStart,
    operation: call.operation,
    status,
    requestLine,
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
