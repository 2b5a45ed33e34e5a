/**
 * Queries in Kusto (KQL): what Microsoft's language service says of them, and what they return for given rows, as far as this
 * project's queries use the language. What is not known here fails the test that asks for it.
 * https://learn.microsoft.com/kusto/query/
 */
import { spawnSync } from "node:child_process";
import * as t from "io-ts";
import { decode } from "../../tools/support/either";

/** `parts` by the language service's names for them, `items` of a list. */
export interface Syntax {
  readonly kind: string;
  readonly text: string;
  /** Of a literal. */
  readonly value: string | null;
  readonly parts: Readonly<Record<string, Syntax>>;
  readonly items: readonly Syntax[];
}

const Syntax: t.Type<Syntax> = t.recursion("Syntax", () =>
  t.type({
    kind: t.string,
    text: t.string,
    value: t.union([t.string, t.null]),
    parts: t.readonly(t.record(t.string, Syntax)),
    items: t.readonlyArray(Syntax),
  }),
);

const Analysed = t.type({ faults: t.array(t.string), columns: t.array(t.string), tree: Syntax });
export type Analysed = t.TypeOf<typeof Analysed>;

/**
 * @param tables their schemas by their names, such as `(TimeGenerated: datetime, Message: string)`.
 * @param queries by any names.
 */
export const analyse = (
  tables: Readonly<Record<string, string>>,
  queries: Readonly<Record<string, string>>,
): Readonly<Record<string, Analysed>> => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["tests/support/kusto-language.cjs"], {
    input: JSON.stringify({ tables, queries }),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) {
    throw new Error(stderr);
  }
  return decode(t.record(t.string, Analysed), JSON.parse(stdout));
};

/** A node and all below it. */
export const nodesIn = (node: Syntax): readonly Syntax[] => [
  node,
  ...[...Object.values(node.parts), ...node.items].flatMap(nodesIn),
];

const part = (node: Syntax, name: string): Syntax => {
  const found = node.parts[name];
  if (found === undefined) {
    throw new Error(`no ${name} in ${node.kind}: ${node.text}`);
  }
  return found;
};

/** The elements of a list, without the commas. */
export const elementsOf = (list: Syntax | undefined): readonly Syntax[] =>
  (list?.items ?? []).flatMap((item) => (item.kind === "SeparatedElement" ? item.items : [item]));

/** A span of time, in milliseconds. */
class Span {
  constructor(readonly ms: number) {}
}

export type Value = null | boolean | number | string | Date | Span | readonly Value[] | DynamicObject;
interface DynamicObject {
  readonly [name: string]: Value;
}
export type Row = Readonly<Record<string, Value>>;
type Rows = readonly Row[];

const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value);

/** Numbers, and what is counted as a number: times and spans, in milliseconds. */
const toNumber = (value: Value): number | null =>
  typeof value === "number"
    ? value
    : value instanceof Date
      ? value.getTime()
      : value instanceof Span
        ? value.ms
        : null;

/** What takes its place in a list by its order. */
const compare = (left: Value, right: Value): number | null => {
  if (typeof left === "string" && typeof right === "string") {
    return left < right ? -1 : left > right ? 1 : 0;
  }
  const [a, b] = [toNumber(left), toNumber(right)];
  return a === null || b === null ? null : a - b;
};

const equals = (left: Value, right: Value): boolean | null =>
  typeof left === "boolean" && typeof right === "boolean"
    ? left === right
    : ((difference) => (difference === null ? null : difference === 0))(compare(left, right));

const toDynamic = (value: unknown): Value => {
  if (value === null || ["boolean", "number", "string"].includes(typeof value)) {
    return decode(t.union([t.null, t.boolean, t.number, t.string]), value);
  }
  return Array.isArray(value)
    ? value.map(toDynamic)
    : Object.fromEntries(
        Object.entries(decode(t.UnknownRecord, value)).map(([name, member]) => [name, toDynamic(member)]),
      );
};

const member = (value: Value, name: string): Value =>
  typeof value === "object" &&
  value !== null &&
  !isList(value) &&
  !(value instanceof Date) &&
  !(value instanceof Span)
    ? (value[name] ?? null)
    : null;

