/** The playground in a real browser, over the real service. What follows from its state alone is tested beside that. */
import * as t from "io-ts";
import type { BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { makeFunctions } from "../../functions";
import { makeHost } from "../../local/host";
import { makeSite } from "../../local/site";
import { buildSite } from "../../local/site-build";
import { close, listen } from "../../local/server";
import { fill, makeLocale } from "../../playground/page/texts";
import { makePlaygroundStore } from "../../playground/playground-store";
import { call } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import { startService } from "../../tools/support/service";
import { describeInBrowser, findFaults } from "../support/in-browser";

/** The local host with the playground, in this process, over a store of its own that is empty. */
const startHost = async (): Promise<{
  readonly baseUrl: string;
  readonly stop: () => Promise<void>;
}> => {
  const service = await startService();
  // The page counts down by the browser's clock.
  service.clock.advance((Date.now() - service.clock().getTime()) / 1000);
  const functions = makeFunctions(service.config, service.store.forCall, service.clock);
  const server = makeHost([...functions, makePlaygroundStore("own")], undefined, { site: makeSite() });
  const baseUrl = `http://127.0.0.1:${await listen(server, 0)}`;
  // A browser would be shown that the site is being built.
  await call(`${baseUrl}/`);
  return {
    baseUrl,
    stop: async () => {
      await close(server);
      await service.stop();
    },
  };
};

describeInBrowser("the playground in a browser", (browser) => {
  let host: Awaited<ReturnType<typeof startHost>>;
  let context: BrowserContext;
  let page: Page;
  /** Errors, what the console has, and requests to anybody else. A test must expect each of them. */
  let complaints: string[];
  /** The calls that use a code. */
  let uses: (readonly [body: unknown, idempotencyKey: string | undefined])[];

  const open = async (path = "/", options: BrowserContextOptions = {}): Promise<void> => {
    context = await browser().newContext({
      reducedMotion: "reduce",
      permissions: ["clipboard-read", "clipboard-write"],
      ...options,
    });
    page = await context.newPage();
    page.on("dialog", (dialog) => void dialog.accept());
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => {
      // Chromium logs each answer with a status of 400 or more. Refusals by the API are part of the story.
      if (!/the server responded with a status of 4\d\d /.test(message.text())) {
        complaints.push(message.text());
      }
    });
    page.on("request", (request) => {
      const { origin } = new URL(request.url());
      const body = decode(t.UnknownRecord, request.postDataJSON() ?? {});
      if (origin !== host.baseUrl) {
        complaints.push(origin);
      }
      if (body["invalidate_otp"] === true) {
        uses.push([body, request.headers()["idempotency-key"]]);
      }
    });
    await page.goto(host.baseUrl + path);
  };

  // Unless it is built already.
  beforeAll(() => buildSite(), 300_000);
  beforeEach(async () => {
    complaints = [];
    uses = [];
    host = await startHost();
  });
  afterEach(async () => {
    await context.close();
    await host.stop();
    expect(complaints).toEqual([]);
  });

  const button = (name: string): Locator => page.getByRole("button", { name, exact: true });
  const said = (text: string): Locator => page.getByRole("status").getByText(text).first();
  const codeField = (): Locator => page.locator("#code-field");
  const press = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) {
      await button(name).click();
    }
  };
  /** The shop has a key. */
  const isReady = (): Promise<void> => page.locator("#primary-value").getByText("••••").waitFor();

  it("plays the whole story, with both keys", async () => {
    const { texts, formatPrice } = makeLocale("en");
    const reduction = (): Promise<void> => page.locator(".reduction").getByText(formatPrice(-605)).waitFor();
    await open("/en");
    await press(texts.generate, texts.copy);
    await button(texts.copied).waitFor();
    await codeField().focus();
    await page.keyboard.press("ControlOrMeta+V");
    await press(texts.apply);
    await reduction();
    const code = await codeField().inputValue();
    await press(fill(texts.pay, { price: formatPrice(3425) }));
    await said(fill(texts.paid, { price: formatPrice(3425) })).waitFor();
    await press(texts.newCart);
    await codeField().fill(` ${code.toLowerCase()}`);
    await press(texts.apply);
    await page.locator("#code-field[aria-invalid=true]").waitFor();
    await said(texts.codeOver.used).waitFor();

    await press("Generate Secondary key", "Give it to the shop Secondary key", "Revoke Primary key");
    await page.locator("#primary-value").getByText(texts.noKey).waitFor();
    await press(texts.generate, texts.take, texts.apply);
    await reduction();
    expect(uses).toEqual([[{ otp_code: code, invalidate_otp: true }, expect.stringMatching(/^cart-/)]]);
  });

  it("keeps the cart and its Idempotency-Key of a lost answer over a reload, another page and Back", async () => {
    const { texts } = makeLocale("it");
    await open();
    await press(texts.generate, texts.take, texts.apply);
    await page.getByRole("switch", { name: texts.loseAnswer }).press("Space");
    await page.locator("#pay").click();
    await said(texts.answerLost).waitFor();
    const kept = async (): Promise<readonly string[]> => [
      await codeField().inputValue(),
      await page.locator("#idempotency-key").innerText(),
    ];
    const before = await kept();
    await page.reload();
    await said(texts.answerLost).waitFor();
    await page.getByRole("link", { name: "English" }).click();
    await said(makeLocale("en").texts.answerLost).waitFor();
    await page.goBack();
    await said(texts.answerLost).waitFor();
    expect(await kept()).toEqual(before);
    await isReady();
    await press(texts.retry);
    await said(texts.paidOnRetry).waitFor();
    expect(uses).toHaveLength(2);
    expect(uses[0]).toEqual(uses[1]);
    // The way forward leads to the cart as it is now.
    await page.goForward();
    await said(makeLocale("en").texts.paidOnRetry).waitFor();
  });

  /** What the page shows at this moment is accessible in both schemes, and fits on a phone. */
  const expectSound = async (): Promise<void> => {
    expect(await findFaults(page, "light", 1440)).toEqual([]);
    expect(await findFaults(page, "dark", 360)).toEqual([]);
  };

  it("breaks no accessibility rule in any state, light or dark, and never scrolls sideways", async () => {
    const { texts } = makeLocale("it");
    await open();
    await isReady();
    await expectSound();
    await press(texts.generate, texts.take, texts.apply);
    await page.getByRole("switch", { name: texts.loseAnswer }).press("Space");
    await press("Rigenera Chiave primaria");
    await said(texts.shownOnce).waitFor();
    await expectSound();
    await press("Dalla al negozio Chiave primaria");
    await page.locator("#pay").click();
    await said(texts.answerLost).waitFor();
    await expectSound();
    await press(texts.retry, "Genera Chiave di prova", "Dalla al negozio Chiave di prova");
    await codeField().fill("TESTEXPIRED");
    await press(texts.apply);
    await page.locator("#code-field[aria-invalid=true]").waitFor();
    await expectSound();
  });

  it("tells a visitor without JavaScript what is missing, and shows nothing else", async () => {
    await open("/", { javaScriptEnabled: false });
    expect(await page.locator("#playground").innerText()).toMatch(/^Questa pagina funziona con JavaScript\./);
    expect(await page.locator("#playground :is(section, button, input)").count()).toBe(0);
    await page.goto(`${host.baseUrl}/en`);
    await page.getByRole("link", { name: "first steps", exact: true }).click();
    expect(new URL(page.url()).pathname).toBe("/en/get-started");
  });

  it("can be used with the keyboard alone, shows the focus then, and no ring after a click", async () => {
    const { texts } = makeLocale("it");
    const focused = (target: Locator): Promise<void> => target.and(page.locator(":focus")).waitFor();
    const ring = "getComputedStyle(document.activeElement).outlineStyle";
    const tabTo = async (target: Locator): Promise<void> => {
      do {
        await page.keyboard.press("Tab");
        expect(await page.evaluate(ring)).not.toBe("none");
      } while ((await target.and(page.locator(":focus")).count()) === 0);
    };
    await open();
    await press(texts.generate);
    await page.locator("#code").waitFor();
    expect(await page.evaluate(ring)).toBe("none");
    await tabTo(button(texts.take));
    await page.keyboard.press("Enter");
    // Each time, the next thing to press has the focus already.
    await focused(button(texts.apply));
    await page.keyboard.press("Enter");
    const loseAnswer = page.getByRole("switch", { name: texts.loseAnswer });
    await loseAnswer.waitFor();
    await tabTo(loseAnswer);
    await page.keyboard.press("Space");
    await tabTo(page.locator("#pay"));
    await page.keyboard.press("Enter");
    await button(texts.retry).waitFor();
    await page.keyboard.press("Enter");
    await button(texts.newCart).waitFor();
    await page.keyboard.press("Enter");
    await focused(codeField());
    await tabTo(button("Revoca Chiave primaria"));
    await page.keyboard.press("Enter");
    await focused(button("Genera Chiave primaria"));
    await tabTo(page.locator("summary", { hasText: texts.purposes.revoke }));
  });

  it("goes on when the service recovers, keeps nothing if the browser cannot, and shows markup as text", async () => {
    const { texts } = makeLocale("it");
    const markup = `<img src="x" onerror="console.error('run')">`;
    const body = JSON.stringify({ type: "x", title: markup, status: 503, detail: markup });
    await open("/icon.svg");
    await page.addInitScript(
      `for (const name of ["localStorage", "sessionStorage"])
         Object.defineProperty(window, name, { get() { return undefined; } });`,
    );
    await page.goto(host.baseUrl);
    await isReady();
    await page.route("**/otp", (route) => route.fulfill({ status: 503, body }), { times: 1 });
    await press(texts.generate);
    await said(markup).waitFor();
    await page.route("**/otp", (route) => route.abort(), { times: 1 });
    await press(texts.generate);
    await said(texts.noAnswer).waitFor();
    await press(texts.generate);
    await said(texts.codeReady).waitFor();
    expect(complaints.splice(0)).toEqual([
      expect.stringContaining("503"),
      expect.stringContaining("net::ERR_FAILED"),
    ]);
  });
});
