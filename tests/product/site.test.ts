/** The site: as the local host serves it, and as `npm run site` writes it for a host of static files. */
import { spawnSync } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import path from "node:path";
import axe from "axe-core";
import * as t from "io-ts";
import type { Browser, Page } from "playwright-core";
import { makeFunctions } from "../../functions";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { makeSite } from "../../local/site";
import { problemNames, problemTypeBase, toProblem } from "../../shared/http/problem";
import { pages, redirects, siteOrigin } from "../../site/pages";
import { call, type Reply } from "../../tools/support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { makeFailures, operations } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startService, type Service } from "../../tools/support/service";
import { crawl } from "../support/crawl";

const folder = path.join("build", "site");

const Config = t.type({
  globalHeaders: t.record(t.string, t.string),
  routes: t.array(t.type({ route: t.string, redirect: t.string, statusCode: t.Int })),
  responseOverrides: t.type({ "404": t.type({ rewrite: t.string }) }),
});

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Does what `staticwebapp.config.json` says, as Azure Static Web Apps would. */
const startStaticHost = async (): Promise<Server> => {
  const config: unknown = JSON.parse(await readFile(path.join(folder, "staticwebapp.config.json"), "utf8"));
  const { globalHeaders, routes, responseOverrides } = decode(Config, config);
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://host");
    const rule = routes.find(({ route }) => route === pathname);
    const location = rule?.redirect ?? (pathname === "/" ? undefined : /^(.+)\/$/.exec(pathname)?.[1]);
    if (location !== undefined) {
      response.writeHead(rule?.statusCode ?? 301, { location }).end();
      return;
    }
    const name = path.extname(pathname) === "" ? path.join(pathname, "index.html") : pathname;
    const send = (status: number, file: string, body: Buffer): void => {
      const type = contentTypes[path.extname(file)] ?? "application/octet-stream";
      response.writeHead(status, { ...globalHeaders, "content-type": type }).end(body);
    };
    readFile(path.join(folder, name)).then(
      (body) => {
        send(200, name, body);
      },
      async () => {
        const page = responseOverrides["404"].rewrite;
        send(404, page, await readFile(path.join(folder, page)));
      },
    );
  });
};

