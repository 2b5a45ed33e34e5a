import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import axe from "axe-core";
import * as t from "io-ts";
import type { Browser, Page } from "playwright-core";
import { parse } from "yaml";
import { makeFunctions } from "../../functions";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { chaptersOf, decodeTranslations, textsOf } from "../../site/contract";
import { escapeHtml } from "../../site/layout";
import { problemTypeBase, toProblem } from "../../shared/http/problem";
import { call } from "../../tools/support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { crawl } from "../support/crawl";
import { describedAnswers, makeFailures, nameOf, operations } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startService } from "../../tools/support/service";
import type { Service } from "../../tools/support/service";

const problems = [...new Set(describedAnswers.flatMap((answer) => answer.problems))];

/** The pages of each kind, in Italian and in English. */
const twins = [
  ["/primi-passi", "/get-started"],
  ["/integrazione-operatori", "/merchant-integration"],
  ["/docs", "/en/docs"],
  ["/integrazione-portale", "/portal-integration"],
  ["/problems/otp-expired", "/en/problems/otp-expired"],
] as const;
const paths = twins.flat();

describe("the pages of the local host", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it.each(problems)("explain %s at the path of its type, and in English beside it", async (name) => {
    const path = new URL(problemTypeBase + name).pathname;
    for (const [address, language, own, other] of [
      [path, "it", "Che cosa è successo.", "What happened."],
      [`/en${path}`, "en", "What happened.", "Che cosa è successo."],
    ] as const) {
      const page = await call(service.baseUrl + address);
      expect([address, page.status]).toEqual([address, 200]);
      expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(page.text).toContain(`<html lang="${language}">`);
      expect(page.text).toContain(own);
      expect(page.text).not.toContain(other);
      expect(page.text).toContain(`<code>${problemTypeBase + name}</code>`);
    }
  });

  it.each(
    Object.values(makeFailures(["body"])).flatMap((failure) =>
      (["it", "en"] as const).flatMap((language) =>
        (["customer", "developer"] as const).map(
          (audience) => [failure.tag, language, audience, failure] as const,
        ),
      ),
    ),
  )("quote %s in %s as the service says it to a %s", async (name, language, audience, failure) => {
    const { title, detail } = decode(
      t.type({ title: t.string, detail: t.string }),
      JSON.parse(toProblem(failure, { audience, acceptLanguage: language, invocationId: "" }).body),
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
    "/en",
    "/en/primi-passi",
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

  it("have no broken links, and lead from the playground to every other page", async () => {
    const { visited, broken } = await crawl([new URL(service.baseUrl)]);
    expect(broken).toEqual([]);
    const english = problems.map((name) => `/en/problems/${name}`);
    const wanted = [...paths, ...problems.map((name) => `/problems/${name}`), ...english];
    expect(wanted.filter((path) => !visited.has(path))).toEqual([]);
  });

  it.each([
    ["/integrazione-operatori", "it", "Integrare il tuo negozio con Carta Giovani Nazionale"],
    ["/merchant-integration", "en", "Connect your shop to Carta Giovani Nazionale"],
    ["/docs", "it", "Riferimento API"],
    ["/problems/otp-expired", "it", "otp-expired (404)"],
    ["/en/problems/otp-expired", "en", "otp-expired (404)"],
    ["/decisions/0001-single-use", "en", "Single use"],
  ])("state their language and their title at %s", async (path, language, title) => {
    const { text } = await call(service.baseUrl + path);
    expect(text).toContain(`<html lang="${language}">`);
    expect(text).toContain(`<title>${title} – `);
    expect(text).not.toContain("[ ]");
  });

  it.each(["/", ...paths, "/decisions/0001-single-use"])(
    "let nothing in but their own files at %s",
    async (path) => {
      const page = await call(service.baseUrl + path);
      const policy = page.headers.get("content-security-policy") ?? "";
      expect(policy).toMatch(/^default-src 'self';/);
      expect(policy).not.toMatch(/unsafe|script-src|style-src|http|\*/);
      expect(policy).toMatch(/; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
      expect(page.text).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?! type="module" src="\/playground\/)/);
    },
  );

  it("turn each page as a whole into the other language", async () => {
    for (const pair of twins) {
      const [italian, english] = await Promise.all(pair.map((path) => call(service.baseUrl + path)));
      for (const page of [italian, english]) {
        expect(page?.text).toContain(`<a href="${pair[0]}" lang="it" hreflang="it"`);
        expect(page?.text).toContain(`<a href="${pair[1]}" lang="en" hreflang="en"`);
      }
    }
  });

  const document: Promise<unknown> = readFile("openapi.yaml", "utf8").then(parse);

  it("give the contract, with this host as its server, and change nothing else", async () => {
    const shown = await call(`${service.baseUrl}/docs/openapi.json`);
    const published = decode(t.UnknownRecord, await document);
    expect(JSON.parse(shown.text)).toEqual({
      ...published,
      servers: [{ url: `${service.baseUrl}/api/v1`, description: "The local host." }],
    });
  });

  it.each(["/docs", "/en/docs"])(
    "have a command for each call of the contract, and for no other: %s",
    async (path) => {
      const text = (await call(`${service.baseUrl}${path}`)).text.replaceAll(/<[^>]+>/g, "");
      const commands = [
        ...text.matchAll(/curl -sS(?: -X (\w+))? https?:\/\/[^/\s]+(\S+)([^]*?)(?=\n(?! {2}-)|$)/g),
      ];
      const called = commands.map(([, method, pathname = "", rest = ""]) => {
        const verb = method ?? (rest.includes("-d '") ? "POST" : "GET");
        return operations.find((each) => each.method === verb && each.pattern.test(pathname))?.id ?? pathname;
      });
      expect([...new Set(called)].sort()).toEqual(operations.map(({ id }) => id).sort());
    },
  );

  it("have each text of the contract in Italian, and no other", async () => {
    const translated = decodeTranslations(parse(await readFile("site/openapi.it.yaml", "utf8")));
    const texts = textsOf(await document);
    expect(texts.size).toBeGreaterThan(50);
    expect({
      missing: [...texts].filter((text) => !translated.has(text)),
      noLongerNeeded: [...translated.keys()].filter((text) => !texts.has(text)),
    }).toEqual({ missing: [], noLongerNeeded: [] });
    expect([...translated].filter(([en, it]) => en === it)).toEqual([]);
    // The chapters that the document has in both languages are there, under these headings.
    expect(chaptersOf(await document).map(({ language }) => language)).toEqual(
      expect.arrayContaining(["it", "en", "none"]),
    );
  });

  it.each([
    ["/docs", ["Negozi", "App del titolare", "Portale", "Servizio"], "Per chi sviluppa un negozio"],
    ["/en/docs", ["Merchants", "Card holder's app", "Portal", "Service"], "For the developer of a shop"],
  ])(
    "show at %s the merchant's call first, then those of the others under headings of their own",
    async (path, headings, chapter) => {
      const { text } = await call(service.baseUrl + path);
      const shown = [...text.matchAll(/<h2 [^>]*>(.*?)<\/h2>/g)].map(([, heading]) => heading);
      expect(shown.slice(0, 4)).toEqual(headings.map(escapeHtml));
      expect(
        shown.filter((heading) => /developer of a shop|sviluppa un negozio/.test(heading ?? "")),
      ).toEqual([chapter]);
      const calls = [...text.matchAll(/<h3 id="(\w+)"/g)].map(([, id]) => id);
      expect(calls[0]).toBe("ValidateOtp");
      const { paths: described } = decode(
        t.type({ paths: t.record(t.string, t.record(t.string, t.type({ operationId: t.string }))) }),
        await document,
      );
      const ids = Object.values(described).flatMap((methods) =>
        Object.values(methods).map(({ operationId }) => operationId),
      );
      expect(calls.toSorted()).toEqual(ids.toSorted());
    },
  );

  it("show the guide's programs on top of the call that they make", async () => {
    const { text } = await call(`${service.baseUrl}/docs`);
    const guide = await readFile("docs/merchant-integration.md", "utf8");
    const [call1 = ""] = text.split("<h3 ").slice(1);
    const [samples = ""] = call1.split("<h4>Autenticazione</h4>");
    for (const language of ["php", "js", "python", "sh"]) {
      const [, program = ""] = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "m").exec(guide) ?? [];
      expect(program).not.toBe("");
      expect(samples).toContain(escapeHtml(program));
    }
  });

  it("explain each problem and contain each guide at the paths in the contract", async () => {
    const text = await readFile("openapi.yaml", "utf8");
    const links = new Set([...text.matchAll(/\]\((\/[^)]*)\)/g)].map(([, link = ""]) => link));
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
    const linked = [...text.matchAll(/const: (https:\S+)\n[^]*?\n +url: (\S+)\n/g)];
    expect([...new Set(linked.map(([, type = ""]) => nameOf(type)))].sort()).toEqual([...problems].sort());
    expect(linked.map(([, , url]) => url)).toEqual(linked.map(([, type = ""]) => new URL(type).pathname));
  });

  it.each(paths)("name their own port at %s, and not the usual one", async (path) => {
    const { text } = await call(service.baseUrl + path);
    expect(text).not.toContain("7071");
    if (!path.includes("problems")) {
      expect(text).toContain(`<span data-value="url">${service.baseUrl}</span>`);
    }
  });

  it("have the keys of the demo shop in their commands, once it has some", async () => {
    const demoShop = {
      merchantId: "demo-shop",
      apiKey: "cgn_demo-shop_a",
      testApiKey: "cgn_test_demo-shop_b",
    };
    const host = makeHost(makeFunctions(service.config, service.store.forCall), undefined, () => demoShop);
    const baseUrl = `http://127.0.0.1:${await listen(host, 0)}`;
    const { text } = await call(`${baseUrl}/integrazione-operatori`);
    const shown = text.replaceAll(/<[^>]+>/g, "");
    expect(shown).toContain(`export CGN_URL=${baseUrl}\nexport CGN_API_KEY=cgn_test_demo-shop_b\n`);
    expect(shown).toContain(`export CGN_URL=${baseUrl}\nexport CGN_API_KEY=cgn_demo-shop_a\n`);
    await close(host);
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

    const desktop = { width: 1440, height: 900 };
    const phone = { width: 360, height: 740 };

    const open = async (path: string, viewport = desktop): Promise<Page> => {
      const page = await browser.newPage({ viewport });
      await page.goto(service.baseUrl + path, { waitUntil: "networkidle" });
      return page;
    };

    /** The page's own policy forbids Playwright's `waitForFunction`. */
    const until = async (page: Page, expression: string): Promise<void> => {
      const end = Date.now() + 10_000;
      while ((await page.evaluate(expression)) !== true) {
        if (Date.now() > end) {
          throw new Error(`never: ${expression}`);
        }
        await sleep(50);
      }
    };

    it.each(paths)(
      "load nothing from another host at %s, report no error, fit, and are accessible",
      async (path) => {
        for (const viewport of [desktop, phone]) {
          const page = await browser.newPage({ viewport });
          const elsewhere: string[] = [];
          const errors: string[] = [];
          page.on("request", (request) => {
            if (!request.url().startsWith(service.baseUrl) && !request.url().startsWith("data:")) {
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
          expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(viewport.width);
          // What is closed is looked at too.
          await page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })",
          );
          const violations = decode(
            t.array(t.type({ id: t.string, nodes: t.array(t.type({ html: t.string })) })),
            await page.evaluate(`${axe.source};axe.run().then(({ violations }) => violations)`),
          );
          expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`)).toEqual([]);
          await page.close();
        }
      },
    );

    it("have a list of contents beside the text, or closed above it where there is no room", async () => {
      const wide = await open("/integrazione-operatori");
      const entry = wide
        .getByRole("navigation", { name: "In questa pagina" })
        .getByRole("link", { name: "PHP", exact: true });
      await entry.click();
      await until(wide, "location.hash === '#php'");
      await wide.locator(".contents a[aria-current]").getByText("PHP", { exact: true }).waitFor();
      await wide.close();

      const narrow = await open("/integrazione-operatori", phone);
      const summary = narrow.locator(".contents summary");
      const link = narrow.locator(".contents").getByRole("link", { name: "PHP", exact: true });
      expect(await link.isVisible()).toBe(false);
      await summary.focus();
      await narrow.keyboard.press("Enter");
      await link.focus();
      await narrow.keyboard.press("Enter");
      await until(narrow, "location.hash === '#php'");
      expect(await link.isVisible()).toBe(false);
      await until(
        narrow,
        "(({ top }) => top >= 0 && top < 100)(document.getElementById('php').getBoundingClientRect())",
      );
      await narrow.close();
    });

    it("lead with the keyboard past the header to the text", async () => {
      const page = await open("/docs");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await until(page, "document.activeElement?.id === 'content'");
      await page.close();
    });

    it("put what the reader types into the samples, keep it nowhere, and forget it with the page", async () => {
      const page = await open("/integrazione-operatori");
      const samples = page.locator("main");
      await page.getByLabel("Indirizzo del servizio").fill("https://otp.example.org/");
      await page.getByLabel("Chiave API di prova").fill("<b>cgn_test_mine_1</b>");
      await page.getByLabel("Chiave API", { exact: true }).fill("cgn_mine_2");
      const text = await samples.innerText();
      expect(text).toContain(
        "export CGN_URL=https://otp.example.org\nexport CGN_API_KEY=<b>cgn_test_mine_1</b>\n",
      );
      expect(text).toContain("export CGN_API_KEY=cgn_mine_2\n");
      expect(text).toContain("Ocp-Apim-Subscription-Key: cgn_mine_2\n");
      await page.getByLabel("Chiave API", { exact: true }).fill(" ");
      expect(await samples.innerText()).toContain("export CGN_API_KEY=cgn_demo-shop_…\n");
      expect(
        await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length, location.href]"),
      ).toEqual(["", 0, 0, `${service.baseUrl}/integrazione-operatori`]);
      await page.reload({ waitUntil: "networkidle" });
      expect(await page.locator("main").innerText()).not.toContain("otp.example.org");
      await page.close();
    });

    it("copy a sample as the reader sees it, a closed program too", async () => {
      const context = await browser.newContext();
      await context.grantPermissions(["clipboard-read", "clipboard-write"]);
      const page = await context.newPage();
      await page.goto(`${service.baseUrl}/get-started`, { waitUntil: "networkidle" });
      await page.getByLabel("Test API key").fill("cgn_test_mine_1");
      await page.getByRole("button", { name: "Copy" }).first().click();
      await page.getByRole("status").getByText("Copied").waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toContain(
        `export CGN_URL=${service.baseUrl}\nexport CGN_API_KEY=cgn_test_mine_1\n`,
      );
      await page.goto(`${service.baseUrl}/merchant-integration`, { waitUntil: "networkidle" });
      await page.locator("#php + .sample button").click();
      await page.getByRole("status").getByText("Copied").waitFor();
      const [, program] =
        /^```php\n([^]*?)^```$/m.exec(await readFile("docs/merchant-integration.md", "utf8")) ?? [];
      expect(await page.evaluate("navigator.clipboard.readText()")).toBe(program);
      await context.close();
    });

    it("print the text and what is closed in it, and leave out what leads elsewhere", async () => {
      const page = await open("/docs");
      await page.emulateMedia({ media: "print" });
      for (const hidden of [".places", ".contents", ".yours", ".sample button", "body > footer"]) {
        expect([hidden, await page.locator(hidden).first().isVisible()]).toEqual([hidden, false]);
      }
      const closed = page.locator("details.more:not([open])").first();
      expect(await closed.locator("pre").first().isVisible()).toBe(true);
      await page.close();
    });

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
