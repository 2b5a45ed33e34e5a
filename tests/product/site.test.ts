/** The site, as the local host serves it, and as `npm run site` writes it for any host of static files. */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import path from "node:path";
import * as t from "io-ts";
import type { BrowserContextOptions, Page } from "playwright-core";
import { makeFunctions } from "../../functions";
import { makeHost, type HostOptions } from "../../local/host";
import { close, listen } from "../../local/server";
import { makeSite } from "../../local/site";
import { buildSite } from "../../local/site-build";
import { problemNames, problemTypeBase, toProblem } from "../../shared/http/problem";
import { pages, redirects, siteOrigin } from "../../site/pages";
import { call, type Reply } from "../../tools/support/api";
import { makeFailures, operations } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startService, type Service } from "../../tools/support/service";
import { crawl } from "../support/crawl";
import { describeInBrowser, findFaults } from "../support/in-browser";

const folder = path.join("build", "site");

/** What a reader sees of a page, more or less. */
const textOf = (html: string): string =>
  html.replaceAll('</div><div class="ec-line', "\n<").replaceAll(/<[^>]+>/g, "");

const browse = (url: string): Promise<Reply> => call(url, { headers: { Accept: "text/html" } });

/** A page for each template. */
const templates = [
  "/primi-passi",
  "/en/merchant-integration",
  "/problems",
  "/en/problems/otp-expired",
  "/en/docs",
  "/en/docs/operations/validateotp",
  "/en/benchmarks",
  "/integrazione-woocommerce",
  "/not-there",
];

