/**
 * The queries of the alerts and of the workbook, as the template deploys them: that they are correct, that they ask for what
 * the service logs, and what they return for its lines.
 */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { makeFunctionsWithoutConfig } from "../../functions";
import { keyTypes } from "../../shared/domain/api-key";
import { deadlinePassed } from "../../shared/domain/failure";
import type { Failure } from "../../shared/domain/failure";
import { DiscountId, MerchantId } from "../../shared/domain/identifiers";
import type { ApiKeyChange, CallSubject } from "../../shared/http/log";
import { problemNames, statusOf } from "../../shared/http/problem";
import { at, deploy, toArray, toJson, toObject, toText } from "../support/arm-template";
import { decode } from "../../tools/support/either";
import { analyse, elementsOf, nodesIn, run } from "../support/kusto";
import type { Analysed, Row, Syntax } from "../support/kusto";
import { fullLines, linesOf } from "../support/log-lines";
import type { Line } from "../support/log-lines";

const folder = path.join("infra", "queries");
const prefixFile = "lines.kql";
const files = readdirSync(folder).filter((name) => name !== prefixFile);
const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");

const deployed = deploy(toObject(toJson(JSON.parse(readFileSync("infra/main.json", "utf8")))));

const bodiesOf = (type: string): readonly ReturnType<typeof toObject>[] =>
  deployed.filter((resource) => resource.type === type).map(({ body }) => body);

const alerts = bodiesOf("Microsoft.Insights/scheduledQueryRules").map((body) => ({
  query: toText(at(body, "properties", "criteria", "allOf", 0, "query")),
  windowMinutes: Number(/^PT(\d+)M$/.exec(toText(at(body, "properties", "windowSize")))?.[1]),
}));

const workbookQueries = bodiesOf("Microsoft.Insights/workbooks").flatMap((body) =>
  toArray(at(toJson(JSON.parse(toText(at(body, "properties", "serializedData")))), "items")).flatMap(
    (item) => {
      const query = at(item, "content", "query");
      return query === undefined ? [] : [toText(query)];
    },
  ),
);

const deployedQueries = [...alerts.map(({ query }) => query), ...workbookQueries];

/** What stands before the text of the files. */
const prefix = ((query) => query.slice(0, query.indexOf(read(prefixFile)) + read(prefixFile).length))(
  deployedQueries[0] ?? "",
);

/** The columns of https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces that are not of a browser. */
const tables = {
  AppTraces:
    "(TimeGenerated: datetime, Message: string, SeverityLevel: int, Properties: dynamic, Measurements: dynamic, " +
    "AppRoleName: string, AppRoleInstance: string, AppVersion: string, OperationId: string, OperationName: string, " +
    "ParentId: string, ItemCount: int, SDKVersion: string, Type: string, _ResourceId: string)",
};

/** Each wrong in one thing. */
const wrong = {
  "a column that is not there": ["failures.kql", "status >= 500", "satus >= 500"],
  "a table that is not there": ["failures.kql", "calls\n", "call\n"],
  "a parenthesis that is missing": ["slow-answers.kql", "count()", "count("],
  "a function that is not there": ["no-codes-issued.kql", "hourofday", "hour_of_day"],
  "an event that no line has": ["internal-error.kql", '"defect"', '"defects"'],
  "a problem that no answer has": ["service-unavailable.kql", '"service-unavailable"', '"unavailable"'],
  "a function that the service has not": ["no-codes-issued.kql", '"GenerateOtp"', '"GenerateOTP"'],
  "a change that no key goes through": ["keys-changed-out-of-hours.kql", '"revoked"', '"removed"'],
  "a field that no line has": [prefixFile, "line.duration_ms", "line.duration"],
  "a field under another's name": [prefixFile, "line.store_round_trips", "line.attempts"],
} as const;

/** Each as it would be deployed, without its mistake and with it. */
const misspelt = Object.fromEntries(
  Object.entries(wrong).map(([name, [file, from, to]]) => {
    const query = `${prefix}${read(file === prefixFile ? "failures.kql" : file)}`;
    const start = query.lastIndexOf(from);
    return [name, { query, mistaken: `${query.slice(0, start)}${to}${query.slice(start + from.length)}` }];
  }),
);

/** The query of the workbook, once somebody has named a merchant there. */
const callsOfShop1 = `${prefix}${read("calls-of-merchant.kql")}`.replaceAll("{Merchant}", "shop-1");

