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
import { decodeTranslations, textsOf } from "../../site/contract";
import { problemTypeBase, toProblem } from "../../shared/http/problem";
import { call } from "../../tools/support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { crawl } from "../support/crawl";
import { describedAnswers, makeFailures, operations } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startService, type Service } from "../../tools/support/service";

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

  it.each(Object.values(makeFailures(["body"])))(
    "explain $tag at the path of its type in each language, and quote what the service says to each reader",
    async (failure) => {
      const type = problemTypeBase + failure.tag;
      const source = await readFile(`docs/problems/${failure.tag}.md`, "utf8");
      for (const [prefix, language, heading, other] of [
        ["", "it", "Italiano", "What happened."],
        ["/en", "en", "English", "Che cosa è successo."],
      ] as const) {
        const page = await call(service.baseUrl + prefix + new URL(type).pathname);
        expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
        expect(page.text).toContain(`<html lang="${language}">`);
        expect(page.text).toContain(`<code>${type}</code>`);
        expect(page.text).not.toContain(other);
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

  it.each(["/problems/", "/problems/unheard-of", "/problems/..%2f..%2fREADME", "/en/primi-passi"])(
    "do not exist at %s",
    async (path) => {
      expect((await call(service.baseUrl + path)).status).toBe(404);
    },
  );

  it("have no broken links, and lead from the playground to every other page", async () => {
    const { visited, broken } = await crawl([new URL(service.baseUrl)]);
    expect(broken).toEqual([]);
    const english = problems.map((name) => `/en/problems/${name}`);
    const wanted = [...paths, ...problems.map((name) => `/problems/${name}`), ...english];
    expect(wanted.filter((path) => !visited.has(path))).toEqual([]);
  });

  it("let nothing in but their own files, and turn as a whole into the other language", async () => {
    for (const pair of [["/", "/"], ...twins, ["/decisions/0001-single-use", "/decisions/0001-single-use"]]) {
      for (const path of pair) {
        const page = await call(service.baseUrl + path);
        const policy = page.headers.get("content-security-policy") ?? "";
        expect(policy).toMatch(/^default-src 'self';/);
        expect(policy).not.toMatch(/unsafe|script-src|style-src|http|\*/);
        expect(policy).toMatch(/; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
        expect(page.text).not.toMatch(
          /<style|\sstyle=|\son\w+=|<script(?! type="module" src="\/playground\/)/,
        );
        if (pair[0] !== pair[1]) {
          expect(page.text).toContain(`<a href="${pair[0]}" lang="it" hreflang="it"`);
          expect(page.text).toContain(`<a href="${pair[1]}" lang="en" hreflang="en"`);
          expect(page.text).toContain(`<html lang="${path === pair[0] ? "it" : "en"}">`);
          expect(page.text).toMatch(/<title>\S.* – /);
        }
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
  });

  it("have the keys of the demo shop in their commands, once it has some", async () => {
    const demoShop = {
      merchantId: "demo-shop",
      apiKey: "cgn_demo-shop_a",
      testApiKey: "cgn_test_demo-shop_b",
    };
    const host = makeHost(makeFunctions(service.config, service.store.forCall), undefined, {
      demoShop: () => demoShop,
    });
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
    let page: Page;
    /** What the page loaded from elsewhere, and what it complained of. */
    let complaints: string[];
    beforeAll(async () => {
      browser = await launchChromium(executablePath);
    });
    beforeEach(async () => {
      complaints = [];
      const context = await browser.newContext({ viewport: { width: 360, height: 740 } });
      await context.grantPermissions(["clipboard-read", "clipboard-write"]);
      page = await context.newPage();
      page.on("pageerror", ({ message }) => complaints.push(message));
      page.on("console", (message) => complaints.push(message.text()));
      page.on("request", (request) => {
        if (!request.url().startsWith(service.baseUrl) && !request.url().startsWith("data:")) {
          complaints.push(request.url());
        }
      });
    });
    afterEach(() => page.context().close());
    afterAll(() => browser.close());

    const open = (path: string): Promise<unknown> => page.goto(service.baseUrl + path);

    /** The page's own policy forbids Playwright's `waitForFunction`. */
    const until = async (expression: string): Promise<void> => {
      const end = Date.now() + 10_000;
      while ((await page.evaluate(expression)) !== true) {
        if (Date.now() > end) {
          throw new Error(`never: ${expression}`);
        }
        await sleep(50);
      }
    };

    it("load nothing from another host, report no error, and fit a phone and a desk", async () => {
      for (const path of paths) {
        await open(path);
        for (const width of [360, 1440]) {
          await page.setViewportSize({ width, height: 900 });
          expect([path, await page.evaluate("document.documentElement.scrollWidth")]).toEqual([path, width]);
        }
      }
      expect(complaints).toEqual([]);
    });

    it.each(["/integrazione-operatori", "/en/docs", "/problems/otp-expired", "/decisions/0001-single-use"])(
      "are accessible, with what is closed in them: %s",
      async (path) => {
        await open(path);
        await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })");
        const violations = decode(
          t.array(t.type({ id: t.string, nodes: t.array(t.type({ html: t.string })) })),
          await page.evaluate(
            `${axe.source};axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)`,
          ),
        );
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`)).toEqual([]);
      },
    );

    it("lead with the keyboard past the header to the text, and by a closed list of contents to its parts", async () => {
      await open("/integrazione-operatori");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await until("document.activeElement?.id === 'content'");
      const link = page.locator(".contents").getByRole("link", { name: "PHP", exact: true });
      expect(await link.isVisible()).toBe(false);
      await page.locator(".contents summary").press("Enter");
      await link.press("Enter");
      await until("location.hash === '#php'");
      await until(
        "(({ top }) => top >= 0 && top < 100)(document.getElementById('php').getBoundingClientRect())",
      );
      await page
        .locator(".contents a[aria-current]")
        .getByText("PHP", { exact: true })
        .waitFor({ state: "attached" });
      expect(await link.isVisible()).toBe(false);
    });

    it("put what the reader types into the samples, copy it, keep it nowhere, and forget it with the page", async () => {
      await open("/merchant-integration");
      await page.locator(".sample button:visible").first().waitFor();
      await page.getByLabel("Address of the service").fill("https://otp.example.org/");
      await page.getByLabel("Test API key").fill("<b>cgn_test_mine_1</b>");
      await page.getByLabel("API key", { exact: true }).fill("cgn_mine_2");
      const text = await page.locator("main").innerText();
      const settings = "export CGN_URL=https://otp.example.org\nexport CGN_API_KEY=<b>cgn_test_mine_1</b>\n";
      expect(text).toContain(settings);
      expect(text).toContain("Ocp-Apim-Subscription-Key: cgn_mine_2\n");
      await page.locator(".sample", { hasText: "cgn_test_mine_1" }).first().getByRole("button").click();
      await page.getByText("Copied").first().waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toContain(settings);
      await page.getByLabel("API key", { exact: true }).fill(" ");
      expect(await page.locator("main").innerText()).toContain(
        "Ocp-Apim-Subscription-Key: cgn_demo-shop_…\n",
      );
      expect(
        await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length, location.href]"),
      ).toEqual(["", 0, 0, `${service.baseUrl}/merchant-integration`]);
      await page.reload();
      expect(await page.locator("main").innerText()).not.toContain("otp.example.org");
    });

    // 127.0.0.1 on another port is the same site; localhost is another site.
    it.each(["127.0.0.1", "localhost"])(
      "are closed to a form and a link at %s on another port",
      async (name) => {
        const apiKey = await service.newApiKey();
        const other = createServer((_, response) => {
          response.writeHead(200, { "content-type": "text/html" }).end(
            `<form method="post" action="${service.baseUrl}/api/v1/cgn/merchants/shop-1/api-keys/primary"><button>Win</button></form>
           <a href="${service.baseUrl}/docs">Documentation</a>`,
          );
        });
        const port = await listen(other, 0);
        service.stopFirst(() => close(other));
        for (const choose of ["button", "a"]) {
          await page.goto(`http://${name}:${port}/`);
          await page.locator(choose).click();
          await page.getByText("paste it into the address bar").waitFor();
        }
        expect((await service.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
        // Type the address that was refused as a link.
        expect((await page.goto(`${service.baseUrl}/docs`))?.status()).toBe(200);
      },
    );
  });
});