describe("the site", () => {
  let service: Service;
  let baseUrl: string;
  const startHost = async (options: HostOptions = {}): Promise<string> => {
    const functions = makeFunctions(service.config, service.store.forCall);
    const host = makeHost(functions, undefined, { site: makeSite(), ...options });
    service.stopFirst(() => close(host));
    return `http://127.0.0.1:${await listen(host, 0)}`;
  };
  beforeAll(async () => {
    const { stderr, status } = spawnSync(process.execPath, [path.join("build", "site.js")], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    service = await startService();
    baseUrl = await startHost();
    // A browser would be shown that the site is being built.
    await call(baseUrl);
  }, 300_000);
  afterAll(() => service.stop());

  it("has no broken link, and no page to which no link leads, with and without the local host's playground", async () => {
    for (const origin of [baseUrl, await startHost({ site: makeSite(() => Promise.resolve(folder)) })]) {
      const { visited, broken } = await crawl([new URL(origin)]);
      expect(broken).toEqual([]);
      expect(pages.map(({ id }) => `/${id}`).filter((page) => !visited.has(page))).toEqual([]);
    }
  });

  it("has pages at the addresses that the contract names and that pages once had", async () => {
    const text = await readFile("openapi.yaml", "utf8");
    const addresses = [
      ...[...text.matchAll(/\]\((\/[^)]+)\)/g)].map(([, link = ""]) => link),
      ...[...text.matchAll(/^ +url: (\/\S+)$/gm)].map(([, link = ""]) => link),
      ...problemNames.map((name) => new URL(problemTypeBase + name).pathname),
      ...Object.keys(redirects),
    ];
    const { broken } = await crawl(addresses.map((address) => new URL(address, baseUrl)));
    expect(broken).toEqual([]);
    const { status, headers } = await fetch(`${baseUrl}/primi-passi/`, { redirect: "manual" });
    expect([status, headers.get("location")]).toEqual([301, "/primi-passi"]);
  });

  it("says in both languages and with a 404 that a page does not exist, and only to a browser", async () => {
    for (const wanted of ["/not-there", "/en/primi-passi", "/problems/..%2f..%2fREADME", "/en/404"]) {
      const { status, text } = await browse(baseUrl + wanted);
      expect([wanted, status]).toEqual([wanted, 404]);
      expect(text).toMatch(/Pagina non trovata[^]*Page not found/);
    }
    // As the Functions host answers a client.
    expect(await call(`${baseUrl}/not-there`)).toMatchObject({ status: 404, text: "" });
    for (const wanted of ["/api/not-there", "/playground/not-there", "/playground/..%2fstart.js"]) {
      expect([wanted, await browse(baseUrl + wanted)]).toMatchObject([wanted, { status: 404, text: "" }]);
    }
  });

  it("tells machines of each page its translation, its own address, a description and a picture", async () => {
    const sitemap = await readFile(path.join(folder, "sitemap-0.xml"), "utf8");
    const headOf = (address: string): Promise<string> =>
      readFile(path.join(folder, address, "index.html"), "utf8");
    const descriptions = new Set<string | undefined>();
    const englishOnly =
      /^en\/(decisions|architecture|benchmarks|capacity|deploy|guarantees|operate|settings)(\/|$)/;
    for (const { id, language } of pages) {
      const text = await headOf(id);
      expect(text).toContain(`<html lang="${language}"`);
      expect(text).toContain(`<link rel="canonical" href="${siteOrigin}/${id}"/>`);
      expect(text).toContain(`<meta property="og:image" content="${siteOrigin}/playground.png"/>`);
      expect(sitemap).toContain(`<loc>${siteOrigin}/${id}</loc>`);
      descriptions.add(/<meta name="description" content="([^"]{20,})"/.exec(text)?.[1]);
      const alternates = [...text.matchAll(/<link rel="alternate" hreflang="\w+" href="([^"]+)"/g)];
      expect([id, alternates.length]).toEqual([id, englishOnly.test(id) ? 0 : 2]);
      // An alternate names the page, too.
      for (const [, address = ""] of alternates) {
        expect(await headOf(new URL(address).pathname)).toContain(
          `hreflang="${language}" href="${siteOrigin}/${id}"`,
        );
      }
    }
    expect(descriptions.size).toBe(pages.length);
    expect(descriptions).not.toContain(undefined);
    expect(sitemap).not.toContain("/en/primi-passi");
    expect(sitemap).toContain(`hreflang="en" href="${siteOrigin}/en/get-started"`);
  });

  it("lets a page run only scripts of the site that the build knew", async () => {
    for (const wanted of ["/", ...templates]) {
      const { headers, text } = await browse(baseUrl + wanted);
      expect(headers.get("content-security-policy")).toMatch(
        /^default-src 'self'; script-src 'self' 'wasm-unsafe-eval'( 'sha256-[^' ]+')+; style-src [^;]+; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      );
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(text).not.toMatch(/<(?:script|link rel="stylesheet"|img)[^>]*(?:src|href)="(?:https?:)?\/\//);
    }
  });

  it.each(Object.values(makeFailures(["body"])))(
    "explains $tag at the path of its type in each language, and quotes what the service says to each reader",
    async (failure) => {
      const type = problemTypeBase + failure.tag;
      const source = await readFile(`docs/problems/${failure.tag}.md`, "utf8");
      for (const [prefix, language, heading, other] of [
        ["", "it", "Italiano", "What happened."],
        ["/en", "en", "English", "Che cosa è successo."],
      ] as const) {
        const { text } = await call(baseUrl + prefix + new URL(type).pathname);
        expect(textOf(text)).toContain(type);
        expect(text).not.toContain(other);
        const [, part = ""] = source.split(`\n## ${heading}\n`);
        const quoted = [...part.replace(/\n## [^]*/, "").matchAll(/^> \*\*(.+)\*\* \\\n> (.+)$/gm)].map(
          ([, ...sentences]) => sentences,
        );
        for (const audience of ["customer", "developer"] as const) {
          const { title, detail } = decode(
            t.type({ title: t.string, detail: t.string }),
            JSON.parse(toProblem(failure, { audience, acceptLanguage: language, invocationId: "" }).body),
          );
          // The detail of a malformed request also names the fields, which differ between requests.
          const [sentence] = detail.split(/(?<=\.) (?:Nota|Note|Da controllare|To be checked)\b/);
          expect(quoted).toContainEqual([title, sentence]);
        }
      }
    },
  );

  it("has each call of the contract in its reference, in five languages, and asks without an Idempotency-Key", async () => {
    for (const { id } of operations) {
      const { text } = await call(`${baseUrl}/en/docs/operations/${id.toLowerCase()}`);
      const languages = [...text.matchAll(/<option value="code-sample:[^>]*>([^<]+)</g)].map(
        ([, name]) => name,
      );
      expect(languages).toEqual(["curl", "PHP", "Node.js", "Python", "C#"]);
      const [, samples = ""] = /class="sl-openapi-snippets([^]*?)<sl-openapi-snippets/.exec(text) ?? [];
      expect(textOf(samples)).toContain(`curl --request`);
      expect(samples).not.toContain("Idempotency-Key");
    }
  });

  it("has its commands, its contract and its first page for any host, and on the local host for that one", async () => {
    const demoShop = {
      merchantId: "demo-shop",
      apiKey: "cgn_demo-shop_a",
      testApiKey: "cgn_test_demo-shop_b",
    };
    const local = await startHost({ demoShop: () => demoShop });
    const guide = "integrazione-operatori";
    const here = textOf((await call(`${local}/${guide}`)).text);
    expect(here).toContain(`export CGN_URL=${local}\nexport CGN_API_KEY=cgn_test_demo-shop_b\n`);
    expect(here).toContain(`export CGN_URL=${local}\nexport CGN_API_KEY=cgn_demo-shop_a\n`);
    expect(here).not.toContain("7071");
    const anywhere = textOf(await readFile(path.join(folder, guide, "index.html"), "utf8"));
    expect(anywhere).toContain(
      `export CGN_URL=${siteOrigin}\nexport CGN_API_KEY=cgn_test_demo-shop_LA-TUA-CHIAVE\n`,
    );
    expect(anywhere).toMatch(/curl .*http:\/\/127\.0\.0\.1:7071\/api\/v1\/cgn\/otp/);

    const contract = await readFile("openapi.yaml", "utf8");
    expect(await readFile(path.join(folder, "openapi.yaml"), "utf8")).toBe(contract);
    expect((await call(`${local}/openapi.yaml`)).text).toBe(contract.replace(siteOrigin, local));

    const [first, start] = await Promise.all(
      ["index.html", "primi-passi/index.html"].map((name) => readFile(path.join(folder, name), "utf8")),
    );
    expect(first).toBe(start);
    // Only the local host has the playground, and a link to it.
    const shown = [first, (await call(`${local}/primi-passi`)).text].map((html = "") =>
      html.replaceAll(/<!--.*?-->/gs, "").includes('<a href="/">Prova</a>'),
    );
    expect(shown).toEqual([false, true]);
    expect((await call(local)).text).toContain('<div id="playground"');
  });

  it("says to a browser that it is being built, while calls are answered, and opens the page then", async () => {
    let finish: (built: string) => void = () => undefined;
    const built = new Promise<string>((resolve) => {
      finish = resolve;
    });
    const host = await startHost({ site: makeSite(() => built) });
    const waiting = await fetch(`${host}/primi-passi`, { headers: { Accept: "text/html" } });
    expect(waiting.status).toBe(503);
    const forProgram = call(`${host}/primi-passi`);
    expect((await call(`${host}/api/v1/info`)).status).toBe(200);
    finish(await buildSite());
    expect(await waiting.text()).toMatch(
      /Le pagine sono in preparazione\.[^]*<meta http-equiv="refresh" content="0">$/,
    );
    expect((await forProgram).status).toBe(200);
    expect((await browse(`${host}/primi-passi`)).status).toBe(200);
  });

  describeInBrowser("in a browser", (browser) => {
    /** What a page loaded from elsewhere, and what it complained of. */
    let complaints: string[];
    const open = async (at: string, options: BrowserContextOptions = {}): Promise<Page> => {
      const context = await browser().newContext({
        permissions: ["clipboard-read", "clipboard-write"],
        ...options,
      });
      const page = await context.newPage();
      page.on("pageerror", ({ message }) => complaints.push(message));
      page.on("console", (message) => complaints.push(message.text()));
      page.on("request", (request) => complaints.push(request.url()));
      // The search waits for idle time, which Chromium without a screen may not have for long.
      await page.addInitScript("window.requestIdleCallback = (task) => setTimeout(task, 1)");
      await page.goto(baseUrl + at);
      return page;
    };
    beforeEach(() => {
      complaints = [];
    });
    afterEach(async () => {
      await Promise.all(
        browser()
          .contexts()
          .map((context) => context.close()),
      );
      const isOwn = (complaint: string): boolean =>
        complaint.startsWith(baseUrl) || complaint.startsWith("data:") || complaint.includes("status of 404");
      expect(complaints.filter((complaint) => !isOwn(complaint))).toEqual([]);
    });

    const search = async (page: Page, words: string): Promise<void> => {
      // The button is disabled until its script runs.
      await page.locator("button[data-open-modal]:enabled").waitFor();
      await page.keyboard.press("Control+k");
      await page.locator(".pagefind-ui__search-input").fill(words);
      await page.locator(".pagefind-ui__results:not(:has(.pagefind-ui__loading))").waitFor();
    };

    it("fits and is accessible, each template and the search: on a phone and on a desk, light and dark", async () => {
      const left = [...templates, "the search"];
      const inspect = async (page: Page): Promise<void> => {
        for (let each = left.shift(); each !== undefined; each = left.shift()) {
          if (each === "the search") {
            await search(page, "idempotency");
          } else {
            await page.goto(baseUrl + each);
          }
          // The reader's system has the dark scheme.
          expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
          await page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })",
          );
          const faults = [await findFaults(page, "dark", 360), await findFaults(page, "light", 1440)];
          expect([each, ...faults.flat()]).toEqual([each]);
          await page.evaluate("document.documentElement.dataset.theme = 'dark'");
        }
      };
      // On two cores two pages at a time are faster, and more are not.
      const pages = [open("/primi-passi", { colorScheme: "dark" }), open("/en", { colorScheme: "dark" })];
      await Promise.all(pages.map(async (page) => inspect(await page)));
    });

    it("finds pages of the reader's language, and leads to them and past the header by keyboard alone", async () => {
      const page = await open("/primi-passi");
      await search(page, "codice scaduto");
      await page.getByText(/risultati per codice scaduto/).waitFor();
      const results = page.locator(".pagefind-ui__result-link");
      const addresses = await Promise.all((await results.all()).map((link) => link.getAttribute("href")));
      expect(addresses).toContain("/problems/otp-expired");
      expect(addresses.filter((address) => address?.startsWith("/en"))).toEqual([]);
      await results.first().focus();
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname !== "/primi-passi");
      await page.getByRole("link", { name: "English" }).click();
      await page.waitForURL((url) => url.pathname.startsWith("/en/"));
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      expect(new URL(page.url()).hash).toBe("#_top");
    });

    it("shows one programming language, chosen once for every page, by mouse, keyboard or link", async () => {
      const page = await open("/integrazione-operatori#php");
      const isShown = (language: string): Promise<void> =>
        page.locator('[role="tab"][aria-selected="true"]', { hasText: language }).waitFor();
      await isShown("PHP");
      await page.getByText("function useUp").first().waitFor();
      await page.getByRole("tab", { name: "PHP" }).press("ArrowRight");
      expect(await page.getByText("function useUp").first().isVisible()).toBe(false);
      await page.goto(`${baseUrl}/en/merchant-integration`);
      await isShown("Python");
      await page.goto(`${baseUrl}/en/docs/operations/validateotp`);
      await page.getByText("import requests").waitFor();
      await page.getByLabel("Select code sample").selectOption({ label: "PHP" });
      await page.goto(`${baseUrl}/en/merchant-integration`);
      await isShown("PHP");
    });

    it("puts what the reader types into the samples, copies it, keeps it nowhere, and forgets it with the page", async () => {
      const page = await open("/en/merchant-integration");
      await page.getByLabel("Address of the service").fill("https://otp.example.org/");
      await page.getByLabel("Test API key").fill("<b>cgn_test_mine_1</b>");
      await page.getByLabel("API key", { exact: true }).fill("cgn_mine_2");
      await page.locator(".sample", { hasText: "cgn_test_mine_1" }).first().getByRole("button").click();
      await page.getByText("Copied").first().waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toContain(
        "export CGN_URL=https://otp.example.org\nexport CGN_API_KEY=<b>cgn_test_mine_1</b>",
      );
      const main = page.locator("main");
      expect(await main.innerText()).toContain("Ocp-Apim-Subscription-Key: cgn_mine_2\n");
      await page.getByLabel("API key", { exact: true }).fill(" ");
      expect(await main.innerText()).toContain("Ocp-Apim-Subscription-Key: cgn_demo-shop_YOUR-KEY\n");
      expect(
        await page.evaluate("JSON.stringify([document.cookie, localStorage, sessionStorage, location.href])"),
      ).not.toMatch(/mine|example\.org/);
      await page.reload();
      expect(await main.innerText()).not.toContain("otp.example.org");
    });

    it("is closed to a form and a link of another site, and of another port", async () => {
      const apiKey = await service.newApiKey();
      const form = `<form method="post" action="${baseUrl}/api/v1/cgn/merchants/shop-1/api-keys/primary"><button>Win</button></form>`;
      const other: Server = createServer((_, response) => {
        response
          .writeHead(200, { "content-type": "text/html" })
          .end(`${form}<a href="${baseUrl}/primi-passi">Documentation</a>`);
      });
      const port = await listen(other, 0);
      service.stopFirst(() => close(other));
      const page = await open("/primi-passi");
      // 127.0.0.1 on another port is the same site; localhost is another site.
      for (const name of ["127.0.0.1", "localhost"]) {
        for (const choose of ["button", "a"]) {
          await page.goto(`http://${name}:${port}/`);
          await page.locator(choose).click();
          await page.getByText("paste it into the address bar").waitFor();
        }
      }
      complaints = [];
      expect((await service.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
      // Type the address that was refused as a link.
      expect((await page.goto(`${baseUrl}/primi-passi`))?.status()).toBe(200);
    });
  });
});