const analysed = analyse(tables, {
  ...Object.fromEntries(files.map((name) => [name, `${prefix}${read(name)}`])),
  ...Object.fromEntries(Object.entries(misspelt).map(([name, { mistaken }]) => [name, mistaken])),
  "calls of shop-1": callsOfShop1,
});

const find = (name: string): Analysed => {
  const found = analysed[name];
  if (found === undefined) {
    throw new Error(`no query is called ${name}`);
  }
  return found;
};

const fields = new Set(fullLines().flatMap(Object.keys));

/** What the code can write into a field. */
const valuesOf: Readonly<Record<string, readonly string[]>> = {
  event: fullLines().map((line) => String(line["event"])),
  function: makeFunctionsWithoutConfig({ names: [], message: "" }).map(({ name }) => name),
  problem: problemNames,
  change: ["made", "replaced", "revoked"] satisfies readonly ApiKeyChange["change"][],
  key_type: keyTypes,
};

/** Each field that is taken out of a line, and the name of its column. */
const fieldsTaken = (tree: Syntax): readonly (readonly [field: string, column: string])[] =>
  nodesIn(tree)
    .filter(({ kind }) => kind === "SimpleNamedExpression")
    .flatMap(({ parts }) =>
      (parts["Expression"] === undefined ? [] : nodesIn(parts["Expression"]))
        .filter(
          ({ kind, parts: { Expression } }) =>
            ["PathExpression", "ElementExpression"].includes(kind) && Expression?.text === "line",
        )
        .map((node): readonly [string, string] => [
          node.parts["Selector"]?.parts["Expression"]?.value ?? node.parts["Selector"]?.text ?? "",
          parts["Name"]?.text ?? "",
        ]),
    );

/** Each text that a column is compared with. */
const textsCompared = (tree: Syntax): readonly (readonly [column: string, text: string])[] =>
  nodesIn(tree).flatMap(({ parts: { Left, Right } }) =>
    (Right?.value === null ? elementsOf(Right.parts["Expressions"]) : [Right]).flatMap(
      (right): readonly (readonly [string, string])[] =>
        right?.kind === "StringLiteralExpression" && Left?.kind === "NameReference"
          ? [[Left.text, right.value ?? ""]]
          : [],
    ),
  );

const complaintsOf = ({ faults, tree }: Analysed): readonly string[] => {
  const taken = fieldsTaken(tree);
  return [
    ...faults,
    ...taken.flatMap(([field, column]) => (field === column ? [] : [`${column} is ${field}`])),
    ...taken.flatMap(([field]) => (fields.has(field) ? [] : [`no line has the field ${field}`])),
    ...[...fields].flatMap((field) =>
      taken.some(([each]) => each === field) ? [] : [`the field ${field} is in no column`],
    ),
    ...textsCompared(tree).flatMap(([column, text]) =>
      valuesOf[column]?.includes(text) === false ? [`${column} is never ${text}`] : [],
    ),
  ];
};

describe("each query", () => {
  it("is a file that the template deploys, and the template deploys no other", () => {
    const ofFiles = files.map((name) => `${prefix}${read(name)}`);
    expect(new Set(deployedQueries)).toEqual(new Set(ofFiles));
  });

  it.each(files)("%s is correct, and asks for what the service logs", (name) => {
    const query = find(name);
    expect(complaintsOf(query)).toEqual([]);
    expect(query.columns).not.toEqual([]);
  });

  it.each(Object.keys(wrong))("is not deployed with %s", (name) => {
    expect(complaintsOf(find(name))).not.toEqual([]);
    expect(misspelt[name]?.mistaken).not.toBe(misspelt[name]?.query);
  });
});

const discountId = decode(DiscountId, "discount-1");
const [shop1, shop2] = [decode(MerchantId, "shop-1"), decode(MerchantId, "shop-2")];

/** 12:00 in Italy. */
const noon = new Date("2026-03-02T11:00:00.000Z");
const minuteMs = 60_000;
const before = (minutes: number, time = noon): Date => new Date(time.getTime() - minutes * minuteMs);

const toRow = (line: Line, time: Date): Row => ({ TimeGenerated: time, Message: JSON.stringify(line) });

interface Call {
  readonly name: string;
  readonly time?: Date;
  readonly failure?: Failure;
  readonly subject?: CallSubject;
  readonly durationMs?: number;
}

