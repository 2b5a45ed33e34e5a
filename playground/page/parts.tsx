/** What several panels are made of. */
import { createContext, type ComponentChildren, type JSX } from "preact";
import { useContext, useEffect, useRef } from "preact/hooks";
import { lastCallOf, lookOf, nextOf, stepsOf, type Action } from "./look";
import type { Call, Purpose, State } from "./state";
import type { Notice } from "./tell";
import type { Locale, Texts } from "./texts";
import type { Event } from "./update";

/** What each part of the view gets. */
export interface Page {
  readonly state: State;
  readonly texts: Texts;
  readonly locale: Locale;
  readonly send: (event: Event) => void;
  readonly copy: (what: string, text: string) => void;
}
export const PageContext = createContext<Page | undefined>(undefined);
export const usePage = (): Page => {
  const page = useContext(PageContext);
  if (page === undefined) {
    throw new Error("a part of the view lies outside the page");
  }
  return page;
};
export type View<Props = object> = (props: Readonly<Props>) => JSX.Element;

export interface ButtonProps {
  children: ComponentChildren;
  /** What a press does. */
  event: Event | (() => void);
  id?: string;
  /** Where the focus goes then. */
  focus?: string;
  /** The action of the story that it is. The next one is stressed. */
  action?: Action;
  look?: "wide" | "danger";
  /** What the visitor is asked before. */
  question?: string | undefined;
  isBusy?: boolean;
  /** The element that says what it belongs to, after its own text. */
  of?: string;
}

/** A button at work keeps the focus, which a `disabled` one would lose: the state ignores its presses meanwhile. */
export const Button: View<ButtonProps> = ({ children, event, look = "", isBusy = false, ...props }) => {
  const { id, focus = "", action, question, of } = props;
  const { state, send } = usePage();
  const isNext = action !== undefined && action === nextOf(state);
  return (
    <button
      type="button"
      id={id}
      class={`button ${look} ${isNext ? "primary" : ""}`}
      aria-labelledby={id !== undefined && of !== undefined ? `${id} ${of}` : undefined}
      aria-busy={isBusy}
      aria-disabled={isBusy}
      onClick={({ detail }) => {
        // After the first click of a double click the button may have another meaning.
        if (detail > 1 || (question !== undefined && !confirm(question))) {
          return;
        }
        if (typeof event === "function") {
          event();
        } else {
          send(event);
        }
        document.getElementById(focus)?.focus();
      }}
    >
      {children}
    </button>
  );
};

interface CopyProps extends Pick<ButtonProps, "of"> {
  id: string;
  text: string;
  label: string;
}

export const CopyButton: View<CopyProps> = ({ id, text, label, ...props }) => {
  const { state, texts, copy } = usePage();
  const { copied } = state;
  const said = copied?.what !== id ? label : copied.isDone ? texts.copied : texts.notCopied;
  return (
    <Button
      id={id}
      {...props}
      event={() => {
        copy(id, text);
      }}
    >
      {said}
    </Button>
  );
};

/** A live region. What is new in it comes into the window, unless the visitor is busy in another panel. */
export const Status: View<{ notices: readonly Notice[]; id?: string }> = ({ notices, id }) => {
  const region = useRef<HTMLDivElement>(null);
  const said = notices.map(({ text }) => text).join();
  const before = useRef(said);
  useEffect(() => {
    if (
      said !== before.current &&
      region.current?.closest("[data-place]")?.contains(document.activeElement)
    ) {
      region.current.scrollIntoView({ block: "nearest" });
    }
    before.current = said;
  });
  return (
    <div role="status" id={id} ref={region}>
      {notices.map(({ level, title, text, language }) => (
        <p key={text} class={`notice ${level}`} lang={language}>
          {title !== undefined && <strong>{title}</strong>}
          {text}
        </p>
      ))}
    </div>
  );
};

/** How a call ended for its caller. The trace and the panels show the same. */
export const Badge: View<{ call: Call }> = ({ call }) => {
  const { level, status } = lookOf(call);
  const { lost } = usePage().texts;
  return <span class={`badge ${level}`}>{status ?? (level === "muted" ? "…" : lost)}</span>;
};

interface PanelProps {
  step: 1 | 2 | 3;
  title: string;
  text: string;
  /** What the calls that it makes are for. */
  calls: readonly Purpose["tag"][];
  children: ComponentChildren;
}

/** A step of the story. */
export const Panel: View<PanelProps> = ({ step, title, text, calls, children }) => {
  const { state, texts, send } = usePage();
  const { current, done } = stepsOf(state);
  const isDone = done.includes(step);
  const call = lastCallOf(state, calls);
  return (
    <section
      class={`box stack panel ${step === current ? "current" : ""}`}
      id={`step-${step}`}
      aria-labelledby={`title-${step}`}
      data-place
    >
      <header class="row">
        <span class={`number ${isDone ? "success" : ""}`} aria-hidden="true">
          {isDone ? "✓" : step}
        </span>
        <div>
          <h2 id={`title-${step}`}>
            {title}
            {isDone && <span class="hidden"> ({texts.done})</span>}
          </h2>
          <p class="soft">{text}</p>
        </div>
      </header>
      {children}
      {call && (
        <p class="row soft">
          {texts.lastCall} <Badge call={call} />
          <a
            href={`#call-${call.id}`}
            onClick={() => {
              send({ tag: "open-call", id: call.id });
            }}
          >
            <code>{`${call.method} ${call.path}`}</code>
          </a>
        </p>
      )}
    </section>
  );
};
