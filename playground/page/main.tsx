/**
 * The playground: card holder, shop and merchant on one page, which calls the same API as every client. Here is what
 * lies outside the state: calls, clock, storage, clipboard, focus.
 */
import * as t from "io-ts";
import { render } from "preact";
import { AppIo } from "./app-io";
import { Checkout } from "./checkout";
import { PageContext, type Page } from "./parts";
import { Portal } from "./portal";
import { saveSession, saveSettings, start, type Call, type Response } from "./state";
import { makeLocale } from "./texts";
import { Trace } from "./trace";
import { readKeys, update, type Chance, type Event } from "./update";

const tickMs = 250;
const timeoutMs = 10_000;
const storageName = "cgn-otp";

/** The response headers that matter to a caller. */
const telling = ["content-type", "content-language", "www-authenticate", "retry-after"];

const call = async ({ method, path, request }: Call): Promise<Response | undefined> => {
  try {
    const response = await fetch(path, {
      method,
      headers: request.headers.map(([name, value]): [string, string] => [name, value]),
      body: request.body === "" ? null : request.body,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const headers = telling.flatMap((name) => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    return { status: response.status, headers, body: await response.text() };
  } catch {
    return undefined;
  }
};

const Host = t.type({ store: t.keyof({ own: null, named: null }), since: t.string });

/** Without an answer the page writes nothing unasked. */
const readHost = async (): Promise<t.TypeOf<typeof Host>> => {
  const host: unknown = await fetch("/playground/store.json")
    .then((response) => response.json())
    .catch(() => undefined);
  return Host.is(host) ? host : { store: "named", since: "" };
};

/** A browser that has no storage throws. Then the page forgets at a reload. */
const attempt = <A,>(task: () => A): A | undefined => {
  try {
    return task();
  } catch {
    return undefined;
  }
};

const run = async (root: HTMLElement): Promise<void> => {
  const locale = makeLocale(document.documentElement.lang === "en" ? "en" : "it");
  const { language, texts } = locale;
  const chance = (): Chance => ({ now: Date.now(), uuid: crypto.randomUUID() });
  const session = attempt(() => sessionStorage.getItem(storageName));
  const settings = attempt(() => localStorage.getItem(storageName));
  let state = readKeys(start({ language, ...(await readHost()), ...chance(), session, settings }));
  let lastSentId = 0;

  let focused: Element | null = null;
  let place: Element | null = null;
  root.addEventListener("focusin", () => {
    focused = document.activeElement;
    place = focused?.closest("[data-place]") ?? null;
  });

  const show = (): void => {
    const page: Page = { state, texts, locale, send };
    render(
      <PageContext.Provider value={page}>
        <div class="stack panels">
          <AppIo />
          <Checkout />
          <Portal />
        </div>
        <Trace />
      </PageContext.Provider>,
      root,
    );
    // Where the control with the focus is gone, the next one to press gets it.
    if (focused?.isConnected === false && document.activeElement === document.body) {
      place?.querySelector<HTMLElement>(".primary, .button")?.focus();
    }
  };

  const sendCalls = (): void => {
    const unsent = state.calls.filter(({ id }) => id > lastSentId);
    lastSentId = state.calls[0]?.id ?? 0;
    for (const each of unsent) {
      const startedAt = performance.now();
      void call(each).then((response) => {
        send({ tag: "arrive", id: each.id, response, ms: performance.now() - startedAt });
      });
    }
  };

  const send = (event: Event): void => {
    state = update(state, event, chance());
    // The state is kept before the call is sent: a page may end at any time.
    if (event.tag !== "tick") {
      attempt(() => {
        sessionStorage.setItem(storageName, saveSession(state));
        localStorage.setItem(storageName, saveSettings(state));
      });
    }
    sendCalls();
    show();
  };

  root.replaceChildren();
  sendCalls();
  show();
  setInterval(send, tickMs, { tag: "tick" });
  // The browser may show the page as it was before the visitor went on to another one, which may have changed the cart.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) {
      location.reload();
    }
  });
};

const root = document.getElementById("playground");
if (root !== null) {
  void run(root);
}
