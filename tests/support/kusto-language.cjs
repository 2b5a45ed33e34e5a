/**
 * What Microsoft's own language service makes of queries in Kusto: a program, because the library puts itself into the global
 * scope. It reads `{"tables": {NAME: SCHEMA}, "queries": {NAME: QUERY}}` from standard input and prints for each query its
 * faults, its columns and its syntax tree.
 */
const { readFileSync } = require("node:fs");
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols, Syntax } = globalThis.Kusto.Language;

const kinds = new Map(
  Object.entries(Syntax.SyntaxKind).flatMap(([name, kind]) =>
    typeof kind === "number" ? [[kind, name]] : [],
  ),
);

const toArray = (list) => Array.from({ length: list.Count }, (_, index) => list.getItem(index));

/** `parts` by their names, `items` of a list. Punctuation and key words that stand for nothing else are left out. */
const toTree = (node) => {
  const parts = {};
  const items = [];
  for (let index = 0; index < node.ChildCount; index += 1) {
    const child = node.GetChild(index);
    const name = node.GetName(index);
    if (child?.ChildCount > 0) {
      if (name === "") {
        items.push(toTree(child));
      } else {
        parts[name] = toTree(child);
      }
    }
  }
  const { LiteralValue: value } = node;
  return {
    kind: kinds.get(node.Kind),
    // Without comments and line ends around it.
    text: node.ToString(Syntax.IncludeTrivia.Interior),
    value: value === undefined || value === null ? null : String(value),
    parts,
    items,
  };
};

const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const globals = GlobalState.Default.WithDatabase(
  new Symbols.DatabaseSymbol.ctor(
    "workspace",
    Object.entries(tables).map(([name, schema]) => Symbols.TableSymbol.From(schema).WithName(name)),
  ),
);
const analyse = (query) => {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  return {
    faults: toArray(code.GetDiagnostics()).map(
      ({ Message, Start, Length }) => `${Message} At: ${query.slice(Start, Start + Length + 20)}`,
    ),
    columns: toArray(code.ResultType?.Columns ?? { Count: 0 }).map(({ Name }) => Name),
    tree: toTree(code.Syntax),
  };
};
const analysed = Object.entries(queries).map(([name, query]) => [name, analyse(query)]);
process.stdout.write(JSON.stringify(Object.fromEntries(analysed)));
