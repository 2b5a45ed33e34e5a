/** The queries of the alerts and of the workbook, as the template deploys them: correct, and about what the service logs. */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import * as t from "io-ts";
import { makeFunctionsWithoutConfig } from "../../functions";
import { keyTypes } from "../../shared/domain/api-key";
import type { ApiKeyChange } from "../../shared/http/log";
import { problemNames } from "../../shared/http/problem";
import { decode } from "../../tools/support/either";
import { at, deploy, parseJson, toArray, toText, type JsonObject } from "../support/arm-template";
import { fullLines } from "../support/log-lines";

const folder = path.join("infra", "queries");
const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");
const linesFile = read("lines.kql");
const files = readdirSync(folder).filter((name) => name !== "lines.kql" && name !== "parameters.kql");

const deployed = deploy(parseJson(readFileSync("infra/main.json", "utf8")));
const bodiesOf = (type: string): readonly JsonObject[] =>
  deployed.filter((each) => each.type === type).map(({ body }) => body);
const alerts = bodiesOf("Microsoft.Insights/scheduledQueryRules").map((body) => {
  const criterion = at(body, "properties", "criteria", "allOf", 0);
  const dimensions = toArray(at(criterion, "dimensions")).map((each) => toText(at(each, "name")));
  return { name: toText(body["name"]), query: toText(at(criterion, "query")), dimensions };
});
const workbook = parseJson(
  toText(at(bodiesOf("Microsoft.Insights/workbooks")[0], "properties", "serializedData")),
);
const deployedQueries = [
  ...alerts.map(({ query }) => query),
  ...toArray(workbook["items"])
    .flatMap((item) => at(item, "content", "query") ?? [])
    .map(toText),
];
/** What the template puts before the text of a file. */
const prefix = deployedQueries[0]?.split(linesFile)[0] ?? "";
const deployedAs = (name: string): string => `${prefix}${linesFile}${read(name)}`;

/** In part: https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces has all columns of the first. */
const tables = {
  AppTraces: "(TimeGenerated: datetime, Message: string, _ResourceId: string)",
  AppAvailabilityResults: "(TimeGenerated: datetime, Name: string, Success: bool, _ResourceId: string)",
  Usage: "(TimeGenerated: datetime, DataType: string, Quantity: real, IsBillable: bool)",
};

const texts = t.readonlyArray(t.string);
const Analysed = t.readonlyArray(t.record(t.string, t.type({ faults: texts, columns: texts })));

/** What Microsoft's language service says of each query, where the tables are there and where they are not. */
const [ofWorkspace = {}, ofNewWorkspace = {}] = decode(
  Analysed,
  JSON.parse(
    execFileSync(process.execPath, ["tests/support/kusto-language.cjs"], {
      input: JSON.stringify([
        { tables, queries: Object.fromEntries(files.map((name) => [name, deployedAs(name)])) },
        {
          tables: {},
          queries: {
            "lines.kql": `${prefix}${linesFile}lines`,
            ...Object.fromEntries(
              files
                .filter((name) => Object.keys(tables).some((table) => read(name).includes(table)))
                .map((name) => [name, deployedAs(name)]),
            ),
          },
        },
      ]),
      encoding: "utf8",
    }),
  ),
);

