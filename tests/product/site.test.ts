/** The site as `npm run site` writes it, served as a host of static files does. */
import { spawnSync } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import path from "node:path";
import * as t from "io-ts";
import { close, listen } from "../../local/server";
import { problemNames } from "../../shared/http/problem";
import { call } from "../../tools/support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { crawl } from "../support/crawl";
import { decode } from "../../tools/support/either";

const folder = path.join("build", "site");

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

const Config = t.type({ globalHeaders: t.record(t.string, t.string) });

/** Serves a file as it is, and a folder as its `index.html`: Azure Static Web Apps does, and so do the others. */
const startStaticHost = async (): Promise<Server> => {
  const config: unknown = JSON.parse(await readFile(path.join(folder, "staticwebapp.config.json"), "utf8"));
  const { globalHeaders } = decode(Config, config);
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://host");
    const names = path.extname(pathname) === "" ? path.join(pathname, "index.html") : pathname;
    readFile(path.join(folder, names)).then(
      (body) => {
        const type = contentTypes[path.extname(names)] ?? "application/octet-stream";
        response.writeHead(200, { ...globalHeaders, "content-type": type }).end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
};

describe("the site", () => {
  let server: Server;
  let baseUrl: string;
  let files: readonly string[];
  beforeAll(async () => {
    const { stderr, status } = spawnSync(process.execPath, [path.join("build", "site.js")], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    files = await readdir(folder, { recursive: true });
    server = await startStaticHost();
    baseUrl = `http://127.0.0.1:${await listen(server, 0)}`;
  });
  afterAll(() => close(server));

  it("has no broken link, and no page to which no link leads", async () => {
    const { visited, broken } = await crawl([new URL(baseUrl)]);
    expect(broken).toEqual([]);
    const pages = files
      .filter((file) => path.basename(file) === "index.html")
      .map((file) => path.posix.join("/", path.dirname(file)));
    expect(pages.length).toBeGreaterThan(problemNames.length * 2);
    expect(pages.filter((page) => !visited.has(page))).toEqual([]);
  });

  it("has a page for every link of openapi.yaml", async () => {
    const text = await readFile("openapi.yaml", "utf8");
    const addresses = [
      ...[...text.matchAll(/\]\((\/[^)]+)\)/g)].map(([, link = ""]) => link),
      ...[...text.matchAll(/^ +url: (\/\S+)$/gm)].map(([, link = ""]) => link),
      ...[...text.matchAll(/https:\/\/\S+\/problems\/[a-z-]+/g)].map(([type]) => new URL(type).pathname),
    ];
    expect(addresses.length).toBeGreaterThan(problemNames.length * 3);
    expect((await crawl([...new Set(addresses)].map((address) => new URL(address, baseUrl)))).broken).toEqual(
      [],
    );
  });

  it("gives the contract as it is published", async () => {
    const { text } = await call(`${baseUrl}/docs/openapi.json`);
    expect(JSON.parse(text)).toMatchObject({ servers: [{ url: "https://api.cgn.pagopa.it/api/v1" }] });
  });

  it("has no playground, which nothing would answer, and starts with the first steps", async () => {
    const { text } = await call(`${baseUrl}/`);
    expect(text).toContain("<h1");
    expect(text).toBe((await call(`${baseUrl}/primi-passi`)).text);
    for (const path of ["/playground/main.js", "/playground/index.html", "/playground/playground.css"]) {
      expect([path, (await call(baseUrl + path)).status]).toEqual([path, 404]);
    }
    for (const file of files.filter((each) => each.endsWith(".html"))) {
      expect([file, (await readFile(path.join(folder, file), "utf8")).includes('href="/?lang=')]).toEqual([
        file,
        false,
      ]);
    }
  });

  it("names production where the reader has typed no address, and this machine in the commands for it", async () => {
    const text = (await call(`${baseUrl}/integrazione-operatori`)).text.replaceAll(/<[^>]+>/g, "");
    expect(text).toContain("export CGN_URL=https://api.cgn.pagopa.it\n");
    expect(text).not.toMatch(/CGN_URL=http:/);
    expect(text).toMatch(/curl .*http:\/\/127\.0\.0\.1:7071\/api\/v1\/cgn\/otp/);
  });

  it("sends with each file the policy of the local host's pages", async () => {
    const { headers } = await call(`${baseUrl}/docs`);
    expect(headers.get("content-security-policy")).toMatch(/^default-src 'self';.* frame-ancestors 'none'$/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  const executablePath = findChromium();
  if (executablePath === undefined) {
    console.warn(`${describeMissingChromium()}: the site is not tried in a browser`);
    it.skip(`works in a browser (${describeMissingChromium()})`, () => undefined);
  } else {
    it("works in a browser: the other language, and the reader's values", async () => {
      const browser = await launchChromium(executablePath);
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("console", (message) => errors.push(message.text()));
      page.on("pageerror", ({ message }) => errors.push(message));
      await page.goto(baseUrl, { waitUntil: "networkidle" });
      await page.getByRole("link", { name: "English" }).click();
      await page
        .getByRole("heading", { level: 1, name: "The discount in your shop, in ten minutes" })
        .waitFor();
      await page.getByLabel("Test API key").fill("cgn_test_mine_1");
      await page.getByText("export CGN_API_KEY=cgn_test_mine_1").waitFor();
      await page.getByRole("link", { name: "API reference" }).click();
      await page.getByRole("link", { name: "Italiano" }).click();
      await page.getByRole("heading", { level: 1, name: "Riferimento API" }).waitFor();
      expect(errors).toEqual([]);
      await browser.close();
    });
  }
});