const failureOf = {
  broken: { tag: "internal-error" },
  unauthorized: { tag: "unauthorized" },
  unavailable: deadlinePassed,
} as const satisfies Record<string, Failure>;

const rowsOf = ({ name, time = before(7), failure, subject = {}, durationMs = 20 }: Call): readonly Row[] =>
  linesOf(name, (log) => {
    log.note(subject);
    log.outcome(failure === undefined ? 200 : statusOf(failure), failure);
  }).map((line) => toRow({ ...line, duration_ms: durationMs }, time));

const times = (count: number, call: Call): readonly Row[] =>
  Array.from({ length: count }, () => rowsOf(call)).flat();

const use = { isUse: true, merchantId: shop1, discountId };
const generate = (time?: Date): Call => ({
  name: "GenerateOtp",
  subject: { merchantId: shop1, discountId },
  ...(time && { time }),
});
const validate = (call: Partial<Call> = {}): Call => ({ name: "ValidateOtp", subject: use, ...call });
const refused = (claimedMerchantId: MerchantId): Call =>
  validate({ failure: failureOf.unauthorized, subject: { isUse: true, claimedMerchantId } });

const keyChange = (change: ApiKeyChange["change"], changedAt: Date): readonly Row[] =>
  linesOf("RegenerateApiKey", (log) => {
    log.apiKeyChange({ merchantId: shop1, keyType: "primary", change, hint: "0000", changedAt });
  }).map((line) => toRow(line, changedAt));

const bug = linesOf("ValidateOtp", (log) => {
  log.defect(new TypeError("a bug"));
}).map((line) => toRow(line, before(3)));

/** What a query returns, of lines that are in the workspace at a time. */
const ask = (name: string, AppTraces: readonly Row[], now = noon): readonly Row[] =>
  run(find(name), { AppTraces }, now);

/** As Azure evaluates an alert: over the lines of its window. */
const alarm = (name: string, rows: readonly Row[], now = noon): readonly Row[] => {
  const alert = alerts.find(({ query }) => query.endsWith(read(`${name}.kql`)));
  const start = before(alert?.windowMinutes ?? NaN, now).getTime();
  return ask(
    `${name}.kql`,
    rows.filter(({ TimeGenerated: time }) => time instanceof Date && time.getTime() >= start && time <= now),
    now,
  );
};