/** Each text that a query compares a column with. */
const textsCompared = (query: string): readonly (readonly [column: string, text: string])[] =>
  [...query.matchAll(/(\w+) (?:[=!]=|!?in) (\([^()]*\)|"[^"]*")/g)].flatMap(([, column = "", texts = ""]) =>
    [...texts.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => [column, text] as const),
  );

const lines = fullLines();

const page = readFileSync("docs/operate.md", "utf8");

describe("the queries", () => {
  it("are files that the template deploys, and the template deploys no others", () => {
    expect(new Set(deployedQueries)).toEqual(new Set(files.map(deployedAs)));
  });

  it.each(files)("%s has correct syntax, tables and columns", (name) => {
    expect(ofWorkspace[name]?.faults).toEqual([]);
    expect(ofWorkspace[name]?.columns).not.toEqual([]);
  });

  // lines.kql alone reads a line, and hands on columns only: the language service refuses `line` in the other files.
  it("read each field that the code can write into a line, under its own name, and no other", () => {
    const taken = [...linesFile.matchAll(/(\w+) = [^,;]*?\bline(?:\.(\w+)|\["(\w+)"\])/g)].map(
      ([, column = "", field, quoted]) => [column, field ?? quoted] as const,
    );
    expect(taken).toHaveLength([...linesFile.matchAll(/\bline(?:\.\w|\[)/g)].length);
    expect(taken.filter(([column, field]) => column !== field)).toEqual([]);
    expect(new Set(taken.map(([column]) => column))).toEqual(new Set(lines.flatMap(Object.keys)));
  });

  it("compare a column only with what the code can write there", () => {
    const values = new Map<string, readonly unknown[]>([
      ["event", lines.map((line) => line["event"])],
      ["function", makeFunctionsWithoutConfig({ names: [], message: "" }).map(({ name }) => name)],
      ["problem", problemNames],
      ["change", ["made", "replaced", "revoked", "repetition"] satisfies readonly ApiKeyChange["change"][]],
      ["key_type", keyTypes],
    ]);
    const compared = ["lines.kql", ...files].flatMap((name) => textsCompared(read(name)));
    expect(compared.length).toBeGreaterThan(10);
    expect(compared.filter(([column, text]) => values.get(column)?.includes(text) === false)).toEqual([]);
  });

  it.each(alerts)("$name tells the time, and what its message is to name", ({ query, dimensions }) => {
    const file = files.find((name) => deployedAs(name) === query) ?? "";
    expect(ofWorkspace[file]?.columns).toEqual(expect.arrayContaining(["TimeGenerated", ...dimensions]));
  });

  it("are asked on a terminal, by the command of docs/operate.md, with the defaults of the template", () => {
    const [ask = ""] = /^ask\(\) \{\n.*?^\}$/ms.exec(page) ?? [];
    // `az` prints the query, the last thing that it is given.
    const az = String.raw`az() { for given; do :; done; printf '%s\0' "$given"; }`;
    const asks = files.map((file) => `ask ${file.replace(".kql", "")} P1D`);
    const env = { PATH: process.env["PATH"], WORKSPACE: "id", MERCHANT: "shop-1" };
    const printed = execFileSync("sh", ["-euc", [az, ask, ...asks].join("\n")], { env, encoding: "utf8" });
    const [, component = ""] = /^let component = "([^"]+)";$/m.exec(prefix) ?? [];
    expect(component).toContain("appi-cgn-otp-");
    const expected = files.map((file) =>
      deployedAs(file).replace(component, "").replace("{Merchant}", "shop-1").trimEnd(),
    );
    expect(printed.split("\0").map((query) => query.replace(/^\/\/.*\n/, ""))).toEqual([...expected, ""]);
    const named = [...page.matchAll(/(?:^|`)ask ([a-z-]+)/gm)].map(([, name = ""]) => `${name}.kql`);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !files.includes(name))).toEqual([]);
  });

  it("stand in a workspace that has no table yet, as that of a first deployment", () => {
    const faults = Object.values(ofNewWorkspace).flatMap((each) => each.faults);
    // So it says of a table that a query goes on without.
    expect(faults.filter((fault) => !fault.startsWith("The fuzzy name"))).toEqual([]);
    expect(new Set(faults.map((fault) => /'(\w+)'/.exec(fault)?.[1]))).toEqual(new Set(Object.keys(tables)));
  });

  it("take from a workspace that others use only what belongs to this service", () => {
    for (const name of ["lines.kql", "no-test-results.kql"]) {
      expect(read(name)).toMatch(/^\| where .*\(?component == "" or _ResourceId =~ component\b/m);
    }
  });
});
