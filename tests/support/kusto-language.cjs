/**
 * What Microsoft's language service makes of queries in Kusto: a program, because the library puts itself into the global
 * scope. It reads `[{"tables": {NAME: SCHEMA}, "queries": {NAME: QUERY}}]` and prints each query's faults and columns.
 */
const { readFileSync } = require("node:fs");
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

const toArray = (list) => Array.from({ length: list.Count }, (_, index) => list.getItem(index));

const analyse = ({ tables, queries }) => {
  const symbols = Object.entries(tables).map(([name, schema]) =>
    Symbols.TableSymbol.From(schema).WithName(name),
  );
  const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
  const analysed = Object.entries(queries).map(([name, query]) => {
    const code = KustoCode.ParseAndAnalyze(query, globals);
    const faults = toArray(code.GetDiagnostics()).map(
      ({ Message, Start, Length }) => `${Message} At: ${query.slice(Start, Start + Length + 20)}`,
    );
    const columns = toArray(code.ResultType?.Columns ?? { Count: 0 }).map(({ Name }) => Name);
    return [name, { faults, columns }];
  });
  return Object.fromEntries(analysed);
};
process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(analyse)));