describe("an alert", () => {
  it("tells of each row when it was, within the window", () => {
    const untimed = files.filter(
      (name) =>
        alerts.some(({ query }) => query.endsWith(read(name))) &&
        !find(name).columns.includes("TimeGenerated"),
    );
    expect(untimed).toEqual([]);
    const [row] = alarm("no-codes-issued", []);
    expect(row).toEqual({ TimeGenerated: before(1), issued: 0 });
  });

  it.each<readonly [alert: string, when: string, rows: readonly Row[], now: Date]>([
    [
      "failures",
      "more than 1 % fail",
      [...times(296, validate()), ...times(3, validate({ failure: failureOf.broken }))],
      noon,
    ],
    ["failures", "all three fail", times(3, validate({ failure: failureOf.unavailable })), noon],
    [
      "slow-answers",
      "2 of 20 are slow",
      [...times(18, validate()), ...times(2, validate({ durationMs: 1001 }))],
      noon,
    ],
    ["internal-error", "one bug shows", bug, noon],
    [
      "service-unavailable",
      "five are answered 503",
      times(5, validate({ failure: failureOf.unavailable })),
      noon,
    ],
    ["no-codes-issued", "nothing at all comes", [], noon],
    [
      "no-codes-issued",
      "every generation fails",
      times(9, { ...generate(), failure: failureOf.unavailable }),
      noon,
    ],
    ["no-codes-issued", "the last code was issued 16 minutes ago", times(9, generate(before(16))), noon],
    ["no-codes-issued", "none comes before the last hour ends", [], new Date("2026-03-02T19:59:00.000Z")],
    ["refused-keys", "50 calls name a merchant", times(50, refused(shop1)), noon],
    [
      "keys-changed-out-of-hours",
      "a key is revoked at 22:00",
      keyChange("revoked", new Date("2026-03-02T21:00:00.000Z")),
      new Date("2026-03-02T21:05:00.000Z"),
    ],
    [
      "keys-changed-out-of-hours",
      "a key is replaced at 6:59, in summer",
      keyChange("replaced", new Date("2026-07-02T04:59:00.000Z")),
      new Date("2026-07-02T05:05:00.000Z"),
    ],
  ])("%s is raised when %s", (name, _, rows, now) => {
    expect(alarm(name, rows, now)).toHaveLength(1);
  });

  it.each<readonly [alert: string, when: string, rows: readonly Row[], now: Date]>([
    [
      "failures",
      "1 % fails",
      [...times(297, validate()), ...times(3, validate({ failure: failureOf.broken }))],
      noon,
    ],
    ["failures", "both of two fail", times(2, validate({ failure: failureOf.broken })), noon],
    ["failures", "customers are refused", times(50, validate({ failure: { tag: "otp-expired" } })), noon],
    [
      "slow-answers",
      "1 of 20 is slow",
      [...times(19, validate()), ...times(1, validate({ durationMs: 5000 }))],
      noon,
    ],
    ["slow-answers", "20 take a second", times(20, validate({ durationMs: 1000 })), noon],
    ["slow-answers", "19 are slow", times(19, validate({ durationMs: 5000 })), noon],
    ["internal-error", "the store fails", times(9, validate({ failure: failureOf.unavailable })), noon],
    [
      "service-unavailable",
      "four are answered 503",
      times(4, validate({ failure: failureOf.unavailable })),
      noon,
    ],
    [
      "service-unavailable",
      "eight are, in ten minutes",
      [
        ...times(4, validate({ failure: failureOf.unavailable })),
        ...times(4, validate({ failure: failureOf.unavailable, time: before(2) })),
      ],
      noon,
    ],
    ["no-codes-issued", "one was issued", times(1, generate()), noon],
    ["no-codes-issued", "it is night", [], new Date("2026-03-02T01:00:00.000Z")],
    ["no-codes-issued", "the day is not 15 minutes old", [], new Date("2026-03-02T08:14:00.000Z")],
    ["no-codes-issued", "the last hour is over", [], new Date("2026-03-02T20:00:00.000Z")],
    [
      "refused-keys",
      "49 calls name each of two merchants",
      [...times(49, refused(shop1)), ...times(49, refused(shop2))],
      noon,
    ],
    [
      "refused-keys",
      "50 calls have no well-formed key",
      times(50, validate({ failure: failureOf.unauthorized, subject: {} })),
      noon,
    ],
    [
      "keys-changed-out-of-hours",
      "a key is revoked at 7:00",
      keyChange("revoked", new Date("2026-03-02T06:00:00.000Z")),
      new Date("2026-03-02T06:05:00.000Z"),
    ],
    [
      "keys-changed-out-of-hours",
      "a key is replaced at 21:59",
      keyChange("replaced", new Date("2026-03-02T20:59:00.000Z")),
      new Date("2026-03-02T21:05:00.000Z"),
    ],
    [
      "keys-changed-out-of-hours",
      "a key is made at night",
      keyChange("made", new Date("2026-03-02T01:00:00.000Z")),
      new Date("2026-03-02T01:05:00.000Z"),
    ],
  ])("%s is not raised when %s", (name, _, rows, now) => {
    expect(alarm(name, rows, now)).toEqual([]);
  });

  it("counts a line that comes late", () => {
    const late = times(5, validate({ failure: failureOf.unavailable, time: before(12) }));
    expect(alarm("service-unavailable", late)).toHaveLength(1);
  });

  it("does not count calls that only look whether the service is up", () => {
    const probes = ["Info", "Status", "OpenApi"].flatMap((name) =>
      times(50, { name, failure: failureOf.unavailable, durationMs: 5000 }),
    );
    expect([
      ...alarm("failures", probes),
      ...alarm("slow-answers", probes),
      ...alarm("service-unavailable", probes),
    ]).toEqual([]);
  });
});

describe("every query", () => {
  /** Enough of each to raise every alert that goes by calls. */
  const everything = (isTest: boolean): readonly Row[] => {
    const mark = ({ subject, ...call }: Call): Call => ({ ...call, subject: { ...subject, isTest } });
    return [
      ...times(3, mark(generate())),
      ...times(50, mark(validate({ failure: failureOf.unavailable, durationMs: 5000 }))),
      ...times(50, mark(refused(shop1))),
      ...times(2, mark(validate({ time: before(60 * 24) }))),
      ...times(1, mark({ name: "Status" })),
      ...times(1, mark(validate({ subject: { ...use, isRepetition: true } }))),
    ];
  };

  it.each(files)("%s counts no call that was made with a test key", (name) => {
    const real = everything(false);
    expect(ask(name, [...everything(true), ...real])).toEqual(ask(name, real));
  });

  it.each(files)("%s reads no other program's traces", (name) => {
    const others = ["Executed 'Functions.Status'", '{"status":200}', "{"].map((Message) => ({
      TimeGenerated: before(7),
      Message,
    }));
    expect(ask(name, others)).toEqual(ask(name, []));
  });
});

