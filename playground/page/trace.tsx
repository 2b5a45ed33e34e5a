/** Every call, the latest first. The visitor's last one opens by itself. Those that the page makes unasked stand apart. */
import { print } from "./calls";
import { lookOf } from "./look";
import { usePage, type View } from "./parts";
import type { Call } from "./state";
import { fill } from "./texts";

const isOwn = ({ by }: Call): boolean => by === "page";

const Exchange: View<{ call: Call }> = ({ call }) => {
  const { texts } = usePage();
  const { method, path, request, outcome } = call;
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
      </div>
      <div class="stack">
        <h3>{texts.response}</h3>
        {response && <pre>{print(String(response.status), response)}</pre>}
        <p class="soft">{note[outcome.tag]}</p>
      </div>
    </div>
  );
};

const Entry: View<{ call: Call; isOpen: boolean }> = ({ call, isOpen }) => {
  const { texts, locale } = usePage();
  const { purpose, method, path, at, outcome } = call;
  const { level, status } = lookOf(call);
  return (
    <li>
      <details class="box" open={isOpen}>
        <summary>
          <span class="row">
            <span class={`badge ${level}`}>{status ?? (level === "muted" ? "…" : texts.lost)}</span>
            <strong>{texts.purposes[purpose.tag]}</strong>
            <code>{`${method} ${path}`}</code>
            <span class="soft">
              {locale.formatTime(at)} · {outcome.tag === "pending" ? "…" : `${Math.round(outcome.ms)} ms`}
            </span>
          </span>
        </summary>
        <Exchange call={call} />
      </details>
    </li>
  );
};

const Entries: View<{ calls: readonly Call[]; openId?: number | undefined }> = ({ calls, openId }) => (
  <ol class="stack">
    {calls.map((call) => (
      <Entry key={call.id} call={call} isOpen={call.id === openId} />
    ))}
  </ol>
);

export const Trace: View = () => {
  const { state, texts } = usePage();
  const [own, asked] = [state.calls.filter(isOwn), state.calls.filter((call) => !isOwn(call))];
  return (
    <section class="stack calls" aria-labelledby="calls-title">
      <h2 id="calls-title">{texts.traceTitle}</h2>
      <p>{asked.length > 0 ? texts.traceText : texts.noCalls}</p>
      <Entries calls={asked} openId={asked[0]?.id} />
      <details>
        <summary>{fill(texts.pageCalls, { count: own.length })}</summary>
        <Entries calls={own} />
      </details>
    </section>
  );
};
