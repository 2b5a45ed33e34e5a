import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import axe from "axe-core";
import * as t from "io-ts";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { makeLocale } from "../../playground/page/messages";
import type { Messages } from "../../playground/page/messages";
import type { TestCode } from "../../shared/domain/test-codes";
import { ApiKeyBody, ApiKeysBody, OtpBody } from "../../shared/http/bodies";
import { call, fiscalCode } from "../../tools/support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { decode } from "../../tools/support/either";
import { startHostProcess } from "../../tools/support/processes";
import type { HostProcess } from "../../tools/support/processes";
import { readItems, startService } from "../../tools/support/service";
import type { Service } from "../../tools/support/service";

const executablePath = findChromium();
if (executablePath === undefined) {
  console.warn(`${describeMissingChromium()}: the playground is not tried in a browser`);
}

const languages = ["it", "en"] as const;

/** The texts that the story reads and presses, in both languages. */
const words = {
  it: {
    generate: "Genera codice",
    copy: "Copia",
    field: "Codice sconto",
    apply: "Applica",
    reduction: /^15% sui libri-6,05\s€$/,
    pay: /^Paga 34,25\s€$/,
    paid: /Ordine confermato: hai pagato 34,25\s€\./,
    newCart: "Nuovo carrello",
    used: "Il codice sconto è già stato usato",
  },
  en: {
    generate: "Generate code",
    copy: "Copy",
    field: "Discount code",
    apply: "Apply",
    reduction: /^15% off books-€6\.05$/,
    pay: /^Pay €34\.25$/,
    paid: /Order confirmed: you paid €34\.25\./,
    newCart: "New cart",
    used: "The discount code has already been used",
  },
} as const;