describe("the workbook", () => {
  it("counts codes issued, used and expired for each day in Italy, merchant and discount", () => {
    const yesterday = new Date("2026-03-01T22:59:59.000Z");
    const rows = [
      ...times(5, generate(yesterday)),
      ...times(2, validate({ time: yesterday })),
      // Neither a question, nor the answer to a repeated use, nor a refusal uses a code.
      ...times(4, validate({ time: yesterday, subject: { ...use, isUse: false } })),
      ...times(4, validate({ time: yesterday, subject: { ...use, isRepetition: true } })),
      ...times(4, validate({ time: yesterday, failure: { tag: "otp-already-used" } })),
      ...times(3, generate(new Date("2026-03-01T23:00:00.000Z"))),
      ...times(1, { ...generate(yesterday), subject: { merchantId: shop2, discountId } }),
    ];
    const day = (text: string): Date => new Date(`${text}T00:00:00.000Z`);
    expect(ask("usage.kql", rows)).toEqual([
      // Whether the codes of a day that is not over will be used, nobody knows yet.
      {
        day: day("2026-03-02"),
        merchant_id: "shop-1",
        discount_id: "discount-1",
        issued: 3,
        used: 0,
        expired: null,
      },
      {
        day: day("2026-03-01"),
        merchant_id: "shop-1",
        discount_id: "discount-1",
        issued: 5,
        used: 2,
        expired: 3,
      },
      {
        day: day("2026-03-01"),
        merchant_id: "shop-2",
        discount_id: "discount-1",
        issued: 1,
        used: 0,
        expired: 1,
      },
    ]);
    // The last codes of the day live on for ten minutes.
    expect(
      ask("usage.kql", rows, new Date("2026-03-01T23:09:00.000Z")).map(({ expired }) => expired),
    ).toEqual([null, null, null]);
  });

  it("says what share of a day's calls was answered, and within a second", () => {
    const rows = [
      ...times(996, validate()),
      ...times(3, validate({ failure: failureOf.unavailable, durationMs: 5000 })),
      ...times(1, validate({ durationMs: 1500 })),
    ];
    expect(ask("objectives.kql", rows)).toEqual([
      {
        day: new Date("2026-03-02T00:00:00.000Z"),
        total: 1000,
        available_percent: 99.7,
        within_a_second_percent: 99.6,
      },
    ]);
  });

  it("says how long calls take, and what they cost", () => {
    const rows = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap((n) => rowsOf(validate({ durationMs: n * 10 })));
    expect(ask("latency.kql", rows)).toEqual([
      { function: "ValidateOtp", total: 10, p50_ms: 50, p95_ms: 100, p99_ms: 100 },
    ]);
    const costly = linesOf("ValidateOtp", (log) => {
      log.storeCall({
        operation: "findOtp",
        attempts: 2,
        durationMs: 7,
        requestUnits: 2.5,
        failure: "store: 429",
      });
      log.outcome(200, undefined);
    }).map((line) => toRow(line, before(1)));
    expect(ask("request-units.kql", costly)).toEqual([
      {
        function: "ValidateOtp",
        total: 1,
        request_units_per_call: 2.5,
        p95_request_units: 2.5,
        round_trips_per_call: 2,
        request_units_in_all: 2.5,
      },
    ]);
    expect(ask("store-calls.kql", costly)).toEqual([
      { operation: "findOtp", failure: "store: 429", total: 1, p95_ms: 7, last_seen: before(1) },
    ]);
  });

  it("finds one merchant's calls, and the changes of keys", () => {
    const rows = [...rowsOf(validate()), ...keyChange("made", before(1))];
    expect(ask("calls of shop-1", rows)).toMatchObject([
      {
        function: "ValidateOtp",
        status: 200,
        discount_id: "discount-1",
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
      },
    ]);
    expect(ask("keys.kql", rows)).toMatchObject([
      { merchant_id: "shop-1", key_type: "primary", change: "made", hint: "0000", former_hint: "" },
    ]);
  });
});
