/** What operators rely on is what the service does. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import host from "../../host.json";
import { makeFunctionsWithoutConfig } from "../../functions";
import { at, deploy, parseJson, toText } from "../support/arm-template";
import { fullLines } from "../support/log-lines";
import { startService, type Service } from "../../tools/support/service";

/** Made before any call is answered here: only the first of a process has every field. */
const lines = fullLines();

const page = readFileSync("docs/operate.md", "utf8");

const sectionOf = (title: string, level = "##"): string =>
  page.split(`\n${level} ${title}\n`)[1]?.split(new RegExp(`\n#{2,${level.length}} `))[0] ?? "";

const template = parseJson(readFileSync("infra/main.json", "utf8"));

describe("docs/operate.md", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it("lists each alert that the template raises, by its severity and in the ten incidents, and has a page for it", () => {
    const ofTemplate = deploy(template).flatMap(({ name, body }) => {
      const [, alert] = /^alert-cgn-otp-[0-9a-f]{8}-(.+)$/.exec(name) ?? [];
      return alert === undefined ? [] : [[alert, toText(at(body, "properties", "severity") ?? "by Azure")]];
    });
    const rows = [...sectionOf("Alerts").matchAll(/^\| \[`(.+?)`\]\(#\1\) +\| (.+?) +\|/gm)].map(
      ([, alert = "", severity]) => [alert, severity],
    );
    expect(rows.toSorted()).toEqual(ofTemplate.toSorted());
    const alerts = rows.map(([alert]) => alert);
    const inIncidents = sectionOf("Ten incidents", "###").matchAll(/`([a-z-]+)` (?:\d|A)/g);
    const named = [...inIncidents].map(([, alert]) => alert);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((alert) => alert === undefined || !alerts.includes(alert))).toEqual([]);
    const pages = alerts.map((alert) => sectionOf(`\`${alert}\``, "###"));
    expect(pages.filter((text) => !/\*\*Do|what to do/.test(text))).toEqual([]);
  });

  it("says from which number on an alert of the template is raised", () => {
    const numbers = deploy(template).flatMap(({ name, body }) => {
      const criteria = at(body, "properties", "criteria");
      const number = at(criteria, "failedLocationCount") ?? at(criteria, "allOf", 0, "threshold");
      return typeof number === "number" && number > 0 ? [{ name, number }] : [];
    });
    expect(numbers.length).toBeGreaterThan(3);
    for (const { name, number } of numbers) {
      expect(page).toMatch(
        new RegExp(`^\\| \\[\`${name.slice("alert-cgn-otp-01234567-".length)}\`.* ${number} `, "m"),
      );
    }
  });

  it.each([
    ["A key leaked", '{"merchant_id":"shop-1","api_keys":[{"key_type":"primary"', ["secondary", "test"]],
    ["A merchant leaves", '{"merchant_id":"shop-1","api_keys":[]}', []],
  ])("has commands for the drill %s", async (title, printed, left) => {
    for (const keyType of ["primary", "secondary", "test"]) {
      await service.regenerate("shop-1", keyType);
    }
    const [, script = ""] = /^ *```sh\n(.*?)^ *```$/ms.exec(sectionOf(title, "###")) ?? [];
    const settings = { FUNCTION_KEY: "unused", MERCHANT: "shop-1", KEY_TYPE: "primary" };
    const env = { PATH: process.env["PATH"], SERVICE: service.baseUrl, ...settings };
    const { stdout } = await promisify(execFile)("sh", ["-euc", script], { env });
    expect(stdout).toContain(printed);
    const { text } = await service.list("shop-1");
    expect([...text.matchAll(/"key_type":"(\w+)"/g)].map(([, keyType]) => keyType)).toEqual(left);
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
      // An error of the worker can quote the address.
      "Function.GenerateOtp": "None",
      ...Object.fromEntries(names.map((name) => [`Function.${name}.User`, "Information"])),
    });
  });

  it("keeps request URLs, of which some contain fiscal codes, out of Application Insights, Live Metrics and Core Tools", () => {
    expect(host.logging.logLevel["Host.Results"]).toBe("None");
    expect(host.logging.applicationInsights.enableLiveMetrics).toBe(false);
    expect(host).not.toHaveProperty("telemetryMode");
    expect(Object.keys(host.logging.logLevel).map((name) => name.toLowerCase())).not.toContain("default");
  });
});