const toLocal = (at: Value, timeZone: Value): Value => {
  if (!(at instanceof Date) || typeof timeZone !== "string") {
    return null;
  }
  const text = new Intl.DateTimeFormat("sv", { timeZone, dateStyle: "short", timeStyle: "medium" }).format(
    at,
  );
  return new Date(`${text.replace(" ", "T")}Z`);
};

const dayMs = 86_400_000;

/** `1.02:03:04.005`: one day, two hours and so on. */
const toSpan = (text: string): Span => {
  const [, days = "0", hours = "0", minutes = "0", seconds = "0"] =
    /^(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  return new Span(
    Number(days) * dayMs + Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000,
  );
};

const floor = (value: Value, step: Value): Value => {
  const [number, size] = [toNumber(value), toNumber(step)];
  if (number === null || size === null) {
    return null;
  }
  const floored = Math.floor(number / size) * size;
  return value instanceof Date ? new Date(floored) : floored;
};

type Scalar = (values: readonly Value[]) => Value;

const withFirst =
  (run: (value: Value) => Value): Scalar =>
  ([value = null]) =>
    run(value);

const toInteger = withFirst((value) => (typeof value === "number" ? Math.trunc(value) : null));

const scalars: Readonly<Record<string, Scalar>> = {
  bin: ([value = null, step = null]) => floor(value, step),
  coalesce: (values) => values.find((value) => value !== null) ?? null,
  datetime_utc_to_local: ([at = null, timeZone = null]) => toLocal(at, timeZone),
  hourofday: withFirst((at) => (at instanceof Date ? at.getUTCHours() : null)),
  iff: ([condition, then = null, otherwise = null]) => (condition === true ? then : otherwise),
  isnotempty: withFirst((value) => value !== null && value !== ""),
  not: withFirst((value) => (typeof value === "boolean" ? !value : null)),
  parse_json: withFirst((text) => (typeof text === "string" ? toDynamic(JSON.parse(text)) : null)),
  round: ([value = null, digits = 0]) => {
    const number = toNumber(value);
    return number === null ? null : Number(number.toFixed(toNumber(digits) ?? 0));
  },
  startofday: withFirst((at) => floor(at, dayMs)),
  tobool: withFirst((value) => (typeof value === "boolean" ? value : null)),
  todatetime: withFirst((value) => (typeof value === "string" ? new Date(value) : null)),
  toint: toInteger,
  tolong: toInteger,
  toreal: withFirst(toNumber),
  tostring: withFirst((value) =>
    value === null ? "" : typeof value === "string" ? value : JSON.stringify(value),
  ),
};

/** Of the values of a group: those that are not null, in order where that matters. */
const numbersOf = (values: readonly Value[]): readonly number[] =>
  values.flatMap((value) => toNumber(value) ?? []).toSorted((left, right) => left - right);

const average = (numbers: readonly number[]): Value =>
  numbers.length === 0 ? null : numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

const latest = (values: readonly Value[]): Value =>
  values.reduce<Value>((most, value) => ((compare(value, most) ?? 1) > 0 ? value : most), null);

/** What is in force where an expression stands. */
interface Scope {
  readonly now: Date;
  readonly tables: Readonly<Record<string, Rows>>;
  readonly values: Readonly<Record<string, Value>>;
  readonly row: Row;
  /** The rows of the group that is summarized. */
  readonly group: Rows | undefined;
}

const binary: Readonly<Record<string, (left: Value, right: Value) => Value>> = {
  AddExpression: (left, right) => shift(left, toNumber(right)),
  AndExpression: (left, right) => left === true && right === true,
  DivideExpression: (left, right) => arithmetic(left, right, (a, b) => a / b),
  EqualExpression: equals,
  GreaterThanExpression: (left, right) => ordered(left, right, (difference) => difference > 0),
  GreaterThanOrEqualExpression: (left, right) => ordered(left, right, (difference) => difference >= 0),
  LessThanExpression: (left, right) => ordered(left, right, (difference) => difference < 0),
  LessThanOrEqualExpression: (left, right) => ordered(left, right, (difference) => difference <= 0),
  MultiplyExpression: (left, right) => arithmetic(left, right, (a, b) => a * b),
  OrExpression: (left, right) => left === true || right === true,
  StartsWithExpression: (left, right) =>
    typeof left === "string" &&
    typeof right === "string" &&
    left.toLowerCase().startsWith(right.toLowerCase()),
  SubtractExpression: (left, right) =>
    shift(left, ((number) => (number === null ? null : -number))(toNumber(right))),
};

const ordered = (left: Value, right: Value, holds: (difference: number) => boolean): Value => {
  const difference = compare(left, right);
  return difference === null ? null : holds(difference);
};

const arithmetic = (left: Value, right: Value, run: (left: number, right: number) => number): Value => {
  const [a, b] = [toNumber(left), toNumber(right)];
  return a === null || b === null ? null : run(a, b);
};

/** A time plus a span is a time. */
const shift = (value: Value, by: number | null): Value => {
  const number = toNumber(value);
  if (number === null || by === null) {
    return null;
  }
  return value instanceof Date ? new Date(number + by) : number + by;
};

const evaluateCall = (node: Syntax, scope: Scope): Value => {
  const name = part(node, "Name").text;
  const inputs = elementsOf(part(node, "ArgumentList").parts["Expressions"]);
  const [first] = inputs;
  const { group } = scope;
  if (group !== undefined) {
    const each = (input: Syntax | undefined): readonly Value[] =>
      input === undefined ? [] : group.map((row) => evaluate(input, { ...scope, row, group: undefined }));
    switch (name) {
      case "avg":
        return average(numbersOf(each(first)));
      case "count":
        return group.length;
      case "countif":
        return each(first).filter((value) => value === true).length;
      case "make_set":
        return [...new Set(each(first))];
      case "max":
        return latest(each(first));
      case "percentile": {
        const numbers = numbersOf(each(first));
        const rank = Math.ceil((Number(inputs[1]?.value) / 100) * numbers.length);
        return numbers[Math.max(rank, 1) - 1] ?? null;
      }
      case "sum":
        return numbersOf(each(first)).reduce((sum, value) => sum + value, 0);
    }
  }
  if (name === "now") {
    return scope.now;
  }
  const scalar = scalars[name];
  if (scalar === undefined) {
    throw new Error(`not known here: ${name}()`);
  }
  return scalar(inputs.map((input) => evaluate(input, scope)));
};

const evaluate = (node: Syntax, scope: Scope): Value => {
  const operator = binary[node.kind];
  if (operator !== undefined) {
    return operator(evaluate(part(node, "Left"), scope), evaluate(part(node, "Right"), scope));
  }
  const { value } = node;
  switch (node.kind) {
    case "StringLiteralExpression":
      return value;
    case "LongLiteralExpression":
    case "RealLiteralExpression":
      return value === null ? null : Number(value);
    case "BooleanLiteralExpression":
      return value === "true";
    case "TimespanLiteralExpression":
      return value === null ? null : toSpan(value);
    case "ParenthesizedExpression":
      return evaluate(part(node, "Expression"), scope);
    case "NameReference": {
      const found = node.text in scope.row ? scope.row[node.text] : scope.values[node.text];
      if (found === undefined) {
        throw new Error(`nothing is called ${node.text}`);
      }
      return found;
    }
    case "PathExpression":
      return member(evaluate(part(node, "Expression"), scope), part(node, "Selector").text);
    case "ElementExpression": {
      const selector = part(part(node, "Selector"), "Expression");
      return member(evaluate(part(node, "Expression"), scope), selector.value ?? "");
    }
    case "FunctionCallExpression":
      return evaluateCall(node, scope);
    case "InExpression":
    case "NotInExpression": {
      const left = evaluate(part(node, "Left"), scope);
      const isIn = elementsOf(part(node, "Right").parts["Expressions"]).some(
        (each) => equals(left, evaluate(each, scope)) === true,
      );
      return isIn === (node.kind === "InExpression");
    }
    default:
      throw new Error(`not known here: ${node.kind}: ${node.text}`);
  }
};

/** `name = expression`, or an expression that has the name of the one column in it. */
const nameOf = (node: Syntax): string =>
  node.kind === "SimpleNamedExpression"
    ? part(node, "Name").text
    : node.kind === "NameReference"
      ? node.text
      : (nodesIn(node)
          .filter(({ kind }) => kind === "NameReference")
          .at(-1)?.text ?? node.text);

const expressionOf = (node: Syntax): Syntax =>
  node.kind === "SimpleNamedExpression" ? part(node, "Expression") : node;

const toRow = (nodes: readonly Syntax[], scope: Scope): Row =>
  Object.fromEntries(nodes.map((node) => [nameOf(node), evaluate(expressionOf(node), scope)]));

const summarize = (operator: Syntax, rows: Rows, scope: Scope): Rows => {
  const aggregates = elementsOf(operator.parts["Aggregates"]);
  const by = elementsOf(operator.parts["ByClause"]?.parts["Expressions"]);
  const groups = new Map<string, { readonly keys: Row; readonly rows: Row[] }>();
  for (const row of rows) {
    const keys = toRow(by, { ...scope, row });
    const id = JSON.stringify(keys);
    const group = groups.get(id) ?? { keys, rows: [] };
    group.rows.push(row);
    groups.set(id, group);
  }
  // Without `by` there is one row, whatever comes in.
  const all = by.length === 0 ? [{ keys: {}, rows }] : [...groups.values()];
  return all.map(({ keys, rows: group }) => ({ ...keys, ...toRow(aggregates, { ...scope, group }) }));
};

const sort = (operator: Syntax, rows: Rows, scope: Scope): Rows => {
  const orders = elementsOf(operator.parts["Expressions"]).map((node) => ({
    expression: node.parts["Expression"] ?? node,
    sign: node.parts["Ordering"]?.text === "asc" ? 1 : -1,
  }));
  return rows.toSorted((left, right) =>
    orders.reduce(
      (difference, { expression, sign }) =>
        difference ||
        sign *
          (compare(
            evaluate(expression, { ...scope, row: left }),
            evaluate(expression, { ...scope, row: right }),
          ) ?? 0),
      0,
    ),
  );
};

const apply = (operator: Syntax, rows: Rows, scope: Scope): Rows => {
  const expressions = elementsOf(operator.parts["Expressions"]);
  switch (operator.kind) {
    case "FilterOperator":
      return rows.filter((row) => evaluate(part(operator, "Condition"), { ...scope, row }) === true);
    case "ExtendOperator":
      return rows.map((row) => ({ ...row, ...toRow(expressions, { ...scope, row }) }));
    case "ProjectOperator":
      return rows.map((row) => toRow(expressions, { ...scope, row }));
    case "SummarizeOperator":
      return summarize(operator, rows, scope);
    case "SortOperator":
      return sort(operator, rows, scope);
    case "TakeOperator":
      return rows.slice(0, Number(part(operator, "Expression").value));
    default:
      throw new Error(`not known here: ${operator.text}`);
  }
};

const runExpression = (node: Syntax, scope: Scope): Rows => {
  if (node.kind === "PipeExpression") {
    return apply(part(node, "Operator"), runExpression(part(node, "Expression"), scope), scope);
  }
  const rows = scope.tables[node.text];
  if (rows === undefined) {
    throw new Error(`no table is called ${node.text}`);
  }
  return rows;
};

const isTabular = ({ kind }: Syntax): boolean => kind === "PipeExpression";

/** The rows that a query returns. */
export const run = ({ tree }: Analysed, tables: Readonly<Record<string, Rows>>, now: Date): Rows => {
  let scope: Scope = { now, tables, values: {}, row: {}, group: undefined };
  let result: Rows = [];
  for (const statement of elementsOf(part(tree, "Statements"))) {
    const expression = part(statement, "Expression");
    if (statement.kind === "ExpressionStatement") {
      result = runExpression(expression, scope);
    } else {
      const name = part(statement, "Name").text;
      scope = isTabular(expression)
        ? { ...scope, tables: { ...scope.tables, [name]: runExpression(expression, scope) } }
        : { ...scope, values: { ...scope.values, [name]: evaluate(expression, scope) } };
    }
  }
  return result;
};
