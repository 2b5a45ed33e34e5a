import { InvocationContext } from "@azure/functions";
import { makeLog } from "./log";
import type { Log } from "./log";

interface Line {
  readonly level: string;
  readonly text: string;
}

/** What is logged of one call, a line each. */
const linesOf = (tell: (log: Log) => void): readonly Line[] => {
  const lines: Line[] = [];
  const context = new InvocationContext({
    functionName: "Test",
    invocationId: "id",
    logHandler: (level, ...args) => lines.push({ level, text: args.map(String).join(" ") }),
  });
  tell(makeLog(context));
  return lines;
};

describe("a store call", () => {
  const call = { operation: "findOtp", durationMs: 1.6 } as const;

  it.each([
    ["failed at once", 1, "store: 403"],
    ["failed after several attempts", 3, "store: 500"],
    ["took several attempts", 2, undefined],
  ])("that %s is one line", (_, attempts, failure) => {
    const [line, ...others] = linesOf((log) => {
      log.storeCall({ ...call, attempts, failure });
    });
    expect([line?.level, others]).toEqual(["warning", []]);
    expect(JSON.parse(line?.text ?? "")).toEqual({
      function: "Test",
      invocation_id: "id",
      store_call: "findOtp",
      attempts,
      ...(failure === undefined ? {} : { failure }),
      duration_ms: 2,
    });
  });

  it("that did what it was to do at once is none", () => {
    const lines = linesOf((log) => {
      log.storeCall({ ...call, attempts: 1, failure: undefined });
    });
    expect(lines).toEqual([]);
  });
});
