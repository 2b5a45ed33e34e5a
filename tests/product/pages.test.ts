import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import * as t from "io-ts";
import type { Browser } from "playwright-core";
import { parse } from "yaml";
import { close, listen } from "../../local/server";
import { findPage } from "../../playground/pages";
import { problemTypeBase, toProblem } from "../../shared/http/problem";
import { call } from "../support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../support/browser";
import { describedAnswers, makeFailures, nameOf } from "../support/document";
import { decode } from "../support/either";
import { startService } from "../support/service";
import type { Service } from "../support/service";

const problems = [...new Set(describedAnswers.flatMap((answer) => answer.problems))];

describe("the pages of the local host", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it.each(problems)(
    "explain %s at the path of its type, in both languages, in the service's own words",
    async (name) => {
      const path = new URL(problemTypeBase + name).pathname;
      const page = await call(service.baseUrl + path);
      expect(page.status).toBe(200);
      expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(page.text).toMatch(
        /<section lang="it"><h2[^>]*>Italiano<[^]*<\/section><section lang="en"><h2[^>]*>English</,
      );
    },
  );

  it.each(
    Object.values(makeFailures(["body"])).flatMap((failure) =>
      (["it", "en"] as const).flatMap((language) =>
        (["customer", "developer"] as const).map(
          (reader) => [failure.tag, language, reader, failure] as const,
        ),
      ),
    ),
  )("quote %s in %s as the service says it to a %s", async (name, language, reader, failure) => {
    const { title, detail } = decode(
      t.type({ title: t.string, detail: t.string }),
      JSON.parse(toProblem(failure, { reader, acceptLanguage: language, invocationId: "" }).body),
    );
    const page = await readFile(`docs/problems/${name}.md`, "utf8");
    const [, part = ""] = page.split(language === "it" ? "\n## Italiano\n" : "\n## English\n");
    const quoted = [...part.replace(/\n## [^]*/, "").matchAll(/^> \*\*(.+)\*\* \\\n> (.+)$/gm)].map(
      ([, ...sentences]) => sentences,
    );
    // The detail of a malformed request also names the fields, which differ between requests.
    const [sentence] = detail.split(/(?<=\.) (?:Nota|Note|Da controllare|To be checked)\b/);
    expect(quoted).toContainEqual([title, sentence]);
  });

  it.each([
    "/problems/",
    "/problems/unheard-of",
    "/problems/..%2f..%2fREADME",
    "/problems/../../README",
    "/docs/x",
  ])("do not exist at %s", async (path) => {
    expect((await call(service.baseUrl + path)).status).toBe(404);
  });

  it.each(["/", "/docs", "/problems/otp-expired"])("answer HEAD at %s without a body", async (path) => {
    const url = service.baseUrl + path;
    const [head, got] = [await fetch(url, { method: "HEAD" }), await fetch(url)];
    const told = [head, got].map(({ status, headers }) => [status, headers.get("content-type")]);
    expect(told[0]).toEqual(told[1]);
    expect([await head.text(), head.status]).toEqual(["", 200]);
    await got.text();
  });

  it("have no broken links", async () => {
    const start = [
      "/",
      "/docs",
      "/merchant-integration",
      "/integrazione-operatori",
      "/portal-integration",
      ...problems.map((name) => `/problems/${name}`),
    ];
    const visited = new Set<string>();
    const queue = start.map((path) => new URL(path, service.baseUrl));
    for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
      if (url.origin !== new URL(service.baseUrl).origin || visited.has(url.pathname)) {
        continue;
      }
      visited.add(url.pathname);
      const page = await call(url.href);
      expect([url.pathname, page.status]).toEqual([url.pathname, 200]);
      if (page.headers.get("content-type")?.startsWith("text/html") === true) {
        for (const [, address = ""] of page.text.matchAll(/(?:href|src)="([^"]+)"/g)) {
          const target = new URL(address, url);
          queue.push(target);
          if (target.hash !== "" && target.pathname !== "/" && target.origin === url.origin) {
            const { text } = await call(target.href);
            expect([target.href, text.includes(`id="${decodeURIComponent(target.hash.slice(1))}"`)]).toEqual([
              target.href,
              true,
            ]);
          }
        }
      }
    }
    expect(visited.size).toBeGreaterThan(start.length);
  });

  it.each([
    ["/integrazione-operatori", "it", "Integrare il tuo negozio con Carta Giovani Nazionale"],
    ["/merchant-integration", "en", "Connect your shop to Carta Giovani Nazionale"],
    ["/problems/otp-expired", "it", "otp-expired (404)"],
    ["/decisions/0001-single-use", "en", "Single use"],
  ])("state their language and their title at %s", async (path, language, title) => {
    const { text } = await call(service.baseUrl + path);
    expect(text).toContain(`<html lang="${language}">`);
    expect(text).toContain(`<title>${title}</title>`);
    expect(text).toContain('<a href="/docs"');
    expect(text).not.toContain("[ ]");
  });

  it("show the contract, and load everything from the host itself", async () => {
    const page = await call(`${service.baseUrl}/docs`);
    expect(page.status).toBe(200);
    const addresses = [...page.text.matchAll(/(?:src|href|spec-url)="([^"]+)"/g)].map(
      ([, address]) => address ?? "",
    );
    expect(addresses).toEqual(["/playground/icon.svg", "/docs/openapi.json", "/docs/redoc.standalone.js"]);
    for (const address of addresses) {
      expect((await call(service.baseUrl + address)).status).toBe(200);
    }
    expect(page.text).not.toMatch(/https?:/);
    expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'self';/);
  });

  it("show the contract with this host as its server and the guide's programs beside their call, and change nothing else", async () => {
    const shown = await call(`${service.baseUrl}/docs/openapi.json`);
    let samples: unknown;
    const contract: unknown = JSON.parse(shown.text, (key, value: unknown) => {
      if (key === "x-codeSamples") {
        samples = value;
        return undefined;
      }
      return value;
    });
    const published = decode(t.UnknownRecord, parse(await readFile("openapi.yaml", "utf8")));
    expect(contract).toEqual({
      ...published,
      servers: [{ url: `${service.baseUrl}/api/v1`, description: "The local host." }],
    });
    const programs = decode(t.array(t.type({ label: t.string, source: t.string })), samples);
    expect(programs.map(({ label }) => label)).toEqual(["curl", "Node.js", "PHP", "Python"]);
    const guide = await readFile("docs/merchant-integration.md", "utf8");
    const missing = programs.filter(({ source }) => !guide.includes(`\n${source}\`\`\`\n`));
    expect(missing.map(({ label }) => label)).toEqual([]);
  });

  it.each([undefined, ""])("give the contract's server a relative address for the Host %j", async (host) => {
    const { body = "" } = (await findPage("/docs/openapi.json", host)) ?? {};
    expect(JSON.parse(body.toString())).toMatchObject({ servers: [{ url: "/api/v1" }] });
  });

  it("explain each problem and contain each guide at the paths in the contract", async () => {
    const document = await readFile("openapi.yaml", "utf8");
    const links = new Set([...document.matchAll(/\]\((\/[^)]*)\)/g)].map(([, link = ""]) => link));
    expect([...links].sort()).toEqual(
      [
        "/integrazione-operatori",
        "/merchant-integration",
        "/portal-integration",
        ...problems.map((name) => `/problems/${name}`),
      ].sort(),
    );
    for (const link of links) {
      expect([link, (await call(service.baseUrl + link)).status]).toEqual([link, 200]);
    }
    const linked = [...document.matchAll(/const: (https:\S+)\n[^]*?\n +url: (\S+)\n/g)];
    expect([...new Set(linked.map(([, type = ""]) => nameOf(type)))].sort()).toEqual([...problems].sort());
    expect(linked.map(([, , url]) => url)).toEqual(linked.map(([, type = ""]) => new URL(type).pathname));
  });

  const executablePath = findChromium();
  if (executablePath === undefined) {
    console.warn(`${describeMissingChromium()}: the pages are not tried in a browser`);
    it.skip(`are quiet in a browser (${describeMissingChromium()})`, () => undefined);
    return;
  }

  describe("in a browser", () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchChromium(executablePath);
    });
    afterAll(() => browser.close());

    it.each(["/docs", "/merchant-integration", "/problems/otp-expired"])(
      "load nothing from another host at %s, and report no error",
      async (path) => {
        const page = await browser.newPage();
        const elsewhere: string[] = [];
        const errors: string[] = [];
        page.on("request", (request) => {
          if (!request.url().startsWith(service.baseUrl) && !/^(?:data|blob):/.test(request.url())) {
            elsewhere.push(request.url());
          }
        });
        page.on("console", (message) => {
          if (message.type() === "error") {
            errors.push(message.text());
          }
        });
        page.on("pageerror", (error) => errors.push(error.message));
        await page.goto(service.baseUrl + path, { waitUntil: "networkidle" });
        await page.locator("h1").first().waitFor();
        expect({ elsewhere, errors }).toEqual({ elsewhere: [], errors: [] });
        await page.close();
      },
    );

    // 127.0.0.1 on another port is the same site; localhost is another site.
    it.each(["127.0.0.1", "localhost"])(
      "are closed to a page of another host at %s, and that page cannot replace a key",
      async (name) => {
        const apiKey = await service.newApiKey();
        const key = `${service.baseUrl}/api/v1/cgn/merchants/shop-1/api-keys/primary`;
        const other = createServer((_, response) => {
          response.writeHead(200, { "content-type": "text/html" }).end(
            `<form method="post" action="${key}"><button>Win a prize</button></form>
             <a href="${service.baseUrl}/docs">Documentation</a>`,
          );
        });
        const port = await listen(other, 0);
        service.stopFirst(() => close(other));
        const page = await browser.newPage();
        for (const choose of ["button", "a"]) {
          await page.goto(`http://${name}:${port}/`);
          const [response] = await Promise.all([
            page.waitForResponse((each) => each.url().startsWith(service.baseUrl)),
            page.locator(choose).click(),
          ]);
          expect(response.status()).toBe(403);
          await page.getByText("paste it into the address bar").waitFor();
        }
        expect((await service.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
        // Type the address that was refused as a link.
        expect((await page.goto(`${service.baseUrl}/docs`))?.status()).toBe(200);
        await page.close();
      },
    );
  });
});
