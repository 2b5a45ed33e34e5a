/** Checks whether the answers about one OTP can come from a single register that is used once. */

interface Use {
  readonly operation: "use";
  readonly start: number;
  readonly idempotencyKey?: string | undefined;
}

interface Ask {
  readonly operation: "ask";
  readonly start: number;
}

interface Answer<Outcome extends string> {
  readonly outcome: Outcome;
  readonly end: number;
}

interface Granted extends Answer<"granted"> {
  readonly usedAt: string;
}

/**
 * A 503, a reset or no answer. The operation may take effect at any time after its start, even after its end, or never.
 */
interface Unknown {
  readonly outcome: "unknown";
  readonly end?: number | undefined;
}

export type UseOperation = Use & (Granted | Answer<"already-used" | "expired"> | Unknown);
export type AskOperation = Ask & (Answer<"live" | "already-used" | "expired"> | Unknown);

/** What one client did, and its answer, on a clock that all clients share. No `end` is before its `start`. */
export type Operation = UseOperation | AskOperation;

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** One line. */
export const describeOperation = (operation: Operation): string => {
  const key = operation.operation === "use" ? operation.idempotencyKey : undefined;
  const name = key === undefined ? operation.operation : `${operation.operation} with key ${key}`;
  const answer = operation.outcome === "granted" ? `granted at ${operation.usedAt}` : operation.outcome;
  return `[${name}, ${operation.start} to ${operation.end ?? "no end"}: ${answer}]`;
};

/** The instant by which the operation has its place in the order. Without an answer there is none. */
const deadlineOf = (operation: Operation): number =>
  operation.outcome === "unknown" ? Infinity : operation.end;

const repeats = (operation: Operation, effect: UseOperation): boolean =>
  operation.operation === "use" &&
  operation.idempotencyKey !== undefined &&
  operation.idempotencyKey === effect.idempotencyKey;

/** Why `effect` cannot be the operation that used the OTP, given the answers of all others. */
const objectionTo = (effect: UseOperation, others: readonly Operation[]): string | undefined => {
  const stranger = others.find((other) => other.outcome === "granted" && !repeats(other, effect));
  if (stranger !== undefined) {
    return `${describeOperation(stranger)} does not repeat it`;
  }
  const refused = others.find((other) => other.outcome === "already-used" && repeats(other, effect));
  if (refused !== undefined) {
    return `${describeOperation(refused)} repeats it`;
  }
  const expired = others.find((other) => other.outcome === "expired" && other.end < effect.start);
  if (expired !== undefined) {
    return `${describeOperation(expired)} ended before it started`;
  }
  const latest = others
    .filter(({ outcome }) => outcome === "live" || outcome === "expired")
    .reduce<Operation>((a, b) => (b.start > a.start ? b : a), effect);
  const earliest = others
    .filter(({ outcome }) => outcome === "granted" || outcome === "already-used")
    .reduce<Operation>((a, b) => (deadlineOf(b) < deadlineOf(a) ? b : a), effect);
  return deadlineOf(earliest) < latest.start
    ? `${describeOperation(earliest)} ended before ${describeOperation(latest)} started`
    : undefined;
};

/**
 * Whether the history of one OTP is linearizable. It is if its operations can be put in an order with two properties.
 * Each answer is that of a register that is first unused and then used for good. An operation that ended before another
 * started comes first. Operations of unknown outcome may be left out.
 *
 * A search through the orders is not needed, because the register changes once. If nothing took effect, every
 * answer must be `live` or `expired`. Otherwise a use that was not refused took effect, and this function tries each of
 * them. For a chosen effect, the answer of every other operation shows its side: `live` and `expired` come before the
 * effect, `already-used` and `granted` come after it. An effect may come after `expired`, since a use that was written in
 * time may arrive late, but not if it started after such an answer. A use is `granted` if and only if it has the key of the effect. Other operations of unknown
 * outcome are left out, which never makes a good history bad.
 *
 * It remains to order them in time. "Before the effect" and "after the effect" are added to the order of real
 * time, which is transitive, so a cycle must run through the effect, and there is one if and only if some of
 * { effect, those after it } ended before some of { effect, those before it } started. Without a cycle a total
 * order exists. So the history is linearizable if and only if the earliest end of the former is not before the
 * latest start of the latter: the effect fits in between.
 *
 * All grants report one use, so they must agree on `usedAt` for any choice of that use. Nothing else constrains it: if
 * the outcome of that use is unknown, its instant is unknown too.
 */
export const checkUseHistory = (history: readonly Operation[]): Verdict => {
  const [first, ...grants] = history.filter((operation) => operation.outcome === "granted");
  const other = grants.find(({ usedAt }) => usedAt !== first?.usedAt);
  if (first !== undefined && other !== undefined) {
    return {
      ok: false,
      reason: `two instants of use: ${describeOperation(first)} and ${describeOperation(other)}`,
    };
  }
  const late = history.find(({ outcome }) => outcome === "granted" || outcome === "already-used");
  if (late === undefined) {
    return { ok: true };
  }
  const objections = [`if nothing used it: not ${describeOperation(late)}`];
  for (const [index, effect] of history.entries()) {
    if (effect.operation === "use" && effect.outcome !== "already-used" && effect.outcome !== "expired") {
      const objection = objectionTo(effect, history.toSpliced(index, 1));
      if (objection === undefined) {
        return { ok: true };
      }
      objections.push(`if ${describeOperation(effect)} used it: ${objection}`);
    }
  }
  return { ok: false, reason: objections.join("\n") };
};