/** What a reader sees of a page, more or less. */
const textOf = (html: string): string =>
  html.replaceAll(/<\/div><div class="ec-line/g, "\n<").replaceAll(/<[^>]+>/g, "");

const browse = (url: string): Promise<Reply> => call(url, { headers: { Accept: "text/html" } });

/** A page for each template, and where it has one in the other language. */
const templates = [
  "/primi-passi",
  "/en/merchant-integration",
  "/problems",
  "/en/problems/otp-expired",
  "/en/docs",
  "/en/docs/operations/validateotp",
  "/en/decisions/0001-single-use",
  "/not-there",
] as const;

describe("the site", () => {
  let service: Service;
  let server: Server;
  let staticUrl: string;
  let origins: readonly string[];
  beforeAll(async () => {
    const { stderr, status } = spawnSync(process.execPath, [path.join("build", "site.js")], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    server = await startStaticHost();
    staticUrl = `http://127.0.0.1:${await listen(server, 0)}`;
    service = await startService();
    origins = [service.baseUrl, staticUrl];
  }, 300_000);
  afterAll(async () => {
    await service.stop();
    await close(server);
  });

  it("has no broken link, and no page to which no link leads", async () => {
    for (const origin of origins) {
      const { visited, broken } = await crawl([new URL(origin)]);
      expect(broken).toEqual([]);
      expect(pages.map(({ id }) => `/${id}`).filter((page) => !visited.has(page))).toEqual([]);
    }
  });

  it("answers at every address that the contract names and that pages once had", async () => {
    const text = await readFile("openapi.yaml", "utf8");
    const addresses = [
      ...[...text.matchAll(/\]\((\/[^)]+)\)/g)].map(([, link = ""]) => link),
      ...[...text.matchAll(/^ +url: (\/\S+)$/gm)].map(([, link = ""]) => link),
      ...problemNames.map((name) => new URL(problemTypeBase + name).pathname),
      ...Object.keys(redirects),
      ...templates.filter((each) => each !== "/not-there").map((each) => `${each}/`),
    ];
    for (const origin of origins) {
      const { broken } = await crawl([...new Set(addresses)].map((address) => new URL(address, origin)));
      expect(broken).toEqual([]);
    }
    for (const origin of origins) {
      const { status, headers } = await fetch(`${origin}/primi-passi/`, { redirect: "manual" });
      expect([status, headers.get("location")]).toEqual([301, "/primi-passi"]);
    }
  });

  it("says in both languages and with a 404 that a page does not exist, and only to a browser", async () => {
    for (const origin of origins) {
      for (const wanted of ["/not-there", "/en/primi-passi", "/problems/..%2f..%2fREADME", "/en/404"]) {
        const { status, text } = await browse(origin + wanted);
        expect([wanted, status]).toEqual([wanted, 404]);
        expect(text).toContain("Pagina non trovata");
        expect(text).toContain("Page not found");
        expect(text).toContain('href="/primi-passi"');
      }
    }
    // As the Functions host answers a client.
    expect(await call(`${service.baseUrl}/not-there`)).toMatchObject({ status: 404, text: "" });
    expect(await browse(`${service.baseUrl}/api/not-there`)).toMatchObject({ status: 404, text: "" });
  });

  it("tells machines of each page its translation, its own address, a description and a picture", async () => {
    const sitemap = (await call(`${staticUrl}/sitemap-0.xml`)).text;
    const descriptions = new Set<string>();
    for (const { id, language } of pages) {
      const { text } = await call(`${staticUrl}/${id}`);
      expect(text).toContain(`<html lang="${language}"`);
      expect(text).toContain(`<link rel="canonical" href="${siteOrigin}/${id}"/>`);
      expect(text).toContain(`<meta property="og:image" content="${siteOrigin}/playground.png"/>`);
      expect(sitemap).toContain(`<loc>${siteOrigin}/${id}</loc>`);
      const [, description = ""] = /<meta name="description" content="([^"]+)"/.exec(text) ?? [];
      expect(description.length).toBeGreaterThan(20);
      descriptions.add(description);
      const alternates = [...text.matchAll(/<link rel="alternate" hreflang="(\w+)" href="([^"]+)"/g)];
      // An alternate names the page, and the page that it names.
      for (const [, , address = ""] of alternates) {
        const other = (await call(staticUrl + new URL(address).pathname)).text;
        expect(other).toContain(`hreflang="${language}" href="${siteOrigin}/${id}"`);
      }
      const hasTwin = !/^en\/(?!problems|get|merchant|portal|access)/.test(id);
      expect([id, alternates.length]).toEqual([id, hasTwin ? 2 : 0]);
    }
    expect(descriptions.size).toBe(pages.length);
    expect([...sitemap.matchAll(/<loc>[^<]+<\/loc>/g)].length).toBeGreaterThan(pages.length);
    expect((await call(`${staticUrl}/playground.png`)).status).toBe(200);
  });

  it("lets no page run a script of another, nor one that the build did not know", async () => {
    for (const origin of origins) {
      for (const wanted of ["/", ...templates]) {
        const { headers, text } = await browse(origin + wanted);
        const policy = headers.get("content-security-policy") ?? "";
        const [, scripts = ""] = /script-src ([^;]+);/.exec(policy) ?? [];
        expect(scripts).toMatch(/^'self' 'wasm-unsafe-eval'( 'sha256-[^' ]+')+$/);
        expect(policy).toMatch(/^default-src 'self';.*; form-action 'none'; frame-ancestors 'none'$/);
        expect(policy).not.toMatch(/http|\*/);
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        expect(text).not.toMatch(/<(?:script|link rel="stylesheet"|img)[^>]*(?:src|href)="(?:https?:)?\/\//);
      }
    }
  });

  it.each(Object.values(makeFailures(["body"])))(
    "explains $tag at the path of its type in each language, and quotes what the service says to each reader",
    async (failure) => {
      const source = await readFile(`docs/problems/${failure.tag}.md`, "utf8");
      for (const [prefix, language, heading, other] of [
        ["", "it", "Italiano", "What happened."],
        ["/en", "en", "English", "Che cosa è successo."],
      ] as const) {
        const type = problemTypeBase + failure.tag;
        const { text } = await call(service.baseUrl + prefix + new URL(type).pathname);
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
      const { text } = await call(`${staticUrl}/en/docs/operations/${id.toLowerCase()}`);
      for (const language of ["curl", "PHP", "Node.js", "Python", "C#"]) {
        expect(text).toMatch(new RegExp(`<option value="code-sample:[^>]*>${language}</option>`));
      }
      const [, samples = ""] = /class="sl-openapi-snippets([^]*?)<sl-openapi-snippets/.exec(text) ?? [];
      expect(textOf(samples)).toContain(`curl --request`);
      expect(samples).not.toContain("Idempotency-Key");
    }
    expect(operations.length).toBeGreaterThan(5);
  });

  it("gives the contract as it is published, and on the local host with this host as its server", async () => {
    const published = await readFile("openapi.yaml", "utf8");
    expect((await call(`${staticUrl}/openapi.yaml`)).text).toBe(published);
    const local = await call(`${service.baseUrl}/openapi.yaml`);
    expect(local.text).toBe(published.replace(siteOrigin, service.baseUrl));
    expect(local.headers.get("content-type")).toBe("application/yaml");
  });

  it("has no playground without a service, and starts there with the first steps", async () => {
    expect((await call(staticUrl)).text).toBe((await call(`${staticUrl}/primi-passi`)).text);
    expect((await call(`${staticUrl}/en`)).text).toBe((await call(`${staticUrl}/en/get-started`)).text);
    expect((await readdir(folder)).filter((name) => name === "playground")).toEqual([]);
    expect((await call(`${service.baseUrl}/primi-passi`)).text).toContain('<a href="/">Prova</a>');
  });

  it("has production's address and no key in its commands, and on the local host the address and keys there", async () => {
    const published = textOf((await call(`${staticUrl}/integrazione-operatori`)).text);
    expect(published).toContain(`export CGN_URL=${siteOrigin}\n`);
    expect(published).toContain("export CGN_API_KEY=cgn_test_demo-shop_…\n");
    expect(published).not.toMatch(/CGN_URL=http:/);
    expect(published).toMatch(/curl .*http:\/\/127\.0\.0\.1:7071\/api\/v1\/cgn\/otp/);
    const demoShop = {
      merchantId: "demo-shop",
      apiKey: "cgn_demo-shop_a",
      testApiKey: "cgn_test_demo-shop_b",
    };
    const host = makeHost(makeFunctions(service.config, service.store.forCall), undefined, {
      demoShop: () => demoShop,
    });
    const baseUrl = `http://127.0.0.1:${await listen(host, 0)}`;
    const local = textOf((await call(`${baseUrl}/integrazione-operatori`)).text);
    expect(local).toContain(`export CGN_URL=${baseUrl}\nexport CGN_API_KEY=cgn_test_demo-shop_b\n`);
    expect(local).toContain(`export CGN_URL=${baseUrl}\nexport CGN_API_KEY=cgn_demo-shop_a\n`);
    expect(local).not.toContain("7071");
    await close(host);
  });

  it("says to a browser that it is being built, while calls are answered, and opens the page then", async () => {
    let finish: (folder: string) => void = () => undefined;
    const built = new Promise<string>((resolve) => {
      finish = resolve;
    });
    const host = makeHost(makeFunctions(service.config, service.store.forCall), undefined, {
      site: makeSite(() => built),
    });
    const baseUrl = `http://127.0.0.1:${await listen(host, 0)}`;
    const waiting = await fetch(`${baseUrl}/primi-passi`, { headers: { Accept: "text/html" } });
    expect(waiting.status).toBe(503);
    const forProgram = call(`${baseUrl}/primi-passi`);
    expect((await call(`${baseUrl}/api/v1/info`)).status).toBe(200);
    const files = await readdir(path.join("build", "pages"));
    finish(path.join("build", "pages", files[0] ?? ""));
    const text = await waiting.text();
    expect(text).toContain("Le pagine sono in preparazione.");
    expect(text).toMatch(/<meta http-equiv="refresh" content="0">$/);
    expect((await forProgram).status).toBe(200);
    expect((await browse(`${baseUrl}/primi-passi`)).status).toBe(200);
    await close(host);
  });

  const executablePath = findChromium();
  if (executablePath === undefined) {
    console.warn(`${describeMissingChromium()}: the site is not tried in a browser`);
    it.skip(`works in a browser (${describeMissingChromium()})`, () => undefined);
    return;
  }

  describe("in a browser", () => {
    let browser: Browser;
    let page: Page;
    /** What the page loaded from elsewhere, and what it complained of. */
    let complaints: string[];
    const newPage = async (colorScheme: "light" | "dark", width: number): Promise<Page> => {
      complaints = [];
      const context = await browser.newContext({ viewport: { width, height: 740 }, colorScheme });
      await context.grantPermissions(["clipboard-read", "clipboard-write"]);
      const opened = await context.newPage();
      opened.on("pageerror", ({ message }) => complaints.push(message));
      opened.on("console", (message) => {
        if (!message.text().includes("status of 404")) {
          complaints.push(message.text());
        }
      });
      opened.on("request", (request) => {
        if (!origins.includes(new URL(request.url()).origin) && !request.url().startsWith("data:")) {
          complaints.push(request.url());
        }
      });
      return opened;
    };
    beforeAll(async () => {
      browser = await launchChromium(executablePath);
    });
    afterEach(async () => {
      await page.context().close();
      expect(complaints).toEqual([]);
    });
    afterAll(() => browser.close());

    const findViolations = async (): Promise<readonly string[]> => {
      const violations = decode(
        t.array(t.type({ id: t.string, nodes: t.array(t.type({ html: t.string })) })),
        await page.evaluate(
          `${axe.source};axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)`,
        ),
      );
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`);
    };

    const search = async (words: string): Promise<void> => {
      // The button is disabled until its script runs.
      await page.locator("button[data-open-modal]:enabled").waitFor();
      await page.keyboard.press("Control+k");
      await page.locator(".pagefind-ui__search-input").fill(words);
      await page.locator(".pagefind-ui__result").first().waitFor();
    };

    it.each([
      ["light", 1440],
      ["dark", 360],
    ] as const)(
      "fits, and is accessible, each template and the search: %s, %i pixels wide",
      async (scheme, width) => {
        page = await newPage(scheme, width);
        for (const template of templates) {
          await page.goto(service.baseUrl + template);
          expect(await page.locator("html").getAttribute("data-theme")).toBe(scheme);
          await page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })",
          );
          expect([template, await page.evaluate("document.documentElement.scrollWidth")]).toEqual([
            template,
            width,
          ]);
          expect([template, await findViolations()]).toEqual([template, []]);
        }
        await search("idempotency");
        expect(await findViolations()).toEqual([]);
      },
    );

    it("finds pages of the reader's language, by keyboard alone", async () => {
      page = await newPage("light", 1440);
      await page.goto(`${staticUrl}/primi-passi`);
      await search("codice scaduto");
      await page.getByText(/risultati per codice scaduto/).waitFor();
      const results = page.locator(".pagefind-ui__result-link");
      const addresses = await Promise.all((await results.all()).map((link) => link.getAttribute("href")));
      expect(addresses).toContain("/problems/otp-expired");
      expect(addresses.filter((address) => address?.startsWith("/en"))).toEqual([]);
      await results.first().focus();
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname !== "/primi-passi");
    });

    it("turns into the other language as a whole, and leads with the keyboard past the header to the text", async () => {
      page = await newPage("light", 1440);
      await page.goto(staticUrl);
      await page.getByRole("link", { name: "English" }).click();
      await page
        .getByRole("heading", { level: 1, name: "The discount in your shop, in ten minutes" })
        .waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      expect(new URL(page.url()).hash).toBe("#_top");
    });

    it("shows one programming language, chosen once for every page, by mouse, keyboard or link", async () => {
      page = await newPage("light", 1440);
      await page.goto(`${staticUrl}/integrazione-operatori#php`);
      const heading = (name: string): Promise<boolean> =>
        page
          .getByRole("tab", { name })
          .getAttribute("aria-selected")
          .then((value) => value === "true");
      expect(await heading("PHP")).toBe(true);
      await page.getByText("function useUp").first().waitFor();
      await page.getByRole("tab", { name: "PHP" }).press("ArrowRight");
      expect(await heading("Python")).toBe(true);
      expect(await page.getByText("function useUp").first().isVisible()).toBe(false);
      await page.goto(`${staticUrl}/en/merchant-integration`);
      expect(await heading("Python")).toBe(true);
      await page.goto(`${staticUrl}/en/docs/operations/validateotp`);
      await page.getByText("import requests").waitFor();
      await page.getByLabel("Select code sample").selectOption({ label: "PHP" });
      await page.goto(`${staticUrl}/primi-passi`);
      await page.goto(`${staticUrl}/en/merchant-integration`);
      expect(await heading("PHP")).toBe(true);
    });

    it("puts what the reader types into the samples, copies it, keeps it nowhere, and forgets it with the page", async () => {
      page = await newPage("light", 1440);
      await page.goto(`${staticUrl}/en/merchant-integration`);
      await page.getByLabel("Address of the service").fill("https://otp.example.org/");
      await page.getByLabel("Test API key").fill("<b>cgn_test_mine_1</b>");
      await page.getByLabel("API key", { exact: true }).fill("cgn_mine_2");
      const settings = "export CGN_URL=https://otp.example.org\nexport CGN_API_KEY=<b>cgn_test_mine_1</b>";
      await page
        .locator(".sample", { hasText: "cgn_test_mine_1" })
        .first()
        .getByRole("button", { name: "Copy" })
        .click();
      await page.getByText("Copied").first().waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toContain(settings);
      expect(await page.locator("main").innerText()).toContain("Ocp-Apim-Subscription-Key: cgn_mine_2\n");
      await page.getByLabel("API key", { exact: true }).fill(" ");
      expect(await page.locator("main").innerText()).toContain(
        "Ocp-Apim-Subscription-Key: cgn_demo-shop_…\n",
      );
      const kept = await page.evaluate(
        "JSON.stringify([document.cookie, localStorage, sessionStorage, location.href])",
      );
      expect(kept).not.toMatch(/mine|example\.org/);
      await page.reload();
      expect(await page.locator("main").innerText()).not.toContain("otp.example.org");
    });

    // 127.0.0.1 on another port is the same site; localhost is another site.
    it.each(["127.0.0.1", "localhost"])(
      "is closed to a form and a link at %s on another port",
      async (name) => {
        const apiKey = await service.newApiKey();
        const other = createServer((_, response) => {
          response.writeHead(200, { "content-type": "text/html" }).end(
            `<link rel="icon" href="data:,"><form method="post" action="${service.baseUrl}/api/v1/cgn/merchants/shop-1/api-keys/primary"><button>Win</button></form>
           <a href="${service.baseUrl}/primi-passi">Documentation</a>`,
          );
        });
        const port = await listen(other, 0);
        service.stopFirst(() => close(other));
        page = await browser.newPage();
        complaints = [];
        for (const choose of ["button", "a"]) {
          await page.goto(`http://${name}:${port}/`);
          await page.locator(choose).click();
          await page.getByText("paste it into the address bar").waitFor();
        }
        expect((await service.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
        // Type the address that was refused as a link.
        expect((await page.goto(`${service.baseUrl}/primi-passi`))?.status()).toBe(200);
      },
    );
  });
});
