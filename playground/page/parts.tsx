/** What several panels are made of. */
import { createContext, type ComponentChildren, type JSX } from "preact";
import { useContext, useState } from "preact/hooks";
import { nextOf, stepsOf, type Action } from "./look";
import type { State } from "./state";
import type { Notice } from "./tell";
import type { Locale, Texts } from "./texts";
import type { Event } from "./update";

/** What each part of the view gets. */
export interface Page {
  readonly state: State;
  readonly texts: Texts;
  readonly locale: Locale;
  readonly send: (event: Event) => void;
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
  /** Its text changes, and a screen reader says so. */
  isLive?: boolean;
}

/** A button at work keeps the focus, which a `disabled` one would lose: the state ignores its presses meanwhile. */
export const Button: View<ButtonProps> = ({ children, event, look = "", isBusy = false, ...props }) => {
  const { id, focus = "", action, question, of, isLive } = props;
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
      aria-live={isLive ? "polite" : undefined}
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

interface CopyProps extends Pick<ButtonProps, "id" | "of"> {
  text: string;
  label: string;
}

const saidForMs = 2000;

export const CopyButton: View<CopyProps> = ({ text, label, ...props }) => {
  const { texts } = usePage();
  const [said, say] = useState(label);
  const copy = async (): Promise<void> => {
    const written = navigator.clipboard.writeText(text);
    say(await written.then(() => texts.copied).catch(() => texts.notCopied));
    setTimeout(say, saidForMs, label);
  };
  return (
    <Button {...props} event={() => void copy()} isLive>
      {said}
    </Button>
  );
};

/** A live region. */
export const Status: View<{ notices: readonly Notice[]; id?: string }> = ({ notices, id }) => (
  <div role="status" id={id}>
    {notices.map(({ level, title, text, language }) => (
      <p key={text} class={`notice ${level}`} lang={language}>
        {title !== undefined && <strong>{title}</strong>}
        {text}
      </p>
    ))}
  </div>
);

interface PanelProps {
  step: 1 | 2 | 3;
  title: string;
  text: string;
  children: ComponentChildren;
}

/** A step of the story. */
export const Panel: View<PanelProps> = ({ step, title, text, children }) => {
  const { state, texts } = usePage();
  const { current, done } = stepsOf(state);
  const isDone = done.includes(step);
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
            {isDone && <span class="sr-only"> ({texts.done})</span>}
          </h2>
          <p class="soft">{text}</p>
        </div>
      </header>
      {children}
    </section>
  );
};
