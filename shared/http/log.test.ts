import { InvocationContext } from "@azure/functions";
import { makeLog, traceIdOf, type Log } from "./log";

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
  tell(makeLog(context, undefined));
  return lines;
};

describe("the caller's trace", () => {
  const [trace, parent] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  it.each([
    [`00-${trace}-${parent}-01`, trace],
    // Of a later version the beginning is the same (W3C Trace Context, section 4.3).
    [`01-${trace}-${parent}-01-more`, trace],
    [`ff-${trace}-${parent}-01`, undefined],
    [`00-${"0".repeat(32)}-${parent}-01`, undefined],
    [`00-${trace}0-${parent}-01`, undefined],
    [`00-${trace}-${parent}`, undefined],
    [`x00-${trace}-${parent}-01`, undefined],
    [undefined, undefined],
  ])("of %j is %s", (traceparent, traceId) => {
    expect(traceIdOf(traceparent)).toBe(traceId);
  });
});

describe("the outcome", () => {
  const outcomeOf = (requestUnits: readonly number[]): unknown => {
    const lines = linesOf((log) => {
      for (const charged of requestUnits) {
        log.storeCall({
          operation: "findOtp",
          attempts: 1,
          durationMs: 1,
          requestUnits: charged,
          failure: undefined,
        });
      }
      log.outcome(200, undefined);
    });
    return JSON.parse(lines[0]?.text ?? "");
  };

  it("sums up what the store charged, in hundredths", () => {
    expect(outcomeOf([1.23, 10.29, 0.1])).toMatchObject({ request_units: 11.62 });
    expect(outcomeOf([0.1, 0.2])).toMatchObject({ request_units: 0.3 });
    expect(outcomeOf([])).toMatchObject({ request_units: 0 });
  });

  it("says of a process's first call that it is, and of no other", async () => {
    jest.resetModules();
    const { makeLog: makeLogOfNewProcess } = await import("./log");
    const lines = [1, 2].map(() => {
      let text = "";
      const logHandler = (_level: string, ...args: unknown[]): void => {
        text = args.map(String).join(" ");
      };
      makeLogOfNewProcess(new InvocationContext({ logHandler }), undefined).outcome(200, undefined);
      return text;
    });
    expect(lines.map((text) => text.includes('"first_call":true'))).toEqual([true, false]);
  });
});

describe("a store call", () => {
  const call = { durationMs: 1.6, requestUnits: 1 } as const;

  it.each([
    ["failed at once", 1, "store: 403", "findOtp", "findOtp"],
    ["failed after several attempts", 3, "store: 500", "checkGuarantees", "describeAccount"],
    ["took several attempts", 2, undefined, "findOtp", "findOtp"],
  ] as const)("that %s is one line", (_, attempts, failure, operation, logged) => {
    const [line, ...others] = linesOf((log) => {
      log.storeCall({ ...call, operation, attempts, failure });
    });
    expect([line?.level, others]).toEqual(["warning", []]);
    expect(JSON.parse(line?.text ?? "")).toEqual({
      function: "Test",
      invocation_id: "id",
      event: "store-call",
      operation: logged,
      attempts,
      ...(failure === undefined ? {} : { failure }),
      duration_ms: 2,
    });
  });

  it("that did what it was to do at once is none", () => {
    const lines = linesOf((log) => {
      log.storeCall({ ...call, operation: "findOtp", attempts: 1, failure: undefined });
    });
    expect(lines).toEqual([]);
  });
});
