/** What operators rely on is what the service does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import host from "../../host.json";
import { makeFunctionsWithoutConfig } from "../../functions";
import { at, deploy, toArray, toJson, toObject, toText } from "../support/arm-template";
import { analyse } from "../support/kusto";
import { fullLines } from "../support/log-lines";
import { startService } from "../../tools/support/service";

/** Made before any call is answered here: only the first of a process has every field. */
const lines = fullLines();

const page = readFileSync("docs/operate.md", "utf8");

const sectionOf = (title: string, level = "##"): string =>
  page.split(`\n${level} ${title}\n`)[1]?.split(new RegExp(`\n#{2,${level.length}} `))[0] ?? "";

/** What a script prints. */
const runScript = async (script: string, env: Readonly<Record<string, string>>): Promise<string> => {
  const child = spawn("sh", ["-euc", script], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  return output;
};

const commandsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^ *```sh\n(.*?)^ *```$/gms)].map(([, script = ""]) => script);

describe("docs/operate.md", () => {
  const rules = deploy(toObject(toJson(JSON.parse(readFileSync("infra/main.json", "utf8"))))).flatMap(
    ({ type, name, body }) => {
      const [, alert] = /^alert-cgn-otp-[0-9a-f]{8}-(.+)$/.exec(name) ?? [];
      return alert === undefined ? [] : [{ type, alert, properties: body["properties"] }];
    },
  );
  const rows = [...sectionOf("Alerts").matchAll(/^\| \[`(.+?)`\]\(#(.+?)\) +\| (.+?) +\| (.+?) +\|$/gm)].map(
    ([, alert = "", anchor, severity, raisedWhen = ""]) => ({ alert, anchor, severity, raisedWhen }),
  );

  it("lists each alert that the template raises, by its severity, and has a page for it", () => {
    const ofTemplate = rules.map(({ alert, properties }) => [
      alert,
      toText(at(properties, "severity") ?? "by Azure"),
    ]);
    expect(new Map(rows.map(({ alert, severity = "" }) => [alert, severity]))).toEqual(
      new Map(ofTemplate.map(([alert = "", severity = ""]) => [alert, severity])),
    );
    expect(rows.filter(({ alert, anchor }) => alert !== anchor)).toEqual([]);
    const pages = rows.map(({ alert }) => sectionOf(`\`${alert}\``, "###"));
    expect(pages.filter((text) => !/\*\*Do|what to do/.test(text))).toEqual([]);
  });

  it.each(rules)("says of $alert how much it takes", ({ type, alert, properties }) => {
    const [criterion] = type.endsWith("/activityLogAlerts")
      ? []
      : toArray(at(properties, "criteria", "allOf") ?? [at(properties, "criteria") ?? null]);
    const query =
      toText(at(criterion, "query") ?? "")
        .split(";")
        .at(-1) ?? "";
    const limits = [
      ...[...query.matchAll(/(?:>=?|==) (\d[\d.]*)(?! ?\*)/g)].map(([, limit]) => Number(limit)),
      // A share is written in per cent.
      ...[...query.matchAll(/(\d[\d.]*) \* total/g)].map(([, share]) => Number(share) * 100),
      ...[...query.matchAll(/bin\(TimeGenerated, (\d+)m\)/g)].map(([, minutes]) => Number(minutes)),
      Number(at(criterion, "threshold") ?? 0),
      Number(at(criterion, "failedLocationCount") ?? 0),
      // The status of an answer is no limit.
    ].filter((limit) => limit > 0 && ![200, 401, 500].includes(limit));
    const raisedWhen = rows.find((row) => row.alert === alert)?.raisedWhen ?? "";
    const told = [...raisedWhen.matchAll(/\d[\d.]*/g)].map(([number]) => Number(number));
    expect(limits.filter((limit) => !told.includes(limit))).toEqual([]);
  });

  it("asks with queries that are correct without what only the template knows", async () => {
    const [script = ""] = commandsOf(sectionOf("See what happens"));
    const names = [...new Set([...page.matchAll(/(?:^|`)ask ([a-z-]+)/gm)].map(([, name = ""]) => name))];
    const folder = await mkdtemp(path.join(tmpdir(), "operate-"));
    try {
      // Prints the query, the last of what it is given, instead of asking Azure.
      await writeFile(path.join(folder, "az"), '#!/bin/sh\nfor given; do :; done\nprintf %s "$given"\n');
      await chmod(path.join(folder, "az"), 0o755);
      const env = {
        PATH: `${folder}:${process.env["PATH"] ?? ""}`,
        WORKSPACE: "00000000-0000-0000-0000-000000000000",
        MERCHANT: "shop-1",
      };
      const queries: Record<string, string> = {};
      for (const name of names) {
        queries[name] = await runScript(`${script}\nask ${name} P1D`, env);
      }
      expect(names).toContain("outcomes");
      expect(queries["calls-of-merchant"]).toContain('merchant_id == "shop-1"');
      const analysed = analyse({ AppTraces: "(TimeGenerated: datetime, Message: string)" }, queries);
      expect(Object.values(analysed).flatMap(({ faults }) => faults)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ["A key leaked", '{"merchant_id":"shop-1","api_keys":[{"key_type":"primary"', ["secondary", "test"]],
    ["A merchant leaves", '{"merchant_id":"shop-1","api_keys":[]}', []],
  ])("has commands for the drill %s", async (title, printed, left) => {
    const service = await startService();
    try {
      for (const keyType of ["primary", "secondary", "test"]) {
        await service.regenerate("shop-1", keyType);
      }
      const [script = ""] = commandsOf(sectionOf(title, "###"));
      const output = await runScript(script, {
        SERVICE: service.baseUrl,
        FUNCTION_KEY: "unused",
        MERCHANT: "shop-1",
        KEY_TYPE: "primary",
      });
      expect(output).toContain(printed);
      const { text } = await service.list("shop-1");
      expect([...text.matchAll(/"key_type":"(\w+)"/g)].map(([, keyType]) => keyType)).toEqual(left);
    } finally {
      await service.stop();
    }
  });

  it("names each event and each field of a line, and no other", () => {
    const parts = sectionOf("What the service says of itself")
      .split(/^(?=(?:Every line|A line of the event))/m)
      .slice(1);
    const fieldsOf = (text: string): string[] =>
      [...text.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name);
    const [common = [], ...ofEvents] = parts.map(fieldsOf);
    const documented = ofEvents.map((fields, index) => [
      /the event `([\w-]+)`/.exec(parts[index + 1] ?? "")?.[1],
      [...common, ...fields].sort(),
    ]);
    const written = lines.map((line) => [line["event"], Object.keys(line).sort()]);
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
