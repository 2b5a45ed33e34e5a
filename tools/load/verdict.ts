/** Whether what a service answered about a code can be true: used at most once, and never refused while it was live. */

/** What an answer says of the code. */
export type Answer =
  | { readonly kind: "accepted" }
  /** By a problem that is about the code. */
  | { readonly kind: "refused"; readonly problem: CodeProblem }
  /** No answer, or one that does not say what became of the code. */
  | { readonly kind: "unknown" };

const codeProblems = [
  "otp-already-used",
  "otp-expired",
  "otp-conflict",
  "otp-not-found",
  "otp-invalid",
] as const;
export type CodeProblem = (typeof codeProblems)[number];

export const isCodeProblem = (name: string): name is CodeProblem =>
  codeProblems.some((each) => each === name);

export interface CodeCall {
  readonly kind: "ask" | "use";
  /** Calls with the same `Idempotency-Key` are one attempt: a repetition of it is no second use. */
  readonly attempt: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly answer: Answer;
  /** The problem's `instance`, by which the call is found in the service's log. */
  readonly instance: string | undefined;
}

export interface CodeHistory {
  /** Until then the code cannot have expired: GenerateOtp was called its whole lifetime before. */
  readonly liveUntilMs: number;
  readonly calls: readonly CodeCall[];
}

export interface Violation {
  readonly kind: "used twice" | "refused while it was live";
  /** The calls that show it. */
  readonly calls: readonly CodeCall[];
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** The attempts of which nobody knows what became. */
  readonly undecided: readonly number[];
}

interface Attempt {
  readonly attempt: number;
  readonly sentMs: number;
  readonly accepted: CodeCall | undefined;
  readonly outcome: Answer["kind"];
}

const attemptsOf = (calls: readonly CodeCall[]): readonly Attempt[] => {
  const uses = calls.filter(({ kind }) => kind === "use");
  return [...new Set(uses.map(({ attempt }) => attempt))].map((attempt) => {
    const own = uses.filter((call) => call.attempt === attempt);
    const accepted = own.find(({ answer }) => answer.kind === "accepted");
    return {
      attempt,
      sentMs: Math.min(...own.map(({ sentMs }) => sentMs)),
      accepted,
      // Its last answer says what became of an attempt, if none accepted it.
      outcome: accepted === undefined ? (own.at(-1)?.answer.kind ?? "unknown") : "accepted",
    };
  });
};

export const judge = ({ liveUntilMs, calls }: CodeHistory): Verdict => {
  const attempts = attemptsOf(calls);
  /** Whether a rival may have used the code before the end of this call. */
  const mayBeUsed = (call: CodeCall): boolean =>
    attempts.some(
      ({ attempt, sentMs, outcome }) =>
        (call.kind === "ask" || attempt !== call.attempt) &&
        outcome !== "refused" &&
        sentMs <= call.answeredMs,
    );
  const mayBeExpired = (call: CodeCall): boolean => call.answeredMs >= liveUntilMs;
  const isTrue = (call: CodeCall, problem: CodeProblem): boolean => {
    switch (problem) {
      case "otp-already-used":
        return mayBeUsed(call);
      case "otp-expired":
        return mayBeExpired(call);
      case "otp-conflict":
        return mayBeUsed(call) || mayBeExpired(call);
      // A used or expired code is known for a day at least, and the service itself gave it its form.
      case "otp-not-found":
      case "otp-invalid":
        return false;
    }
  };
  const accepted = attempts.flatMap((each) => (each.accepted === undefined ? [] : [each.accepted]));
  const refusedLive = calls.filter(
    (call) => call.answer.kind === "refused" && !isTrue(call, call.answer.problem),
  );
  return {
    violations: [
      ...(accepted.length > 1 ? [{ kind: "used twice" as const, calls: accepted }] : []),
      ...(refusedLive.length > 0 ? [{ kind: "refused while it was live" as const, calls: refusedLive }] : []),
    ],
    undecided: attempts.filter(({ outcome }) => outcome === "unknown").map(({ attempt }) => attempt),
  };
};
