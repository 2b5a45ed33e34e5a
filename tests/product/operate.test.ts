/** What operators rely on is what the service does. */
import { readFileSync } from "node:fs";
import host from "../../host.json";
import { makeFunctionsWithoutConfig } from "../../functions";
import { fullLines } from "../support/log-lines";

describe("docs/operate.md", () => {
  it("names each event and each field of a line, and no other", () => {
    const [, section = ""] =
      /## What the service says of itself\n(.*?)(\n## |$)/s.exec(readFileSync("docs/operate.md", "utf8")) ??
      [];
    const parts = section.split(/^(?=(?:Every line|A line of the event))/m).slice(1);
    const fieldsOf = (text: string): string[] =>
      [...text.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name);
    const [common = [], ...ofEvents] = parts.map(fieldsOf);
    const documented = ofEvents.map((fields, index) => [
      /the event `([\w-]+)`/.exec(parts[index + 1] ?? "")?.[1],
      [...common, ...fields].sort(),
    ]);
    const written = fullLines().map((line) => [line["event"], Object.keys(line).sort()]);
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(written));
  });
});

describe("host.json", () => {
  it("keeps every line of the service, and no sample of them", () => {
    const { samplingSettings } = host.logging.applicationInsights;
    expect(samplingSettings.excludedTypes.split(";")).toContain("Trace");
  });

  it("lets through what each function says at any level, and of what the host says of each only warnings", () => {
    const levels = Object.entries(host.logging.logLevel).filter(([category]) =>
      category.startsWith("Function"),
    );
    const names = makeFunctionsWithoutConfig({ names: [], message: "" }).map(({ name }) => name);
    expect(Object.fromEntries(levels)).toEqual({
      Function: "Warning",
      ...Object.fromEntries(names.map((name) => [`Function.${name}.User`, "Information"])),
    });
  });

  it("keeps request URLs, which contain fiscal codes, out of Application Insights", () => {
    expect(host.logging.logLevel["Host.Results"]).toBe("None");
    expect(host).not.toHaveProperty("telemetryMode");
  });
});
