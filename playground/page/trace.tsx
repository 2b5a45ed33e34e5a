/** Every call that the page makes, the latest first. One is open: the visitor's last, or the one that the visitor chose. */
import { print, toCurl } from "./calls";
import { Badge, CopyButton, usePage, type View } from "./parts";
import type { Call } from "./state";

const Exchange: View<{ call: Call }> = ({ call }) => {
  const { texts } = usePage();
  const { id, method, path, request, outcome } = call;
  const response = outcome.tag === "answered" || outcome.tag === "lost" ? outcome.response : undefined;
  const note = {
    pending: texts.noResponseYet,
    answered: "",
    lost: texts.lostInTrace,
    none: texts.noResponse,
  };
  return (
    <div class="stack exchange">
      <div class="stack">
        <h3>{texts.request}</h3>
        <pre>{print(`${method} ${path}`, request)}</pre>
        <div class="row">
          <CopyButton id={`curl-${id}`} text={toCurl(call, location.origin)} label={texts.copyAsCurl} />
        </div>
      </div>
      <div class="stack">
        <h3>{texts.response}</h3>
        {response && <pre>{print(String(response.status), response)}</pre>}
        <p class="soft">{note[outcome.tag]}</p>
      </div>
    </div>
  );
};

const Entry: View<{ call: Call }> = ({ call }) => {
  const { state, texts, locale, send } = usePage();
  const { id, purpose, method, path, at, outcome } = call;
  const isOpen = state.openCallId === id;
  return (
    <li>
      <details id={`call-${id}`} class="box" open={isOpen}>
        <summary
          onClick={(event) => {
            event.preventDefault();
            send({ tag: "open-call", id: isOpen ? undefined : id });
          }}
        >
          <span class="row">
            <Badge call={call} />
            <strong>{texts.purposes[purpose.tag]}</strong>
            <code>{`${method} ${path}`}</code>
            <span class="soft">
              {locale.formatTime(at)} · {outcome.tag === "pending" ? "…" : `${Math.round(outcome.ms)} ms`}
            </span>
          </span>
        </summary>
        {isOpen && <Exchange call={call} />}
      </details>
    </li>
  );
};

const Entries: View<{ by: Call["by"] }> = ({ by }) => {
  const calls = usePage().state.calls.filter((call) => call.by === by);
  return (
    <ol class="stack">
      {calls.map((call) => (
        <Entry key={call.id} call={call} />
      ))}
    </ol>
  );
};

export const Trace: View = () => {
  const { state, texts } = usePage();
  const own = state.calls.filter(({ by }) => by === "page").length;
  return (
    <section class="stack calls" aria-labelledby="calls-title">
      <h2 id="calls-title">{texts.traceTitle}</h2>
      <p>{own < state.calls.length ? texts.traceText : texts.noCalls}</p>
      <Entries by="visitor" />
      <details>
        <summary>{texts.pageCalls(own)}</summary>
        <Entries by="page" />
      </details>
    </section>
  );
};