describe("the playground's files", () => {
  it("come only from the host, each with the right type", async () => {
    const service = await startService();
    const page = await call(`${service.baseUrl}/`);
    const addresses = [...page.text.matchAll(/<(?:link|script|use)\b[^>]*?(?:src|href)="([^"#]+)/g)].flatMap(
      ([, address = ""]) => address,
    );
    const style = await call(`${service.baseUrl}/playground/site.css`);
    const fonts = [...style.text.matchAll(/url\("\.\/([^"]+)"\)/g)].flatMap(
      ([, name = ""]) => `/playground/${name}`,
    );
    expect(fonts).toHaveLength(4);
    expect(style.text).not.toMatch(/url\(["']?(?:https?:|\/\/)/);
    const types = new Map<string, string | null>();
    for (const address of [...addresses, ...fonts]) {
      expect(address).toMatch(/^\/playground\//);
      const file = await call(service.baseUrl + address);
      expect([address, file.status]).toEqual([address, 200]);
      expect(file.headers.get("x-content-type-options")).toBe("nosniff");
      types.set(address.split(".").pop() ?? "", file.headers.get("content-type"));
    }
    expect(Object.fromEntries(types)).toEqual({
      js: "text/javascript; charset=utf-8",
      css: "text/css; charset=utf-8",
      svg: "image/svg+xml",
      woff2: "font/woff2",
    });
    await service.stop();
  });

  it.each([
    "/index.html",
    "/playground",
    "/playground/",
    "/playground/unheard-of.js",
    "/playground/main.ts",
    "/playground/..%2fstart.js",
    "/playground/%2e%2e/start.js",
    "/playground/../start.js",
  ])("do not exist at %s", async (path) => {
    const service = await startService();
    expect((await call(service.baseUrl + path)).status).toBe(404);
    await service.stop();
  });

  it("have every text in both languages", () => {
    /** All texts, with values in their placeholders. */
    const textsIn = (messages: Messages): [string, string][] =>
      Object.entries(messages).flatMap(([name, text]): [string, string][] =>
        typeof text === "string"
          ? [[name, text]]
          : typeof text === "function"
            ? [[name, text("X", "Y")]]
            : Object.entries(text).map(([part, each]) => [`${name}.${part}`, each]),
      );
    const english = new Map(textsIn(makeLocale("en").messages));
    const italian = textsIn(makeLocale("it").messages);
    expect(italian.map(([name]) => name)).toEqual([...english.keys()]);
    expect(italian.filter(([name, text]) => english.get(name) === text)).toEqual([
      ["card", "Carta Giovani Nazionale"],
    ]);
  });

  it("are not part of the deployed file", async () => {
    const { sources } = decode(
      t.type({ sources: t.array(t.string) }),
      JSON.parse(await readFile("dist/main.js.map", "utf8")),
    );
    expect(sources).toContain("../main.ts");
    expect(sources.filter((source) => /^\.\.\/(local|site|playground)\//.test(source))).toEqual([]);
  });
});

(executablePath === undefined ? describe.skip : describe)("the playground in a browser", () => {
  let browser: Browser;
  let host: HostProcess;
  let context: BrowserContext;
  let page: Page;
  /** Console messages and errors. A test must expect each of them. */
  let complaints: string[];
  let addresses: string[];
  /** The calls of the contract, as they went over the wire. */
  let calls: {
    readonly method: string;
    readonly path: string;
    readonly body: unknown;
    readonly idempotencyKey: string | undefined;
  }[];
  let statuses: number[];

  beforeAll(async () => {
    browser = await launchChromium(executablePath ?? "");
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    complaints = [];
    addresses = [];
    calls = [];
    statuses = [];
    host = await startHostProcess({});
    context = await browser.newContext();
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => {
      // Chromium itself logs each answer with a status of 400 or more, and a page cannot prevent that. Refusals by the
      // API are part of the story, so they do not count.
      const ofRefusal =
        /^Failed to load resource: the server responded with a status of 4\d\d /.test(message.text()) &&
        message.location().url.startsWith(`${host.baseUrl}/api/`);
      if (!ofRefusal) {
        complaints.push(message.text());
      }
    });
    page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()}`));
    page.on("request", (request) => {
      const { origin, pathname } = new URL(request.url());
      addresses.push(origin);
      if (pathname.startsWith("/api/")) {
        const body: unknown = request.postDataJSON();
        const idempotencyKey = request.headers()["idempotency-key"];
        calls.push({ method: request.method(), path: pathname, body, idempotencyKey });
      }
    });
    page.on("response", (response) => {
      if (new URL(response.url()).pathname.startsWith("/api/")) {
        statuses.push(response.status());
      }
    });
  });
  afterEach(async () => {
    await context.close();
    await host.program.stop();
    expect(complaints).toEqual([]);
    expect(new Set(addresses)).toEqual(new Set([host.baseUrl]));
    expect(host.program.errors()).toBe("");
  });

  /** The calls for a shop without keys: reading the list, making both keys, and reading the list again. */
  const setUpCalls = 4;

  const open = async (path = "/"): Promise<void> => {
    await page.goto(host.baseUrl + path);
    await expectTrace(setUpCalls);
  };

  /** Replaces the host by one with other settings. */
  const restart = async (settings: Readonly<Record<string, string>>): Promise<void> => {
    await host.program.stop();
    host = await startHostProcess(settings);
  };

  const button = (name: string | RegExp): Locator => page.getByRole("button", { name, exact: true });
  const panel = (name: string): Locator => page.getByRole("region", { name, exact: true });
  const notice = (text: string | RegExp): Locator => page.getByRole("status").getByText(text);
  const shownCode = (): Promise<string> => page.locator("#code:visible").innerText();
  const entries = (): Locator => page.locator(".trace > li");
  const total = (text: string): Locator => page.locator("#cart-total .total").getByText(text);
  const codeField = (): Locator => page.getByLabel("Codice sconto", { exact: true });
  const chooseOffer = (name: string): Promise<void> => page.getByRole("radio", { name }).check();
  const chooseShop = async (name: string): Promise<void> => {
    await page.getByLabel("Negozio", { exact: true }).selectOption(name);
  };
  /** Waits until a button is at work. */
  const atWork = (id: string): Promise<void> =>
    page.locator(`#${id}[aria-busy=true][aria-disabled=true]`).waitFor();
  const focused = (target: Locator): Promise<void> => target.and(page.locator(":focus")).waitFor();
  const clipboard = async (): Promise<string> =>
    decode(t.string, await page.evaluate("navigator.clipboard.readText()"));

  /** Waits until the page has made `count` calls, of which `pending` still wait for an answer. */
  const expectTrace = async (count: number, pending = 0): Promise<void> => {
    // Those of the page's start are in a closed group.
    await entries()
      .nth(count - 1)
      .waitFor({ state: "attached" });
    await entries()
      .filter({ has: page.locator("[aria-busy=false]") })
      .nth(count - pending - 1)
      .waitFor({ state: "attached" });
    expect(await entries().count()).toBe(count);
  };

  /** The service executes the next call to a path, but holds its answer back until the test lets it through. */
  const delayAnswer = async (path: string): Promise<() => void> => {
    let letThrough = (): void => undefined;
    const arrival = new Promise<void>((resolve) => {
      letThrough = resolve;
    });
    await page.route(
      path,
      async (route) => {
        const response = await route.fetch();
        await arrival;
        await route.fulfill({ response });
      },
      { times: 1 },
    );
    return letThrough;
  };

  const Violations = t.type({
    violations: t.array(t.type({ id: t.string, nodes: t.array(t.type({ html: t.string })) })),
  });

  /** Checks what the page shows at this moment. */
  const expectSound = async (): Promise<void> => {
    await page.evaluate(axe.source);
    const { violations } = decode(Violations, await page.evaluate("axe.run()"));
    expect(violations).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(page.viewportSize()?.width);
  };

  /** Makes a new code, and applies it at the checkout. */
  const applyNewCode = async (): Promise<string> => {
    await button("Genera codice").click();
    await button("Usalo al checkout").click();
    await button("Applica").click();
    await notice("Sconto applicato: 15% sui libri.").waitFor();
    return shownCode();
  };

  const regenerate = async (title: string): Promise<void> => {
    await button(`Rigenera ${title}`).click();
    await page.getByRole("dialog").getByRole("button", { name: "Rigenera" }).click();
    await notice(`${title} rigenerata.`).waitFor();
  };

  const revoke = async (title: string): Promise<void> => {
    await button(`Revoca ${title}`).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoca" }).click();
    await notice(`${title} revocata.`).waitFor();
  };

  /** Gives the shop a test key, and has it use that one. */
  const startTesting = async (language: "it" | "en" = "it"): Promise<void> => {
    const { messages } = makeLocale(language);
    await button(`${messages.generateKey} ${messages.keyTitle.test}`).click();
    await button(`${messages.give} ${messages.keyTitle.test}`).click();
    await page.getByRole("switch", { name: messages.useTestKey }).focus();
    await page.keyboard.press("Space");
    await notice(messages.testMark).waitFor();
  };

  const Texts = t.array(t.string);
  const readAll = async (expression: string): Promise<readonly string[]> =>
    decode(Texts, await page.evaluate(expression));

  /** The stressed buttons, and the step to which the page says that the story has come. */
  const stressed = async (): Promise<readonly string[]> =>
    readAll(
      "[...document.querySelectorAll('.btn-primary, .steps [aria-current=step]')].filter((each) => each.checkVisibility()).map(({ id }) => id)",
    );

  const unavailable = {
    status: 503,
    contentType: "application/problem+json",
    body: JSON.stringify({
      type: "x/service-unavailable",
      title: "Non disponibile",
      status: 503,
      detail: "Riprova.",
    }),
  };
  /** What Chromium logs about a call without an answer, or with a 503. */
  const ofFailure =
    /^failed: |^Failed to load resource: (?:net::ERR_|the server responded with a status of 503)/;
  const expectFailuresOnly = (): void => {
    expect(complaints.filter((complaint) => !ofFailure.test(complaint))).toEqual([]);
    complaints = [];
  };

  it.each(languages)(
    "plays the whole story in %s: generate, copy, paste, apply, pay, find it used",
    async (language) => {
      const { generate, copy, field, apply, reduction, pay, paid, newCart, used } = words[language];
      await open(language === "it" ? "/" : "/?lang=en");
      expect(await page.locator("html").getAttribute("lang")).toBe(language);

      await button(generate).click();
      const code = await shownCode();
      expect(code).toMatch(/^[A-Z0-9]{11}$/);
      await button(copy).click();
      expect(await clipboard()).toBe(code);

      await page.getByLabel(field, { exact: true }).focus();
      await page.keyboard.press("ControlOrMeta+V");
      await button(apply).click();
      await page.locator("#cart-total").getByRole("row", { name: /15%/ }).waitFor();
      expect(await page.locator("#cart-total .reduction").textContent()).toMatch(reduction);
      await button(pay).click();
      await notice(paid).waitFor();

      await button(newCart).click();
      await page.getByLabel(field, { exact: true }).fill(code);
      await button(apply).click();
      await notice(used).waitFor();
      expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 404]);
      expect(calls.slice(setUpCalls + 1).map(({ body }) => body)).toEqual(
        [false, true, false].map((invalidate_otp) => ({ otp_code: code, invalidate_otp })),
      );
      expect(calls.map(({ path }) => path).join()).not.toContain("demo-shop");
    },
  );

  it("shows everything in the other language on request, keeps its state, and remembers the choice", async () => {
    await open();
    const code = await applyNewCode();
    await regenerate("Chiave primaria");
    const inItalian = await page.locator("body").innerText();
    await page.getByRole("link", { name: "English" }).click();
    await total("€34.25").waitFor();
    const inEnglish = await page.locator("body").innerText();
    const catalogue = Object.entries(makeLocale("it").messages);
    const english: Readonly<Record<string, unknown>> = makeLocale("en").messages;
    const told = catalogue.flatMap(([name, text]) =>
      typeof text === "string" && text !== english[name] && text.length > 6 ? [text] : [],
    );
    expect(told.filter((text) => inItalian.includes(text)).length).toBeGreaterThan(20);
    expect(told.filter((text) => inEnglish.includes(text))).toEqual([]);
    expect(inEnglish).toContain("Discount applied: 15% off books.");
    expect(await page.locator("html").getAttribute("lang")).toBe("en");
    expect(await page.title()).toBe(makeLocale("en").messages.pageTitle);
    expect(await shownCode()).toBe(code);
    await page.reload();
    await button("Generate code").waitFor();
    await expectTrace(1);
  });

  it("shows the same code when the user asks again while it is live, and says so", async () => {
    await open();
    await button("Genera codice").click();
    const code = await shownCode();
    await button("Genera codice").click();
    await notice("Hai già un codice attivo per questa agevolazione: eccolo.").waitFor();
    expect(await shownCode()).toBe(code);
    expect(statuses.slice(setUpCalls)).toEqual([200, 409]);
  });

  it("counts down each code's life with the ring and the clock, and says when it is over", async () => {
    await page.clock.install();
    await open();
    const generate = async (): Promise<{ readonly code: string; readonly endsAt: number }> => {
      const answer = page.waitForResponse("**/otp/*");
      await button("Genera codice").click();
      const { code, expires_at } = decode(OtpBody, await (await answer).json());
      await page.locator("#code").getByText(code).waitFor();
      return { code, endsAt: Date.parse(expires_at) };
    };
    const shown = async (): Promise<readonly unknown[]> => [
      await page.getByRole("timer").innerText(),
      await page.locator("#ring").getAttribute("stroke-dashoffset"),
    ];
    const first = await generate();
    await page.clock.pauseAt(first.endsAt - 300_000);
    expect(await shown()).toEqual(["5:00", "0.5"]);
    await page.clock.pauseAt(first.endsAt - 150_000);
    expect(await shown()).toEqual(["2:30", "0.75"]);
    await chooseOffer("20% su treni");
    const second = await generate();
    await page.clock.pauseAt(second.endsAt - 500);
    expect((await shown())[0]).toBe("0:01");
    await button("Usalo al checkout").focus();
    await page.clock.pauseAt(second.endsAt + 1000);
    // The button with the focus is gone. The next thing to do has the focus.
    await focused(button("Genera codice"));
    const over = notice("Il codice è scaduto. Puoi generarne uno nuovo.");
    for (const offer of ["20% su treni", "15% sui libri", "20% su treni"]) {
      await chooseOffer(offer);
      await over.waitFor();
      expect(await shown()).toEqual(["0:00", "1"]);
      await panel("App IO").getByText("Scaduto", { exact: true }).waitFor();
      expect(await button("Usalo al checkout").isVisible()).toBe(false);
      expect(await button("Copia").isVisible()).toBe(false);
    }
    await chooseOffer("30% al cinema");
    expect(await over.isVisible()).toBe(false);
    await chooseOffer("15% sui libri");
    await page.clock.resume();
    await expectSound();
  });

  it("shows that an expired code is refused, and generates another at once", async () => {
    await restart({ OTP_TTL_IN_SECONDS: "1" });
    await open();
    await button("Genera codice").click();
    await notice("Il codice è scaduto. Puoi generarne uno nuovo.").waitFor();
    const code = await shownCode();
    await codeField().fill(code);
    await button("Applica").click();
    await notice("Il codice sconto è scaduto").waitFor();
    await button("Genera codice").click();
    await page.locator("#code").filter({ hasNotText: code }).waitFor();
    expect(statuses.slice(setUpCalls)).toEqual([200, 404, 200]);
  });

  it("replaces a shop's keys without a single refusal", async () => {
    await open();
    await applyNewCode();
    const ask = async (count: number): Promise<void> => {
      await button("Applica").click();
      await expectTrace(count);
      await notice("Sconto applicato").waitFor();
    };
    await page.getByRole("radio", { name: "Il negozio usa questa Chiave secondaria" }).check();
    await ask(7);
    await regenerate("Chiave primaria");
    await ask(10);
    await button("Dalla al negozio Chiave primaria").click();
    await page.getByRole("radio", { name: "Il negozio usa questa Chiave primaria" }).check();
    await ask(11);
    await regenerate("Chiave secondaria");
    await ask(14);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it("shows that a replaced key is refused until the shop gets the new one, which is shown once", async () => {
    await open();
    await applyNewCode();
    const value = page.locator("#primary-value");
    const masked = await value.innerText();
    expect(masked).toMatch(/^•••• [0-9a-f]{4}$/);
    await button("Rigenera Chiave primaria").click();
    await page.getByRole("dialog").getByRole("button", { name: "Annulla" }).click();
    expect(await value.innerText()).toBe(masked);
    await expectTrace(setUpCalls + 2);

    await regenerate("Chiave primaria");
    const key = await value.innerText();
    await button("Copia Chiave primaria").click();
    expect(await clipboard()).toBe(key);
    await page.getByText("Il negozio ha ancora la chiave di prima").filter({ visible: true }).waitFor();
    await button("Applica").click();
    await notice("In questo momento non possiamo verificare il codice").waitFor();
    await total("40,30").waitFor();
    expect(statuses.at(-1)).toBe(401);

    await button("Dalla al negozio Chiave primaria").click();
    expect(await value.innerText()).toBe(`•••• ${key.slice(-4)}`);
    await button("Applica").click();
    await notice("Sconto applicato").waitFor();
    expect((await host.ask(key, await shownCode())).status).toBe(200);
  });

  it("recovers from a host that lost its store: the lost keys are refused, and new ones work", async () => {
    await open();
    await applyNewCode();
    await restart({ PORT: new URL(host.baseUrl).port });
    await button("Applica").click();
    await notice("In questo momento non possiamo verificare il codice").waitFor();
    await regenerate("Chiave primaria");
    await button("Dalla al negozio Chiave primaria").click();
    await applyNewCode();
  });

  describe("after a reload", () => {
    const values = (): Promise<readonly string[]> =>
      Promise.all(["primary", "secondary"].map((keyType) => page.locator(`#${keyType}-value`).innerText()));

    it("still has the keys that the shop was given, and makes no others", async () => {
      await open();
      await regenerate("Chiave primaria");
      const copied = await page.locator("#primary-value").innerText();
      await button("Dalla al negozio Chiave primaria").click();
      const before = await values();
      await chooseShop("Cinema Aurora");
      await expectTrace(2 * setUpCalls + 2);
      calls = [];
      await page.reload();
      await expectTrace(1);
      expect(await values()).toEqual(before);
      await applyNewCode();
      expect((await host.ask(copied, await shownCode())).status).toBe(200);
      await chooseShop("Cinema Aurora");
      await expectTrace(4);
      // Another window of the same browser does not replace a key either.
      const other = await context.newPage();
      await other.goto(host.baseUrl);
      await other.locator(".trace > li [aria-busy=false]").waitFor({ state: "attached" });
      await other.close();
      expect((await host.ask(copied, "AAAAAAAAAAA")).status).toBe(404);
      expect(calls.filter(({ path }) => path.includes("api-keys/"))).toEqual([]);
    });

    it("keeps no key that the shop was not given, leaves that key in force, and says how to come back", async () => {
      await open();
      await regenerate("Chiave primaria");
      const copied = await page.locator("#primary-value").innerText();
      const stored = decode(t.string, await page.evaluate("JSON.stringify(localStorage)"));
      expect(stored).toMatch(/cgn_esempio-libreria_[0-9a-f]+/);
      expect(stored).not.toContain(copied);
      await page.reload();
      await expectTrace(1);
      expect((await values())[0]).toBe(`•••• ${copied.slice(-4)}`);
      await page.locator("#primary-refused").getByText("Il negozio ha un'altra chiave").waitFor();
      await codeField().fill("AAAAAAAAAAA");
      await button("Applica").click();
      await notice("Il negozio ha una chiave che non vale più").waitFor();
      expect((await host.ask(copied, "AAAAAAAAAAA")).status).toBe(404);
      await regenerate("Chiave primaria");
      await button("Dalla al negozio Chiave primaria").click();
      expect(await page.locator("#primary-refused").isVisible()).toBe(false);
      await applyNewCode();
    });

    it("makes no key in place of one that was revoked", async () => {
      await open();
      await revoke("Chiave primaria");
      await page.reload();
      await expectTrace(1);
      expect((await values())[0]).toBe("Nessuna chiave");
      await page.locator("#primary-refused").getByText("è stata revocata").waitFor();
    });

    it("makes new keys when the store that they were for has ended", async () => {
      await open();
      const before = await values();
      await restart({ PORT: new URL(host.baseUrl).port });
      await page.reload();
      await expectTrace(setUpCalls);
      const after = await values();
      expect(after.filter((value) => before.includes(value))).toEqual([]);
      await applyNewCode();
      await page.reload();
      await expectTrace(1);
      expect(await values()).toEqual(after);
    });

    it.each(["503", "no answer"])(
      "replaces nothing when nobody knows which keys are in force (%s), and reads the list on request",
      async (fault) => {
        await open();
        const before = await values();
        await page.route("**/api-keys", (route) =>
          fault === "503" ? route.fulfill(unavailable) : route.abort(),
        );
        await page.reload();
        await expectTrace(1);
        expect(await values()).toEqual(["Non si sa", "Non si sa"]);
        // The shop's server does not depend on the portal.
        await applyNewCode();
        await button("Rileggi le chiavi").focus();
        await page.keyboard.press("Enter");
        await expectTrace(4);
        await focused(button("Rileggi le chiavi"));
        await page.unroute("**/api-keys");
        await page.keyboard.press("Enter");
        await focused(button("Rigenera Chiave primaria"));
        await expectTrace(5);
        expect(await values()).toEqual(before);
        expect(await page.locator("#portal-notices .alert").count()).toBe(0);
        expect(await button("Rileggi le chiavi").isVisible()).toBe(false);
        expectFailuresOnly();
      },
    );

    it.each(["not JSON", "[]", '{"esempio-libreria":{"primary":{"api_key":"a key"}}}'])(
      "ignores storage that it did not write itself: %s",
      async (text) => {
        await page.addInitScript(`localStorage.setItem("cgn-otp.keys", ${JSON.stringify(text)})`);
        await open();
        expect(statuses).toEqual([200, 200, 200, 200]);
        await applyNewCode();
      },
    );

    it("works when the browser stores nothing", async () => {
      await page.addInitScript(`
        Object.defineProperty(window, "localStorage", { get() { throw new Error("not allowed"); } });`);
      await open();
      await page.reload();
      await expectTrace(setUpCalls);
      expect(statuses).toEqual(Array.from({ length: 2 * setUpCalls }, () => 200));
      await applyNewCode();
    });
  });

  describe("on a store that the settings name", () => {
    let service: Service;
    beforeEach(async () => {
      service = await startService();
      await service.newApiKey("esempio-libreria", "primary");
      await restart(service.settings);
    });
    afterEach(() => service.stop());

    it.each(languages)(
      "makes no key before the user asks for it, by keyboard, and says so, in %s",
      async (language) => {
        const { messages } = makeLocale(language);
        await page.setViewportSize({ width: 360, height: 900 });
        await page.emulateMedia({ reducedMotion: "reduce" });
        const stored = await readItems(service.apiKeys);
        await page.goto(`${host.baseUrl}/?lang=${language}`);
        await page.getByText(messages.namedStore).waitFor();
        await expectSound();
        for (const shop of ["Cinema Aurora", "Libreria Il Segnalibro"]) {
          await page.getByLabel(messages.shop, { exact: true }).selectOption(shop);
          await page.getByText(messages.namedStore).waitFor();
        }
        expect(await page.locator("[id$=-regenerate]:visible").getAttribute("id")).toBe("test-regenerate");
        await page.locator("#code-field").fill("AAAAAAAAAAA");
        await button(messages.apply).click();
        await notice(messages.keyMissing).waitFor();
        expect(await readItems(service.apiKeys)).toEqual(stored);

        // The list tells what nobody but its owner made.
        await page
          .locator("#primary-value")
          .getByText(/^•••• [0-9a-f]{4}$/)
          .waitFor();
        await page.locator("#secondary-value").getByText(messages.noKey).waitFor();
        // Without a key, a code cannot be applied.
        expect(await stressed()).toEqual(["step-3", "ask-for-keys-button"]);

        const letThrough = await delayAnswer("**/api-keys/primary");
        await button(messages.makeKeys).focus();
        await page.keyboard.press("Enter");
        await atWork("ask-for-keys-button");
        await page.keyboard.press("Enter");
        letThrough();
        await focused(button(`${messages.regenerate} ${messages.keyTitle.primary}`));
        // Three times a shop was chosen, once a code was asked about; then come two keys and the list.
        await expectTrace(7);
        expect(await page.getByText(messages.namedStore).isVisible()).toBe(false);
        await expectSound();
        await button(messages.generate).click();
        await button(messages.useAtCheckout).click();
        await button(messages.apply).click();
        await page.locator("#cart-total .reduction").waitFor();

        // The browser keeps no key of an account, so the page asks again.
        expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0);
        const made = await readItems(service.apiKeys);
        await page.reload();
        await page.getByText(messages.namedStore).waitFor();
        await expectTrace(1);
        expect(await readItems(service.apiKeys)).toEqual(made);
      },
    );

    it("says why it could not make a key, and lets the user try again", async () => {
      await page.goto(host.baseUrl);
      await page.route("**/api-keys/*", (route) => route.abort());
      await button("Genera le chiavi").click();
      await notice("Il servizio non è disponibile.").waitFor();
      await expectTrace(setUpCalls);
      await page.unroute("**/api-keys/*");
      await page.route("**/api-keys/secondary", (route) => route.fulfill(unavailable), { times: 1 });
      await button("Genera le chiavi").click();
      await notice("Non disponibile").waitFor();
      // The user asked for these keys, and they are missing.
      await button("Riprova Chiave secondaria").click();
      await notice("Chiave secondaria generata una volta sola").waitFor();
      await applyNewCode();
      expectFailuresOnly();
    });

    it("assumes such a store when the local host does not say which one it uses", async () => {
      await page.route("**/store.json", (route) => route.fulfill({ status: 200, body: '{"store":"mine"}' }));
      await page.goto(host.baseUrl);
      await button("Genera le chiavi").waitFor();
      await page.unroute("**/store.json");
      await page.route("**/store.json", (route) => route.abort());
      await page.reload();
      await button("Genera le chiavi").waitFor();
      expect(calls.filter(({ method }) => method !== "GET")).toEqual([]);
      expectFailuresOnly();
    });
  });

  describe("the portal", () => {
    /** The hint and the date of each key, as the page shows them. */
    const shownKeys = async (): Promise<readonly (readonly string[])[]> =>
      Promise.all(
        ["primary", "secondary", "test"].map((keyType) =>
          Promise.all(["value", "created"].map((part) => page.locator(`#${keyType}-${part}`).innerText())),
        ),
      );
    /** What it has to show, according to the service. */
    const listedKeys = async (): Promise<readonly (readonly string[])[]> => {
      const { api_keys } = decode(ApiKeysBody, (await host.list("esempio-libreria")).json);
      return ["primary", "secondary", "test"].map((keyType) => {
        const key = api_keys.find(({ key_type }) => key_type === keyType);
        const { messages, formatDateTime } = makeLocale("it");
        return key === undefined
          ? [messages.noKey, ""]
          : [`•••• ${key.hint}`, messages.createdAt(formatDateTime(new Date(key.created_at)))];
      });
    };

    it("shows the hint and the date of the keys in force as ListApiKeys tells them, and no key", async () => {
      await open();
      expect(await shownKeys()).toEqual(await listedKeys());
      // Another program of the merchant changes its keys.
      const former = await listedKeys();
      const apiKey = await host.newApiKey("esempio-libreria", "primary");
      await host.newApiKey("esempio-libreria", "test");
      await host.revoke("esempio-libreria", "secondary");
      await chooseShop("Cinema Aurora");
      await expectTrace(2 * setUpCalls);
      await chooseShop("Libreria Il Segnalibro");
      await expectTrace(2 * setUpCalls + 1);
      const listed = await listedKeys();
      expect(listed[0]?.[0]).toBe(`•••• ${apiKey.slice(-4)}`);
      expect(listed.filter((key, index) => key[0] === former[index]?.[0])).toEqual([]);
      expect(await shownKeys()).toEqual(listed);
      expect(await panel("Portale operatori").innerText()).not.toContain("cgn_");
    });

    it("asks before it revokes a key, and does nothing when that is cancelled", async () => {
      await open();
      const before = await shownKeys();
      for (const [title, text] of [
        ["Chiave primaria", "Il negozio usa questa chiave. Il servizio la rifiuterà subito con 401"],
        ["Chiave secondaria", "Questo negozio non la usa: il servizio non si interrompe."],
      ] as const) {
        for (const cancel of ["Escape", "Enter", "a click beside it"]) {
          await button(`Revoca ${title}`).click();
          const dialog = page.getByRole("dialog", { name: `Revocare la ${title.toLowerCase()}?` });
          await dialog.getByText(text).waitFor();
          // The order of Bootstrap Italia: what does nothing first.
          expect(await dialog.getByRole("button").allInnerTexts()).toEqual(["Annulla", "Revoca"]);
          await focused(dialog.getByRole("button", { name: "Annulla" }));
          await (cancel === "a click beside it" ? page.mouse.click(5, 5) : page.keyboard.press(cancel));
          await dialog.waitFor({ state: "hidden" });
          await focused(button(`Revoca ${title}`));
        }
      }
      expect(await entries().count()).toBe(setUpCalls);
      expect(await shownKeys()).toEqual(before);
    });

    it("revokes a key, reads the list again, and says how a shop that is refused comes back", async () => {
      await open();
      await applyNewCode();
      calls = [];
      await revoke("Chiave primaria");
      expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
        "DELETE /api/v1/cgn/merchants/esempio-libreria/api-keys/primary",
        "GET /api/v1/cgn/merchants/esempio-libreria/api-keys",
      ]);
      expect(statuses.slice(-2)).toEqual([204, 200]);
      await entries().nth(1).getByText("Portale: revoca una chiave").waitFor();
      await entries().nth(1).locator("summary .bg-success").getByText("204").waitFor();
      expect(await shownKeys()).toEqual(await listedKeys());
      expect((await shownKeys())[0]).toEqual(["Nessuna chiave", ""]);
      await page.locator("#primary-refused").getByText("La chiave del negozio è stata revocata").waitFor();
      // The pressed button is gone. The way back has the focus.
      await focused(button("Genera Chiave primaria"));

      await button("Applica").click();
      await notice("Per rimediare, genera una chiave nel portale e dalla al negozio").waitFor();
      expect(statuses.at(-1)).toBe(401);
      await page.getByRole("radio", { name: "Il negozio usa questa Chiave secondaria" }).check();
      await button("Applica").click();
      await notice("Sconto applicato").waitFor();

      // No key stops working, so there is nothing to confirm.
      await button("Genera Chiave primaria").click();
      await notice("Chiave primaria generata.").waitFor();
      await button("Dalla al negozio Chiave primaria").click();
      await page.getByRole("radio", { name: "Il negozio usa questa Chiave primaria" }).check();
      expect(await page.locator("#primary-refused").isVisible()).toBe(false);
      await button("Applica").click();
      await notice("Sconto applicato").waitFor();
    });

    it("repeats a press whose answer was lost with its Idempotency-Key, and is told the key that was made", async () => {
      await open();
      calls = [];
      const lose = page.getByRole("switch", { name: "Simula una chiave persa" });
      await lose.focus();
      await page.keyboard.press("Space");
      await button("Rigenera Chiave secondaria").click();
      await page.getByRole("dialog").getByRole("button", { name: "Rigenera" }).click();
      await notice("Il portale non sa se la chiave è stata generata.").waitFor();
      expect(await lose.isChecked()).toBe(false);
      // The list tells that there is another key, and nobody was told which.
      const made = await shownKeys();
      expect(made).toEqual(await listedKeys());
      expect(await entries().nth(1).locator("summary").innerText()).toMatch(
        /^200\s*Portale: rigenera una chiave\s*persa/,
      );
      await button("Riprova Chiave secondaria").click();
      await notice("Chiave secondaria generata una volta sola").waitFor();
      const key = await page.locator("#secondary-value").innerText();
      expect(`•••• ${key.slice(-4)}`).toBe(made[1]?.[0]);
      expect((await shownKeys())[1]?.[1]).toBe(made[1]?.[1]);
      expect((await host.ask(key, "AAAAAAAAAAA")).status).toBe(404);
      const [second, first] = await entries()
        .locator("pre")
        .filter({ hasText: `"api_key": "${key}"` })
        .allTextContents();
      expect(second).toBe(first);
      expect(second).toBeDefined();

      // The next press is another one.
      await regenerate("Chiave secondaria");
      expect(await page.locator("#secondary-value").innerText()).not.toBe(key);
      const presses = calls.flatMap(({ method, idempotencyKey }) =>
        method === "POST" ? [idempotencyKey] : [],
      );
      expect(presses.map((each) => presses.indexOf(each))).toEqual([0, 0, 2]);
      for (const press of presses) {
        expect(press).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      }
    });

    it("starts a new press after one that was refused", async () => {
      await open();
      calls = [];
      await page.route("**/api-keys/secondary", (route) => route.abort(), { times: 1 });
      await button("Rigenera Chiave secondaria").click();
      await page.getByRole("dialog").getByRole("button", { name: "Rigenera" }).click();
      await notice("Il portale non sa").waitFor();
      // The call arrived after all, and somebody has replaced its key since.
      const idempotencyKey = calls[0]?.idempotencyKey;
      await host.newApiKey("esempio-libreria", "secondary", idempotencyKey);
      await host.newApiKey("esempio-libreria", "secondary");
      await button("Riprova Chiave secondaria").click();
      await page.locator("#secondary-notices .alert-danger").waitFor();
      expect(statuses.slice(-2)).toEqual([400, 200]);
      await regenerate("Chiave secondaria");
      expectFailuresOnly();
    });

    it("shows the latest list, even if the answer of an earlier reading comes later", async () => {
      await open();
      const letThrough = await delayAnswer("**/api-keys");
      await button("Rigenera Chiave primaria").click();
      await page.getByRole("dialog").getByRole("button", { name: "Rigenera" }).click();
      await page.locator("#primary-fresh:visible").waitFor();
      await expectTrace(setUpCalls + 2, 1);
      await revoke("Chiave secondaria");
      letThrough();
      await notice("Chiave primaria rigenerata.").waitFor();
      expect((await shownKeys())[1]).toEqual(["Nessuna chiave", ""]);
    });
  });

  describe("the test key", () => {
    /** What the shop is told of each code when it asks, and when it uses the code. */
    const outcomes: Readonly<
      Record<"it" | "en", Readonly<Record<TestCode, readonly [asked: string, used?: string | RegExp]>>>
    > = {
      it: {
        TESTLIVE000: ["Sconto applicato: 10% di prova.", /Ordine confermato: hai pagato 36,27\s€\./],
        TESTRACE000: ["Sconto applicato: 10% di prova.", "Il codice sconto è già stato usato"],
        TESTEXPIRED: ["Il codice sconto è scaduto"],
        TESTUSED000: ["Il codice sconto è già stato usato"],
        TESTNEWER00: ["C'è già un altro codice sconto attivo"],
        TESTDOWN000: ["Il servizio non è disponibile"],
      },
      en: {
        TESTLIVE000: ["Discount applied: 10% as a test.", /Order confirmed: you paid €36\.27\./],
        TESTRACE000: ["Discount applied: 10% as a test.", "The discount code has already been used"],
        TESTEXPIRED: ["The discount code has expired"],
        TESTUSED000: ["The discount code has already been used"],
        TESTNEWER00: ["There is already another active discount code"],
        TESTDOWN000: ["The service is not available"],
      },
    };

    it.each(languages)("plays the outcome of each test code of the list, in %s", async (language) => {
      const { messages } = makeLocale(language);
      await open(`/?lang=${language}`);
      expect(await page.getByRole("switch", { name: messages.useTestKey }).isDisabled()).toBe(true);
      await page.getByText(messages.noTestKey).waitFor();
      const code = await host.newCode(fiscalCode, {
        merchant_id: "esempio-libreria",
        discount_id: "libri-15",
      });
      await startTesting(language);
      await page.locator("#test-row.is-in-use").getByText(messages.testKeyInUse).waitFor();
      const list = page.getByRole("list", { name: messages.testCodesTitle }).getByRole("button");
      expect(await list.allInnerTexts()).toEqual(
        Object.entries(messages.testCodes).map(([each, meaning]) => `${each}\n${meaning}`),
      );
      for (const [testCode, [asked, used]] of Object.entries(outcomes[language])) {
        await button(new RegExp(`^${testCode}`)).click();
        await focused(button(messages.apply));
        await page.keyboard.press("Enter");
        await notice(asked).waitFor();
        await notice(messages.testMark).waitFor();
        if (used !== undefined) {
          await page.locator("#pay").click();
          await notice(used).waitFor();
        }
      }
      await page.locator("#code-field").fill(code);
      await button(messages.apply).click();
      await notice(
        language === "it" ? "Il codice sconto non esiste" : "The discount code does not exist",
      ).waitFor();
      expect(statuses.slice(-9)).toEqual([200, 200, 200, 404, 404, 404, 409, 503, 404]);
      // With its other key the shop sells again, and the code is as good as new.
      await page.getByRole("switch", { name: messages.useTestKey }).press("Space");
      expect(await page.locator("#test-codes, #test-mark .alert").filter({ visible: true }).count()).toBe(0);
      await page.locator("#code-field").fill(code);
      await button(messages.apply).click();
      await page.locator("#cart-total .reduction").waitFor();
      expectFailuresOnly();
    });

    it("can be given up at once, which the shop is told, and is kept over a reload like the others", async () => {
      await open();
      await startTesting();
      await page.reload();
      await expectTrace(1);
      await page.getByRole("switch", { name: "Usa la chiave di prova" }).press("Space");
      await button(/^TESTLIVE000/).click();
      await button("Applica").click();
      await notice("Sconto applicato: 10% di prova.").waitFor();
      await button("Revoca Chiave di prova").click();
      await page.getByRole("dialog").getByText("Il negozio usa questa chiave.").waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Revoca" }).click();
      await notice("Chiave di prova revocata.").waitFor();
      await button("Applica").click();
      await notice("Il negozio ha una chiave che non vale più").waitFor();
      await page.getByRole("switch", { name: "Usa la chiave di prova" }).press("Space");
      await applyNewCode();
    });

    it("waits for the outcome of a payment that another key has begun", async () => {
      await open();
      await startTesting();
      const useTestKey = page.getByRole("switch", { name: "Usa la chiave di prova" });
      await useTestKey.press("Space");
      await applyNewCode();
      await page.getByRole("switch", { name: "Simula una risposta persa" }).focus();
      await page.keyboard.press("Space");
      await button(/^Paga/).click();
      await button("Riprova a pagare").waitFor();
      expect(await useTestKey.isDisabled()).toBe(true);
      await button("Riprova a pagare").click();
      await notice("Ordine confermato").waitFor();
      await useTestKey.press("Space");
      await total("40,30").waitFor();
      await button(/^TESTLIVE000/).waitFor();
    });
  });

  it("leads from the app to the checkout to the portal, and stresses one button at a time", async () => {
    await page.clock.install();
    await open();
    const fresh = ["step-1", "generate"];
    expect(await stressed()).toEqual(fresh);
    await button("Genera codice").click();
    const code = await shownCode();
    expect(await stressed()).toEqual(["step-2", "use-at-checkout"]);
    await chooseOffer("30% al cinema");
    expect(await stressed()).toEqual(fresh);
    await chooseOffer("15% sui libri");
    await button("Usalo al checkout").click();
    expect(await stressed()).toEqual(["step-2", "apply"]);
    await button("Applica").click();
    await notice("Sconto applicato").waitFor();
    expect(await stressed()).toEqual(["step-2", "pay"]);
    await page.getByRole("switch", { name: "Simula una risposta persa" }).press("Space");
    await button(/^Paga/).click();
    await button("Riprova a pagare").waitFor();
    expect(await stressed()).toEqual(["step-2", "pay"]);
    await button("Riprova a pagare").click();
    await notice("Ordine confermato").waitFor();
    expect(await stressed()).toEqual(["step-3", "to-portal"]);
    expect(await button("Copia").isVisible()).toBe(false);

    await button("Nuovo carrello").click();
    expect(await stressed()).toEqual(fresh);
    await codeField().fill(code);
    expect(await stressed()).toEqual(["step-2", "apply"]);
    await button("Applica").click();
    await notice("Il codice sconto è già stato usato").waitFor();
    // The same code would be refused again.
    expect(await stressed()).toEqual(fresh);
    await button("Genera codice").click();
    await notice("Il codice è pronto").waitFor();
    expect(await stressed()).toEqual(["step-2", "use-at-checkout"]);
    await page.clock.fastForward("11:00");
    await notice("Il codice è scaduto").waitFor();
    expect(await stressed()).toEqual(fresh);

    await regenerate("Chiave secondaria");
    await button("Genera Chiave di prova").click();
    await page.locator("#test-fresh:visible").waitFor();
    expect(await stressed()).toEqual(["step-3", "secondary-give"]);
    await button("Dalla al negozio Chiave secondaria").click();
    expect(await stressed()).toEqual(["step-3", "test-give"]);
    await button("Dalla al negozio Chiave di prova").click();
    await page.getByRole("switch", { name: "Usa la chiave di prova" }).press("Space");
    expect(await stressed()).toEqual(["step-2"]);
    await button(/^TESTLIVE000/).click();
    expect(await stressed()).toEqual(["step-2", "apply"]);
    await button("Applica").click();
    await notice("Sconto applicato").waitFor();
    await button(/^Paga/).click();
    await notice("Ordine confermato").waitFor();
    expect(await stressed()).toEqual(["step-2", "new-cart"]);
  });

  it.each(languages)(
    "sets apart what a customer never sees, and says what each switch needs, in %s",
    async (language) => {
      const { messages } = makeLocale(language);
      await open(`/?lang=${language}`);
      const simulation = panel(messages.simulationTitle);
      const names = [messages.useTestKey, messages.loseAnswer, messages.loseKey];
      expect(await page.getByRole("switch").count()).toBe(names.length);
      for (const name of names) {
        expect(await simulation.getByRole("switch", { name }).count()).toBe(1);
      }
      await simulation.getByText(/^Idempotency-Key: cart-/).waitFor();
      for (const title of [messages.appTitle, messages.checkoutTitle, messages.portalTitle]) {
        expect(await panel(title).innerText()).not.toContain("Idempotency-Key");
      }
      const hints = async (): Promise<readonly string[]> =>
        readAll(
          "[...document.querySelectorAll('[role=switch]')].map((each) => document.getElementById(each.getAttribute('aria-describedby')).innerText)",
        );
      const { noTestKey, loseAnswerNeeds, loseAnswerHint, loseKeyHint, useTestKeyHint, testKeyWaits } =
        messages;
      expect(await hints()).toEqual([noTestKey, loseAnswerNeeds, loseKeyHint]);
      await startTesting(language);
      expect(await hints()).toEqual([useTestKeyHint, loseAnswerNeeds, loseKeyHint]);
      await button(/^TESTLIVE000/).click();
      await button(messages.apply).click();
      await page.locator("#cart-total .reduction").waitFor();
      expect(await hints()).toEqual([useTestKeyHint, loseAnswerHint, loseKeyHint]);
      await page.getByRole("switch", { name: messages.loseAnswer }).press("Space");
      await page.locator("#pay").click();
      await notice(messages.answerLost).waitFor();
      expect(await hints()).toEqual([testKeyWaits, loseAnswerHint, loseKeyHint]);
      await page.locator("#pay").click();
      await button(messages.newCart).waitFor();
      expect(await hints()).toEqual([useTestKeyHint, loseAnswerNeeds, loseKeyHint]);
    },
  );

  it.each(languages)(
    "shows on a phone what came of each press, wherever the pressed button was in the window, in %s",
    async (language) => {
      const { messages } = makeLocale(language);
      const height = 740;
      await page.setViewportSize({ width: 360, height });
      await page.emulateMedia({ reducedMotion: "reduce" });
      await open(`/?lang=${language}`);
      const isInWindow = async (selector: string): Promise<boolean> => {
        const box = await page.locator(selector).boundingBox();
        return box !== null && box.y >= 0 && box.y + box.height <= height;
      };
      /** Presses a button that is at an edge of the window. */
      const press = async (selector: string, edge: "start" | "end"): Promise<void> => {
        const target = `document.querySelector(${JSON.stringify(selector)})`;
        await page.evaluate(`${target}.scrollIntoView({ block: "${edge}" })`);
        await page.evaluate(`${target}.focus({ preventScroll: true })`);
        await page.keyboard.press(selector.includes("[role=switch]") ? "Space" : "Enter");
      };
      const seeAfter = async (press: Promise<void>, ...changed: readonly string[]): Promise<void> => {
        await press;
        for (const selector of changed) {
          await page.locator(selector).waitFor();
        }
        await page.locator("[aria-busy=true]").waitFor({ state: "detached" });
        const seen = await Promise.all(changed.map(isInWindow));
        expect(Object.fromEntries(changed.map((selector, index) => [selector, seen[index]]))).toEqual(
          Object.fromEntries(changed.map((selector) => [selector, true])),
        );
      };
      for (const edge of ["end", "start"] as const) {
        await seeAfter(press("#generate", edge), "#app-notices .alert", "#code", "#use-at-checkout");
        await seeAfter(press("#use-at-checkout", edge), "#code-field", "#apply");
        await seeAfter(press("#apply", edge), "#checkout-notices .alert", "#cart-total .reduction");
        await page.getByRole("switch", { name: messages.loseAnswer }).press("Space");
        await seeAfter(press("#pay", edge), "#checkout-notices .alert", "#pay");
        await seeAfter(press("#pay", edge), "#checkout-notices .alert", "#new-cart", "#to-portal");
        await seeAfter(press("#to-portal", edge), "#portal-title", "#primary-regenerate");
        for (const keyType of ["primary", "secondary"]) {
          await press(`#${keyType}-regenerate`, edge);
          await seeAfter(
            page.locator("#confirm-yes").click(),
            `#${keyType}-value`,
            `#${keyType}-notices .alert`,
          );
          await seeAfter(press(`#${keyType}-give`, edge), `#${keyType}-notices .alert`);
        }
        await page.getByRole("switch", { name: messages.loseKey }).press("Space");
        await seeAfter(press("#test-regenerate", edge), "#test-notices .alert:last-child");
        await seeAfter(press("#test-regenerate", edge), "#test-value", "#test-fresh", "#test-notices .alert");
        await seeAfter(press("#test-give", edge), "#test-notices .alert");
        const codes = "#test-codes-list li";
        await seeAfter(
          press("#use-test-key[role=switch]", edge),
          `${codes}:first-child`,
          `${codes}:last-child`,
        );
        await seeAfter(press(`${codes}:last-child button`, edge), "#code-field", "#apply");
        await seeAfter(press("#apply", edge), "#checkout-notices .alert-danger");
        await press("#use-test-key[role=switch]", edge);
        await press("#test-revoke", edge);
        await seeAfter(page.locator("#confirm-yes").click(), "#test-value", "#test-notices .alert");
      }
      expectFailuresOnly();
    },
  );

  it("moves the focus on when the code whose buttons have it is used", async () => {
    await open();
    await applyNewCode();
    const letThrough = await delayAnswer("**/validate");
    await button(/^Paga/).click();
    await atWork("pay");
    await button("Copia").focus();
    letThrough();
    await notice("Ordine confermato").waitFor();
    await focused(button("Genera codice"));
  });

  it("leaves the window where the user has gone meanwhile", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ reducedMotion: "reduce" });
    await open();
    await codeField().fill("AAAAAAAAAAA");
    const letThrough = await delayAnswer("**/validate");
    await button("Applica").click();
    await button("Genera Chiave di prova").focus();
    const before = await button("Genera Chiave di prova").boundingBox();
    letThrough();
    await page.locator("#checkout-notices .alert").waitFor();
    const after = await button("Genera Chiave di prova").boundingBox();
    expect(after?.y).toBeCloseTo(before?.y ?? NaN, 0);
  });

  it("loses an answer once, and gets it by a retry with the same Idempotency-Key", async () => {
    await open();
    const loseAnswer = page.getByRole("switch", { name: "Simula una risposta persa" });
    // Without a code there is no call, so no answer can be lost.
    expect(await loseAnswer.isDisabled()).toBe(true);
    const code = await applyNewCode();
    await loseAnswer.focus();
    await page.keyboard.press("Space");
    await button(/^Paga/).click();
    await notice("il negozio non sa se il codice è stato usato").waitFor();
    expect(await loseAnswer.isChecked()).toBe(false);
    expect(await entries().first().locator("summary").innerText()).toMatch(
      /^200\s*Negozio: usa il codice\s*persa/,
    );
    await button("Riprova a pagare").click();
    await notice("non ha usato il codice due volte").waitFor();

    const uses = calls.slice(setUpCalls + 2);
    expect(uses).toHaveLength(2);
    expect(uses[0]).toEqual(uses[1]);
    expect(uses[0]?.body).toEqual({ otp_code: code, invalidate_otp: true });
    expect(uses[0]?.idempotencyKey).toMatch(/^cart-[0-9a-f-]{36}$/);
    expect(await page.locator("#idempotency-key").innerText()).toBe(uses[0]?.idempotencyKey);
    const [second, first] = await entries()
      .locator("pre")
      .filter({ hasText: '"discount_id": "libri-15"' })
      .allTextContents();
    expect(first).toBe(second);

    // There was only one use: another cart finds the code used.
    await button("Nuovo carrello").click();
    await codeField().fill(code);
    await button("Applica").click();
    await notice("Il codice sconto è già stato usato").waitFor();
    expect(await page.locator("#idempotency-key").innerText()).not.toBe(uses[0]?.idempotencyKey);
  });

  it.each([false, true])(
    "completes a payment unchanged, whatever the user does meanwhile; the answer is lost: %s",
    async (isLost) => {
      await open();
      const code = await applyNewCode();
      const idempotencyKey = await page.locator("#idempotency-key").innerText();
      await chooseOffer("25% per chi va all'università");
      await button("Genera codice").click();
      await notice("Il codice è pronto").waitFor();
      if (isLost) {
        await page.getByRole("switch", { name: "Simula una risposta persa" }).focus();
        await page.keyboard.press("Space");
      }
      const letThrough = await delayAnswer("**/validate");
      await button(/^Paga 34,25/).click();
      await atWork("pay");
      await button("Usalo al checkout").click();
      await focused(page.locator("#pay"));
      expect(await codeField().inputValue()).toBe(code);
      expect(await codeField().isEditable()).toBe(false);
      await total("34,25").waitFor();
      letThrough();
      if (isLost) {
        await notice("il negozio non sa se il codice è stato usato").waitFor();
        await button("Usalo al checkout").click();
        await focused(button("Riprova a pagare"));
        expect(await codeField().inputValue()).toBe(code);
        expect(await codeField().isEditable()).toBe(false);
        const background = "getComputedStyle(document.getElementById('code-field')).backgroundColor";
        expect(await page.evaluate(background)).not.toBe("rgb(255, 255, 255)");
        await total("34,25").waitFor();
        await button("Riprova a pagare").click();
      }
      await notice(/hai pagato 34,25\s€/).waitFor();
      await focused(button("Nuovo carrello"));
      expect(await page.locator("#idempotency-key").innerText()).toBe(idempotencyKey);
      expect(new Set(calls.slice(setUpCalls + 3).map((each) => each.idempotencyKey))).toEqual(
        new Set([idempotencyKey]),
      );

      // The app also shows the used code as over, and the other code waits for its cart.
      await button("Usalo al checkout").click();
      await focused(button("Applica"));
      await button("Applica").click();
      await notice("Sconto applicato: 25% per chi va all'università.").waitFor();
      await chooseOffer("15% sui libri");
      await panel("App IO").getByText("Usato", { exact: true }).waitFor();
      expect(await button("Usalo al checkout").isVisible()).toBe(false);
      expect(await page.getByRole("timer").isVisible()).toBe(false);
      expect(await page.locator("#ring").getAttribute("stroke-dashoffset")).toBe("1");
      expect(await button("Copia").isVisible()).toBe(false);
    },
  );

  it("keeps each shop's cart: calls for one go on while the page shows another", async () => {
    await open();
    await applyNewCode();
    const letPaymentThrough = await delayAnswer("**/validate");
    await button(/^Paga 34,25/).click();
    await atWork("pay");
    await chooseShop("Cinema Aurora");
    await expectTrace(2 * setUpCalls + 3, 1);
    await total("23,50").waitFor();
    expect(await codeField().inputValue()).toBe("");
    const letRefusalThrough = await delayAnswer("**/validate");
    await codeField().fill("AAAAAAAAAAA");
    await button("Applica").click();
    await atWork("apply");
    await chooseShop("Meridiana Viaggi");
    await expectTrace(3 * setUpCalls + 4, 2);
    await button(/^Paga 123,90/).click();
    await notice(/hai pagato 123,90\s€/).waitFor();
    letPaymentThrough();
    letRefusalThrough();
    await expectTrace(3 * setUpCalls + 4);
    await chooseShop("Cinema Aurora");
    await notice("Il codice sconto non esiste").waitFor();
    expect(await codeField().inputValue()).toBe("AAAAAAAAAAA");
    await chooseShop("Libreria Il Segnalibro");
    await notice(/hai pagato 34,25\s€/).waitFor();
    await total("34,25").waitFor();
  });

  it("shows which button is at work, and acts once for any number of presses", async () => {
    await open();
    /** Presses once, checks that the button is busy, presses again, and lets the answer through. */
    const pressTwice = async (
      id: string,
      notices: string,
      path: string,
      press: () => Promise<void>,
      callsOfPress = 1,
    ): Promise<void> => {
      const count = calls.length;
      const letThrough = await delayAnswer(path);
      await press();
      await atWork(id);
      expect(await page.locator(`#${notices} .alert`).count()).toBe(0);
      await page.locator(`#${id}`).click({ force: true });
      expect(await page.getByRole("dialog").count()).toBe(0);
      await page.locator(`#${id}`).press("Enter");
      expect(await page.getByRole("dialog").count()).toBe(0);
      await focused(page.locator(`#${id}`));
      letThrough();
      await page.locator(`#${notices} .alert`).waitFor();
      expect(await page.locator(`#${id}[aria-busy=true], #${id}[aria-disabled=true]`).count()).toBe(0);
      expect(calls).toHaveLength(count + callsOfPress);
    };
    const generate = (): Promise<void> =>
      pressTwice("generate", "app-notices", "**/otp/*", () => button("Genera codice").click());
    await generate();
    await generate();
    await notice("Hai già un codice attivo").waitFor();

    await button("Usalo al checkout").click();
    const apply = (): Promise<void> =>
      pressTwice("apply", "checkout-notices", "**/validate", async () => {
        await button("Applica").click();
        // The amount to pay is not known yet.
        await page.locator("#pay[aria-disabled=true][aria-busy=false]").click({ force: true });
        await button("Applica").focus();
      });
    await apply();
    await apply();

    const regenerateKey = (): Promise<void> =>
      pressTwice(
        "secondary-regenerate",
        "secondary-notices",
        "**/api-keys/secondary",
        async () => {
          await button("Rigenera Chiave secondaria").click();
          await page.getByRole("dialog").getByRole("button", { name: "Rigenera" }).click();
        },
        2,
      );
    await regenerateKey();
    await regenerateKey();
    const key = await page.locator("#secondary-value").innerText();
    expect((await host.ask(key, await shownCode())).status).toBe(200);

    const letThrough = await delayAnswer("**/validate");
    await button(/^Paga/).click();
    await atWork("pay");
    await page.locator("#pay").click({ force: true });
    letThrough();
    await notice("Ordine confermato").waitFor();
    expect(calls).toHaveLength(setUpCalls + 9);
  });

  it("applies only the code that is in the field when the answer comes", async () => {
    await open();
    await button("Genera codice").click();
    await button("Usalo al checkout").click();
    const letThrough = await delayAnswer("**/validate");
    await button("Applica").click();
    await atWork("apply");
    await codeField().pressSequentially("X");
    letThrough();
    await expectTrace(setUpCalls + 2);
    await total("40,30").waitFor();
    expect(await page.locator("#checkout-notices .alert").count()).toBe(0);
    await button("Applica").click();
    await notice("Il formato del codice sconto non è corretto").waitFor();
  });

  it("shows what happened to a code under the code's discount", async () => {
    await open();
    await chooseOffer("30% al cinema");
    const letThrough = await delayAnswer("**/otp/*");
    await button("Genera codice").click();
    await atWork("generate");
    await chooseOffer("20% su treni e ostelli");
    await button("Genera codice").click();
    await notice("Il codice è pronto").waitFor();
    const code = await shownCode();
    await chooseOffer("15% sui libri");
    letThrough();
    await expectTrace(setUpCalls + 2);
    expect(await page.locator("#app-notices .alert, #code:visible").count()).toBe(0);
    await chooseOffer("30% al cinema");
    await notice("Il codice è pronto").waitFor();
    expect(await shownCode()).not.toBe(code);
    await chooseOffer("20% su treni e ostelli");
    expect(await shownCode()).toBe(code);
  });

  it("keeps the code and the payment when the service refuses the shop's key", async () => {
    await open();
    await applyNewCode();
    await regenerate("Chiave primaria");
    await button(/^Paga 34,25/).click();
    await notice("Il negozio ha una chiave che non vale più").waitFor();
    await total("34,25").waitFor();
    expect(await codeField().isEditable()).toBe(true);
    await button("Dalla al negozio Chiave primaria").click();
    await page.getByRole("switch", { name: "Simula una risposta persa" }).focus();
    await page.keyboard.press("Space");
    await button(/^Paga 34,25/).click();
    await button("Riprova a pagare").waitFor();
    await regenerate("Chiave primaria");
    await button("Riprova a pagare").click();
    await notice("Il negozio ha una chiave che non vale più").waitFor();
    expect(await codeField().isEditable()).toBe(false);
    await button("Dalla al negozio Chiave primaria").click();
    await button("Riprova a pagare").click();
    await notice(/hai pagato 34,25\s€\. Riprovare/).waitFor();
    expect(statuses.slice(setUpCalls + 2)).toEqual([200, 200, 401, 200, 200, 200, 401, 200]);
  });

  it("withdraws the discount when a code proves to be used, and moves the focus to its field", async () => {
    await open();
    const code = await applyNewCode();
    const key = await host.newApiKey("esempio-libreria", "secondary");
    expect((await host.use(key, code)).status).toBe(200);
    expect(await codeField().getAttribute("aria-invalid")).toBe("false");
    await button(/^Paga 34,25/).click();
    await notice("Il codice sconto è già stato usato").waitFor();
    await total("40,30").waitFor();
    await focused(codeField());
    expect(await codeField().getAttribute("aria-invalid")).toBe("true");
    await page.keyboard.press("Backspace");
    expect(await codeField().getAttribute("aria-invalid")).toBe("false");
    expect(await page.locator("#checkout-notices .alert").count()).toBe(0);
  });

  it("grants nothing for a discount that the shop does not know", async () => {
    await open();
    const body = { merchant_id: "esempio-libreria", discount_id: "sconosciuta" };
    await codeField().fill(await host.newCode(fiscalCode, body));
    await button("Applica").click();
    await notice("per un'agevolazione che questo negozio non conosce").waitFor();
    await total("40,30").waitFor();
    await focused(codeField());
  });

  it("says in each panel that the service fails or does not answer, and continues when it recovers", async () => {
    await open();
    const tasks = [
      ["app-notices", () => button("Genera codice").click()],
      ["checkout-notices", () => button("Applica").click()],
      [
        "secondary-notices",
        async () => {
          await button("Revoca Chiave secondaria").click();
          await page.getByRole("dialog").getByRole("button", { name: "Revoca" }).click();
        },
      ],
    ] as const;
    await codeField().fill("AAAAAAAAAAA");
    for (const [id, run] of tasks) {
      const said = page.locator(`#${id}`);
      await page.route("**/api/**", (route) => route.fulfill(unavailable), { times: 1 });
      await run();
      await said.getByText("Non disponibile").waitFor();
      await page.route("**/api/**", (route) => route.abort(), { times: 1 });
      await run();
      await said.getByText("Il servizio non è disponibile.").waitFor();
      await run();
      await said.getByText("Il servizio non è disponibile.").waitFor({ state: "detached" });
      await said.locator(".alert").first().waitFor();
    }
    // The service failed, which says nothing about the code.
    expect(statuses.filter((status) => status >= 400)).toEqual([503, 503, 404, 503]);
    expectFailuresOnly();
  });

  it("gives up on a service that has not answered within ten seconds, and not before", async () => {
    await page.clock.install();
    // The browser's own timeout does not follow this test's clock.
    await page.addInitScript(`AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      setTimeout(() => { controller.abort(); }, ms);
      return controller.signal;
    }`);
    await open();
    await page.route("**/otp/*", () => undefined, { times: 1 });
    await button("Genera codice").click();
    await atWork("generate");
    await page.clock.runFor(9_000);
    expect(await page.locator("#generate").getAttribute("aria-busy")).toBe("true");
    await page.clock.runFor(1_500);
    await notice("Il servizio non è disponibile.").waitFor();
    expect(await entries().first().locator("summary").innerText()).toMatch(/^—/);
    await entries().first().getByText("Nessuna risposta.").waitFor();
    expectFailuresOnly();
  });

  it("says that a shop has no key when it could generate none, and generates them later", async () => {
    await open();
    await page.route("**/api-keys/*", (route) => route.abort());
    await chooseShop("Cinema Aurora");
    await expectTrace(2 * setUpCalls);
    await page.locator("#primary-value").getByText("Nessuna chiave").waitFor();
    await notice("Il servizio non è disponibile.").waitFor();
    await codeField().fill("AAAAAAAAAAA");
    await button("Applica").click();
    await notice("Il negozio non ha ancora una chiave").waitFor();
    await page.unroute("**/api-keys/*");
    await button("Riprova Chiave primaria").click();
    await notice("Chiave primaria generata una volta sola").waitFor();
    await button("Dalla al negozio Chiave primaria").click();
    await button("Applica").click();
    await notice("Il codice sconto non esiste").waitFor();

    await chooseShop("Libreria Il Segnalibro");
    await chooseShop("Cinema Aurora");
    await page.locator("#secondary-value").getByText(/•{4}/).waitFor();
    expect(await page.locator("#portal-notices .alert").count()).toBe(0);
    await expectTrace(2 * setUpCalls + 8);
    expectFailuresOnly();
  });

  it("keeps the cart for a retry when the service fails, or does not answer, during a payment", async () => {
    await open();
    await applyNewCode();
    await page.route("**/validate", (route) => route.fulfill(unavailable));
    await button(/^Paga/).click();
    await notice("Non disponibile").waitFor();
    await page.unroute("**/validate");
    await page.route("**/validate", (route) => route.abort());
    await button("Riprova a pagare").click();
    await notice("il negozio non sa se il codice è stato usato").waitFor();
    await page.unroute("**/validate");
    await button("Riprova a pagare").click();
    await notice("Ordine confermato").waitFor();
    expect(new Set(calls.slice(setUpCalls + 2).map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
    expectFailuresOnly();
  });

  it("shows the customer the service's words about a code", async () => {
    await open();
    for (const [code, status, title] of [
      ["<b>x</b>", 400, "Il formato del codice sconto non è corretto"],
      ["AAAAAAAAAAA", 404, "Il codice sconto non esiste"],
    ] as const) {
      await codeField().fill(code);
      await button("Applica").click();
      await notice(title).waitFor();
      expect(statuses.at(-1)).toBe(status);
    }
  });

  it("shows that a code of another shop is refused, and takes it to its own", async () => {
    await open();
    await page.getByRole("radio", { name: "30% al cinema" }).check();
    await button("Genera codice").click();
    const code = await shownCode();
    await codeField().fill(` ${code.toLowerCase()} `);
    await button("Applica").click();
    await notice("Il codice sconto non esiste").waitFor();
    await button("Usalo al checkout").click();
    expect(await page.getByLabel("Negozio", { exact: true }).inputValue()).toBe("esempio-cinema");
    await button("Applica").click();
    await notice("Sconto applicato: 30% al cinema.").waitFor();
  });

  it("does not take a payment while a code is typed but not applied, and takes the full price without one", async () => {
    await open();
    const field = page.getByLabel("Codice sconto", { exact: true });
    await field.fill("AAAAAAAAAAA");
    await button(/^Paga/).click();
    await notice("Hai scritto un codice: premi Applica").waitFor();
    await focused(field);
    await field.fill("");
    await button(/^Paga 40,30/).click();
    await notice(/hai pagato 40,30\s€/).waitFor();
    await focused(button("Nuovo carrello"));
    await expectTrace(setUpCalls);
    // The second click of a double click is for the pay button, not for the button that replaced it.
    await button("Nuovo carrello").hover();
    await page.mouse.down({ clickCount: 2 });
    await page.mouse.up({ clickCount: 2 });
    await notice(/hai pagato 40,30\s€/).waitFor();
    const idempotencyKey = await page.locator("#idempotency-key").innerText();
    await button("Nuovo carrello").click();
    await focused(field);
    expect(await page.locator("#idempotency-key").innerText()).not.toBe(idempotencyKey);
  });

  it("shows markup from the service as plain text", async () => {
    await open();
    const markup = `<img src="x" onerror="console.error('run')"><b>bold</b>`;
    await page.route("**/validate", (route) =>
      route.fulfill({
        status: 404,
        contentType: "application/problem+json",
        body: JSON.stringify({ type: markup, title: markup, status: 404, detail: markup }),
      }),
    );
    await codeField().fill("AAAAAAAAAAA");
    await button("Applica").click();
    await notice(markup).first().waitFor();
    expect(await page.locator("main img, main b").count()).toBe(0);
  });

  const hasCurl = spawnSync("curl", ["--version"]).status === 0;
  if (!hasCurl) {
    console.warn("curl is not installed: the commands of the trace are not run");
  }
  (hasCurl ? it : it.skip)(
    "gives each call as a curl command that does the same, for any text that was typed",
    async () => {
      await open();
      await codeField().fill(`'; echo "$HOME" \`id\` \\ '`);
      await button("Applica").click();
      await notice("Il formato del codice sconto non è corretto").waitFor();
      await applyNewCode();
      const run = async (index: number): Promise<unknown> => {
        const entry = entries().nth(index);
        const group = page.locator("#start:not([open])").filter({ has: entry });
        if ((await group.count()) > 0) {
          await group.locator("#start-title").click();
        }
        if ((await entry.locator("details").getAttribute("open")) === null) {
          await entry.locator("summary").click();
        }
        await entry.getByRole("button", { name: "Copia come curl" }).click();
        const shell = spawnSync("sh", ["-c", await clipboard()], { encoding: "utf8" });
        expect(shell.stderr).toBe("");
        return shell.stdout === "" ? undefined : JSON.parse(shell.stdout);
      };
      expect(await run(0)).toMatchObject({ discount_id: "libri-15" });
      expect(await run(1)).toMatchObject({ status: 409, otp: { code: await shownCode() } });
      expect(await run(2)).toMatchObject({
        status: 400,
        title: "Il formato del codice sconto non è corretto",
      });
      expect(await run(3)).toEqual((await host.list("esempio-libreria")).json);
      // A repetition with the same Idempotency-Key replaces nothing.
      const { api_key: apiKey } = decode(ApiKeyBody, await run(5));
      await button("Applica").click();
      await expectTrace(setUpCalls + 4);
      expect(statuses.at(-1)).toBe(200);

      await revoke("Chiave secondaria");
      const renewed = await host.newApiKey("esempio-libreria", "secondary");
      expect((await host.ask(renewed, "AAAAAAAAAAA")).status).toBe(404);
      expect(await run(1)).toBeUndefined();
      expect((await host.ask(renewed, "AAAAAAAAAAA")).status).toBe(401);
      expect((await host.ask(apiKey, "AAAAAAAAAAA")).status).toBe(404);
    },
  );

  it("shows a call in the trace as soon as it is sent, and its answer when that arrives", async () => {
    await open();
    const letThrough = await delayAnswer("**/otp/*");
    await button("Genera codice").click();
    const entry = entries().first();
    await entry.getByText("App IO: genera un codice").waitFor();
    expect(await entry.locator("summary").innerText()).toMatch(/^…[^]*· …$/);
    await entry.getByText("La risposta non è ancora arrivata.").waitFor();
    await entry.getByText('"discount_id": "libri-15"').waitFor();
    letThrough();
    await entry.getByText(/^200\ncontent-type: application\/json\n\n\{/).waitFor();
    expect(await entry.locator("summary").innerText()).toMatch(/^200[^]*· \d+ ms$/);
    expect(await entry.getByText("La risposta non è ancora arrivata.").isVisible()).toBe(false);
    await entry
      .getByRole("button", { name: "Copia come curl App IO: genera un codice", exact: true })
      .waitFor();
  });

  it("keeps the calls of its own start in a closed group, and opens what the user does", async () => {
    const letThrough = await delayAnswer("**/api-keys/primary");
    await page.goto(host.baseUrl);
    const ofUser = page.locator("#trace > li");
    const group = page.locator("#start:not([open])");
    await group.getByText("All'avvio la pagina ha preparato il negozio (chiamate: 2)").waitFor();
    await page.getByText(makeLocale("it").messages.noCalls).waitFor();
    expect(await ofUser.count()).toBe(0);
    await button("Genera codice").click();
    await notice("Il codice è pronto").waitFor();
    letThrough();
    await expectTrace(setUpCalls + 1);
    await group.getByText("All'avvio la pagina ha preparato il negozio (chiamate: 4)").waitFor();
    expect(await ofUser.locator("details[open] .operation").allInnerTexts()).toEqual([
      "App IO: genera un codice",
    ]);
    expect(await page.locator(".last-call:visible").count()).toBe(1);
    await page.locator("#start-title").click();
    const ofStart = page.locator("#start-calls > li");
    await ofStart.last().waitFor();
    expect(await ofStart.locator("details[open]").count()).toBe(0);
    expect(await ofStart.locator("summary .call").allInnerTexts()).toEqual([
      "GET /api/v1/cgn/merchants/esempio-libreria/api-keys",
      "POST /api/v1/cgn/merchants/esempio-libreria/api-keys/secondary",
      "POST /api/v1/cgn/merchants/esempio-libreria/api-keys/primary",
      "GET /api/v1/cgn/merchants/esempio-libreria/api-keys",
    ]);
  });

  it("shows in each panel the last call that it made, and leads to it", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ reducedMotion: "reduce" });
    await open();
    await applyNewCode();
    await codeField().fill("AAAAAAAAAAA");
    await button("Applica").click();
    await notice("Il codice sconto non esiste").waitFor();
    await revoke("Chiave secondaria");
    expect(await page.locator(".last-call").allInnerTexts()).toEqual([
      expect.stringMatching(/^Ultima chiamata:\s*200\s*POST \/api\/v1\/cgn\/otp\/AAAAAA00A00A000A$/),
      expect.stringMatching(/^Ultima chiamata:\s*404\s*POST \/api\/v1\/merchant\/cgn\/otp\/validate$/),
      expect.stringMatching(/^Ultima chiamata:\s*204\s*DELETE \S+\/api-keys\/secondary$/),
    ]);
    await panel("App IO").getByRole("link").click();
    const entry = entries().nth(4);
    await entry.getByText('"discount_id": "libri-15"').waitFor();
    expect((await entry.locator("summary").boundingBox())?.y).toBeLessThan(740);
  });

  it("keeps the latest fifty calls in the trace, and no more", async () => {
    await open();
    for (let count = setUpCalls + 1; count <= 50; count++) {
      await button("Genera codice").click();
      await entries()
        .nth(count - 1)
        .waitFor({ state: "attached" });
    }
    await applyNewCode();
    expect(await entries().count()).toBe(50);
    expect(await entries().first().locator("summary").innerText()).toContain("/merchant/cgn/otp/validate");
  });

  const Focused = t.type({ name: t.string, outline: t.string, shadow: t.string });
  const focusedElement = `(() => {
    const element = document.activeElement;
    // A switch shows its focus around its label.
    const { outlineStyle, boxShadow } = getComputedStyle(
      element.role === "switch" ? element.closest("label") : element,
    );
    return { name: element.outerHTML.slice(0, 100), outline: outlineStyle, shadow: boxShadow };
  })()`;
  const tabTo = async (target: Locator, key = "Tab"): Promise<void> => {
    do {
      await page.keyboard.press(key);
      const { name, outline, shadow } = decode(Focused, await page.evaluate(focusedElement));
      expect([name, outline, shadow]).not.toEqual([name, "none", "none"]);
    } while ((await target.and(page.locator(":focus")).count()) === 0);
  };

  it("can be used with the keyboard alone, and always shows the focus", async () => {
    await open();
    await tabTo(page.getByRole("link", { name: "Vai al contenuto" }));
    await page.keyboard.press("Enter");
    await tabTo(page.getByRole("radio", { name: "15% sui libri" }));
    await page.keyboard.press("ArrowDown");
    await tabTo(button("Genera codice"));
    await page.keyboard.press("Enter");
    await notice("Il codice è pronto").waitFor();
    await tabTo(button("Usalo al checkout"));
    await page.keyboard.press("Enter");
    // The next element is the field's button.
    await page.keyboard.press("Enter");
    await notice("Sconto applicato: 25% per chi va all'università.").waitFor();
    await tabTo(page.getByRole("switch", { name: "Simula una risposta persa" }));
    await page.keyboard.press("Space");
    await tabTo(button(/^Paga/), "Shift+Tab");
    await page.keyboard.press("Enter");
    await button("Riprova a pagare").waitFor();
    await page.keyboard.press("Enter");
    await notice("Ordine confermato").waitFor();
    // The pressed button is gone. The next one has the focus.
    await button("Nuovo carrello").and(page.locator(":focus")).waitFor();

    await tabTo(button("Rigenera Chiave primaria"));
    await page.keyboard.press("Enter");
    await page.locator("dialog:modal").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Annulla" }).and(page.locator(":focus")).waitFor();
    await tabTo(page.getByRole("dialog").getByRole("button", { name: "Rigenera" }));
    await page.keyboard.press("Enter");
    await notice("Chiave primaria rigenerata.").waitFor();
    await button("Rigenera Chiave primaria").and(page.locator(":focus")).waitFor();
    await tabTo(button("Dalla al negozio Chiave primaria"));
    await page.keyboard.press("Enter");
    await page
      .getByRole("radio", { name: "Il negozio usa questa Chiave primaria" })
      .and(page.locator(":focus"))
      .waitFor();
    await page.keyboard.press("ArrowDown");
    await notice("Il negozio ora usa la chiave secondaria.").waitFor();
    await tabTo(entries().nth(2).locator("summary"));
    await page.keyboard.press("Enter");
    await tabTo(entries().nth(2).getByRole("button", { name: "Copia come curl" }));
    await page.keyboard.press("Enter");
    expect(await clipboard()).toContain("Idempotency-Key: cart-");
  });

  it("can be tried with the test key, and have a key revoked, with the keyboard alone", async () => {
    await open();
    await tabTo(button("Revoca Chiave secondaria"));
    await page.keyboard.press("Enter");
    await tabTo(page.getByRole("dialog").getByRole("button", { name: "Revoca" }));
    await page.keyboard.press("Enter");
    await notice("Chiave secondaria revocata.").waitFor();
    await focused(button("Genera Chiave secondaria"));
    await tabTo(button("Genera Chiave di prova"));
    await page.keyboard.press("Enter");
    await notice("Chiave di prova generata.").waitFor();
    await tabTo(button("Dalla al negozio Chiave di prova"));
    await page.keyboard.press("Enter");
    await focused(button("Rigenera Chiave di prova"));
    await tabTo(page.getByRole("switch", { name: "Usa la chiave di prova" }), "Shift+Tab");
    await page.keyboard.press("Space");
    await tabTo(button(/^TESTUSED000/));
    await page.keyboard.press("Enter");
    await focused(button("Applica"));
    await page.keyboard.press("Enter");
    await notice("Il codice sconto è già stato usato").waitFor();
    await focused(codeField());
  });

  it.each([
    [360, "it"],
    [360, "en"],
    [1024, "it"],
    [1440, "en"],
  ] as const)(
    "breaks no accessibility rule and does not scroll sideways, at %d px in %s, in any state",
    async (width, language) => {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ reducedMotion: "reduce" });
      await open(`/?lang=${language}`);
      const { messages } = makeLocale(language);
      await expectSound();
      await button(messages.generate).click();
      await button(messages.useAtCheckout).click();
      await button(messages.apply).click();
      await page.locator("#cart-total .reduction").waitFor();
      await button(messages.generate).click();
      await expectSound();
      await button(`${messages.regenerate} ${messages.keyTitle.primary}`).click();
      await expectSound();
      await page.getByRole("dialog").getByRole("button", { name: messages.regenerate }).click();
      await page.locator("#primary-fresh").waitFor();
      await button(messages.apply).click();
      await notice(messages.keyRefused).waitFor();
      await expectSound();
      await button(`${messages.give} ${messages.keyTitle.primary}`).click();
      await button(messages.apply).click();
      await page.locator("#cart-total .reduction").waitFor();
      await page.getByRole("switch", { name: messages.loseAnswer }).focus();
      await page.keyboard.press("Space");
      await page.locator("#pay").click();
      await notice(messages.answerLost).waitFor();
      await expectSound();
      await button(messages.retry).click();
      await button(messages.newCart).waitFor();
      await expectSound();
      await button(`${messages.revoke} ${messages.keyTitle.secondary}`).click();
      await expectSound();
      await page.getByRole("dialog").getByRole("button", { name: messages.revoke }).click();
      await page.locator("#secondary-refused:visible").waitFor();
      await page.getByRole("switch", { name: messages.loseKey }).focus();
      await page.keyboard.press("Space");
      await button(`${messages.generateKey} ${messages.keyTitle.test}`).click();
      await notice(messages.keyUnsettled).waitFor();
      await expectSound();
      await button(`${messages.retryKey} ${messages.keyTitle.test}`).click();
      await page.locator("#test-fresh:visible").waitFor();
      await expectSound();
      await button(`${messages.give} ${messages.keyTitle.test}`).click();
      await page.getByRole("switch", { name: messages.useTestKey }).focus();
      await page.keyboard.press("Space");
      await button(/^TESTEXPIRED/).click();
      await button(messages.apply).click();
      await page.locator("#checkout-notices .alert").waitFor();
      await expectSound();
    },
  );

  it("puts its panels side by side where there is room, and one below the other on a phone", async () => {
    await open();
    for (const [width, columns, rows] of [
      [360, 1, 3],
      [768, 2, 2],
      [1024, 2, 2],
      [1440, 2, 2],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      const boxes = await Promise.all(
        ["App IO", "Checkout", "Portale operatori"].map((name) => panel(name).boundingBox()),
      );
      const distinct = (of: "x" | "y"): number => new Set(boxes.map((box) => box?.[of])).size;
      expect([width, distinct("x"), distinct("y")]).toEqual([width, columns, rows]);
    }
  });

  it.each([
    [768, 1 / 2],
    [1024, 1 / 3],
    [1440, 1 / 3],
  ])("gives the story more room than the portal, and fills it, at %d px", async (width, mostEmpty) => {
    await page.setViewportSize({ width, height: 900 });
    await open();
    /** The height of each panel, and of the tallest part of it in which there is nothing. */
    const measured = `["app", "checkout", "portal"].map((id) => {
      const panel = document.getElementById(id);
      const parts = [...panel.children].filter((part) => part.checkVisibility() && part.offsetHeight > 0);
      const edges = parts.map((part) => part.getBoundingClientRect());
      const { bottom, height } = panel.getBoundingClientRect();
      const ends = [...edges.slice(1).map(({ top }) => top), bottom];
      return { height, empty: Math.max(...edges.map((edge, index) => ends[index] - edge.bottom)) };
    })`;
    const Measured = t.array(t.type({ height: t.number, empty: t.number }));
    const expectFilled = async (): Promise<void> => {
      const [app, checkout, portal] = decode(Measured, await page.evaluate(measured));
      expect(app?.height).toBe(checkout?.height);
      expect(app?.height).toBeGreaterThan(portal?.height ?? NaN);
      for (const each of [app, checkout]) {
        expect(each?.empty).toBeLessThan((each?.height ?? NaN) * mostEmpty);
      }
    };
    await expectFilled();
    await button("Genera codice").click();
    await notice("Il codice è pronto").waitFor();
    await expectFilled();
    await button("Usalo al checkout").click();
    await button("Applica").click();
    await notice("Sconto applicato").waitFor();
    await expectFilled();
    await button(/^Paga/).click();
    await notice("Ordine confermato").waitFor();
    await expectFilled();
  });

  it("sets a shop up without announcing it", async () => {
    await page.addInitScript(`
      window.seen = [];
      new MutationObserver(() => {
        for (const element of document.querySelectorAll(".attention:not([hidden]), #portal [role=status] .alert")) {
          window.seen.push(element.textContent);
        }
      }).observe(document, { subtree: true, childList: true, attributes: true });`);
    await open();
    await chooseShop("Cinema Aurora");
    await expectTrace(2 * setUpCalls);
    expect(await page.evaluate("window.seen")).toEqual([]);
    await regenerate("Chiave primaria");
    expect(await page.evaluate("window.seen")).not.toEqual([]);
  });

  it("announces everything in live regions that already exist, and nothing twice", async () => {
    await open();
    expect(await page.getByRole("status").count()).toBe(8);
    expect(await page.locator("#cart-total").getAttribute("aria-live")).toBe("polite");
    await button("Genera codice").click();
    await button("Copia").click();
    await notice(/^Copiato$/).waitFor();
    await codeField().fill("AAAAAAAAAAA");
    await button("Applica").click();
    await notice("Il codice sconto non esiste").waitFor();
    // The service's words stay in the language in which it answered.
    const said = "document.querySelector('#checkout-notices .alert')";
    await page.evaluate(`window.said = ${said}`);
    await page.getByRole("link", { name: "English" }).click();
    await notice("The code is ready").and(page.locator("[lang=en]")).waitFor();
    await page.locator("#checkout-notices .alert[lang=it]").waitFor();
    expect(await page.evaluate(`window.said === ${said}`)).toBe(true);
  });

  it("shows no motion when the user prefers less, and keeps its outlines in forced colours", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await open();
    const read = "getComputedStyle(document.getElementById('ring')).transitionDuration";
    expect(await page.evaluate(read)).toBe("0s");
    await page.emulateMedia({ reducedMotion: "no-preference" });
    expect(await page.evaluate(read)).not.toBe("0s");
    const border = "getComputedStyle(document.getElementById('generate')).borderTopWidth";
    expect(await page.evaluate(border)).toBe("0px");
    await page.emulateMedia({ forcedColors: "active" });
    expect(await page.evaluate(border)).toBe("1px");
    // The button that leads on is still told from the others.
    const backgrounds = await readAll(
      "['generate', 'apply', 'pay'].map((id) => getComputedStyle(document.getElementById(id)).backgroundColor)",
    );
    expect(backgrounds.map((each) => backgrounds.indexOf(each))).toEqual([0, 1, 1]);
  });
});
