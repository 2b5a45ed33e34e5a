/**
 * What Microsoft's language service makes of queries in Kusto: a program, because the library puts itself into the global
 * scope. It reads `{"tables": {NAME: SCHEMA}, "queries": {NAME: QUERY}}` and prints each query's faults and columns.
 */
const { readFileSync } = require("node:fs");
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

const toArray = (list) => Array.from({ length: list.Count }, (_, index) => list.getItem(index));

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
  };
};
const analysed = Object.entries(queries).map(([name, query]) => [name, analyse(query)]);
process.stdout.write(JSON.stringify(Object.fromEntries(analysed)));
