import axe from "axe-core";
import * as t from "io-ts";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { makeFunctions } from "../../functions";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { makeLocale, type Messages } from "../../playground/page/messages";
import type { StoreKind } from "../../playground/page/store-kind";
import { makePlaygroundStore } from "../../playground/playground-store";
import type { TestCode } from "../../shared/domain/test-codes";
import { OtpBody } from "../../shared/http/bodies";
import { call, fiscalCode, makeApi, type Api } from "../../tools/support/api";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { decode } from "../../tools/support/either";
import { readItems, startService, type Service } from "../../tools/support/service";

const executablePath = findChromium();
if (executablePath === undefined) {
  console.warn(`${describeMissingChromium()}: the playground is not tried in a browser`);
}

interface Host extends Api {
  readonly service: Service;
  /** What it logged, besides its calls. */
  readonly log: readonly string[];
  readonly stop: () => Promise<void>;
}

/** The local host with the playground, in this process, over a store of its own that is empty. */
const startHost = async (kind: StoreKind = "own"): Promise<Host> => {
  const service = await startService();
  // The page counts down by the browser's clock.
  service.clock.advance((Date.now() - service.clock().getTime()) / 1000);
  const functions = makeFunctions(service.config, service.store.forCall, service.clock);
  const log: string[] = [];
  const server = makeHost([...functions, makePlaygroundStore(kind)], (level, ...args) => {
    if (level !== "information") {
      log.push([level, ...args.map(String)].join(" "));
    }
  });
  return {
    ...makeApi(`http://127.0.0.1:${await listen(server, 0)}`),
    service,
    log,
    stop: async () => {
      await close(server);
      await service.stop();
    },
  };
};

describe("the playground's files", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it("come only from the host, each with the right type", async () => {
    const page = await call(`${service.baseUrl}/`);
    const addresses = [...page.text.matchAll(/<(?:link|script|use)\b[^>]*?(?:src|href)="([^"#]+)/g)].flatMap(
      ([, address = ""]) => address,
    );
    const style = await call(`${service.baseUrl}/playground/site.css`);
    const fonts = [...style.text.matchAll(/url\("\.\/([^"]+)"\)/g)].flatMap(
      ([, name = ""]) => `/playground/${name}`,
    );
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
  });

  it.each(["/playground/", "/playground/main.ts", "/playground/..%2fstart.js"])(
    "do not exist at %s",
    async (path) => {
      expect((await call(service.baseUrl + path)).status).toBe(404);
    },
  );

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
    expect(italian.filter(([name, text]) => english.get(name) === text)).toEqual([
      ["card", "Carta Giovani Nazionale"],
    ]);
  });
});

(executablePath === undefined ? describe.skip : describe)("the playground in a browser", () => {
  let browser: Browser;
  let host: Host;
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
    host = await startHost();
    context = await browser.newContext({ reducedMotion: "reduce" });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => {
      // Chromium logs each answer with a status of 400 or more. Refusals by the API are part of the story.
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
    await host.stop();
    expect(complaints).toEqual([]);
    expect(new Set(addresses)).toEqual(new Set([host.baseUrl]));
    expect(host.log).toEqual([]);
  });

  /** The calls for a shop without keys: reading the list, making both keys, and reading the list again. */
  const setUpCalls = 4;

  const open = async (path = "/"): Promise<void> => {
    await page.goto(host.baseUrl + path);
    await expectTrace(setUpCalls);
  };

  const button = (name: string | RegExp): Locator => page.getByRole("button", { name, exact: true });
  const toggle = (name: string): Locator => page.getByRole("switch", { name });
  const confirmed = (name: string): Locator => page.getByRole("dialog").getByRole("button", { name });
  const notice = (text: string | RegExp): Locator => page.getByRole("status").getByText(text);
  const shownCode = (): Promise<string> => page.locator("#code:visible").innerText();
  const entries = (): Locator => page.locator(".trace > li");
  const total = (text: string): Locator => page.locator("#cart-total .total").getByText(text);
  const codeField = (): Locator => page.locator("#code-field");
  const cartKey = (): Promise<string> => page.locator("#idempotency-key").innerText();
  const shownValue = (keyType: string): Promise<string> => page.locator(`#${keyType}-value`).innerText();
  const chooseOffer = (name: string): Promise<void> => page.getByRole("radio", { name }).check();
  /** Waits until a button is at work. */
  const atWork = (id: string): Promise<void> =>
    page.locator(`#${id}[aria-busy=true][aria-disabled=true]`).waitFor();
  const focused = (target: Locator): Promise<void> => target.and(page.locator(":focus")).waitFor();
  const clipboard = async (): Promise<string> =>
    decode(t.string, await page.evaluate("navigator.clipboard.readText()"));

  /** Waits until the page has made `count` calls, and has their answers. */
  const expectTrace = async (count: number): Promise<void> => {
    // Those of the page's start are in a closed group.
    await entries()
      .filter({ has: page.locator("[aria-busy=false]") })
      .nth(count - 1)
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

  const expectNoSidewaysScroll = async (): Promise<void> => {
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(page.viewportSize()?.width);
  };
  /** Checks what the page shows at this moment. */
  const expectSound = async (): Promise<void> => {
    const run = `${axe.source};axe.run({ resultTypes: ["violations"] })`;
    expect(decode(Violations, await page.evaluate(run)).violations).toEqual([]);
    await expectNoSidewaysScroll();
  };

  /** Makes a new code, and applies it at the checkout. */
  const applyNewCode = async (): Promise<string> => {
    await button("Genera codice").click();
    await button("Usalo al checkout").click();
    await button("Applica").click();
    await notice("Sconto applicato: 15% sui libri.").waitFor();
    return shownCode();
  };
  const applyTyped = async (code: string): Promise<void> => {
    await codeField().fill(code);
    await button("Applica").click();
  };
  const regenerate = async (title: string): Promise<void> => {
    await button(`Rigenera ${title}`).click();
    await confirmed("Rigenera").click();
    await notice(`${title} rigenerata.`).waitFor();
  };
  const revoke = async (title: string): Promise<void> => {
    await button(`Revoca ${title}`).click();
    await confirmed("Revoca").click();
    await notice(`${title} revocata.`).waitFor();
  };

  /** The stressed buttons, and the step to which the page says that the story has come. */
  const stressed = async (): Promise<readonly string[]> =>
    decode(
      t.array(t.string),
      await page.evaluate(
        "[...document.querySelectorAll('.btn-primary, .steps [aria-current=step]')].filter((each) => each.checkVisibility()).map(({ id }) => id)",
      ),
    );

  const unavailable = {
    status: 503,
    contentType: "application/problem+json",
    body: '{"type":"x/service-unavailable","title":"Non disponibile","status":503,"detail":"Riprova."}',
  };
  /** What Chromium logs about a call without an answer, or with a 503. */
  const ofFailure =
    /^failed: |^Failed to load resource: (?:net::ERR_|the server responded with a status of 503)/;
  const expectFailuresOnly = (): void => {
    expect(complaints.filter((complaint) => !ofFailure.test(complaint))).toEqual([]);
    complaints = [];
  };

  it.each(["it", "en"] as const)(
    "plays the whole story in %s: generate, copy, paste, apply, pay, find it used",
    async (language) => {
      const { messages, formatPrice } = makeLocale(language);
      await open(language === "it" ? "/" : "/?lang=en");
      expect(await page.locator("html").getAttribute("lang")).toBe(language);
      expect(await stressed()).toEqual(["step-1", "generate"]);

      await button(messages.generate).click();
      const code = await shownCode();
      expect(code).toMatch(/^[A-Z0-9]{11}$/);
      expect(await stressed()).toEqual(["step-2", "use-at-checkout"]);
      await button(messages.copy).click();
      expect(await clipboard()).toBe(code);

      await page.getByLabel(messages.codeField, { exact: true }).focus();
      await page.keyboard.press("ControlOrMeta+V");
      expect(await stressed()).toEqual(["step-2", "apply"]);
      await button(messages.apply).click();
      await page.locator("#cart-total .reduction").getByText(formatPrice(-605)).waitFor();
      expect(await stressed()).toEqual(["step-2", "pay"]);
      await button(messages.pay(formatPrice(3425))).click();
      await notice(messages.paid(formatPrice(3425))).waitFor();
      expect(await stressed()).toEqual(["step-3", "to-portal"]);

      await button(messages.newCart).click();
      await codeField().fill(code);
      await button(messages.apply).click();
      await notice(
        language === "it" ? "Il codice sconto è già stato usato" : "The discount code has already been used",
      ).waitFor();
      // The same code would be refused again.
      expect(await stressed()).toEqual(["step-1", "generate"]);
      expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 404]);
      expect(calls.slice(setUpCalls + 1).map(({ body }) => body)).toEqual(
        [false, true, false].map((invalidate_otp) => ({ otp_code: code, invalidate_otp })),
      );
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
    const told = Object.values(makeLocale("it").messages).flatMap((text) =>
      typeof text === "string" && text !== "Carta Giovani Nazionale" && text.length > 6 ? [text] : [],
    );
    expect(told.filter((text) => inItalian.includes(text)).length).toBeGreaterThan(20);
    expect(told.filter((text) => inEnglish.includes(text))).toEqual([]);
    expect(await page.locator("html").getAttribute("lang")).toBe("en");
    expect(await page.title()).toBe(makeLocale("en").messages.pageTitle);
    expect(await shownCode()).toBe(code);
    await page.reload();
    await button("Generate code").waitFor();
    await expectTrace(1);
  });

  it("shows the live code again, counts down its life, and says when it is over", async () => {
    await page.clock.install();
    await open();
    const answer = page.waitForResponse("**/otp");
    await button("Genera codice").click();
    const { code, expires_at } = decode(OtpBody, await (await answer).json());
    const endsAt = Date.parse(expires_at);
    await button("Genera codice").click();
    await notice("Hai già un codice attivo per questa agevolazione: eccolo.").waitFor();
    expect(await shownCode()).toBe(code);

    const shown = async (): Promise<readonly unknown[]> => [
      await page.getByRole("timer").innerText(),
      await page.locator("#ring").getAttribute("stroke-dashoffset"),
    ];
    await page.clock.pauseAt(endsAt - 300_000);
    expect(await shown()).toEqual(["5:00", "0.5"]);
    await page.clock.pauseAt(endsAt - 500);
    expect((await shown())[0]).toBe("0:01");
    await button("Usalo al checkout").focus();
    await page.clock.pauseAt(endsAt + 1000);
    // The button with the focus is gone. The next thing to do has the focus.
    await focused(button("Genera codice"));
    await notice("Il codice è scaduto. Puoi generarne uno nuovo.").waitFor();
    expect(await shown()).toEqual(["0:00", "1"]);
    expect(await button("Usalo al checkout").isVisible()).toBe(false);
    expect(await button("Copia").isVisible()).toBe(false);

    await page.clock.resume();
    host.service.clock.advance(601);
    await applyTyped(code);
    await notice("Il codice sconto è scaduto").waitFor();
    await button("Genera codice").click();
    await page.locator("#code").filter({ hasNotText: code }).waitFor();
    expect(statuses.slice(setUpCalls)).toEqual([200, 409, 404, 200]);
  });

  describe("after a reload", () => {
    it("still has the keys that the shop was given, no other, and makes none in their place", async () => {
      await open();
      await regenerate("Chiave primaria");
      const copied = await shownValue("primary");
      const stored = decode(t.string, await page.evaluate("JSON.stringify(localStorage)"));
      expect(stored).toMatch(/cgn_esempio-libreria_[0-9a-f]+/);
      expect(stored).not.toContain(copied);
      await page.reload();
      await expectTrace(1);
      expect(await shownValue("primary")).toBe(`•••• ${copied.slice(-4)}`);
      await page.locator("#primary-refused").getByText("Il negozio ha un'altra chiave").waitFor();
      expect((await host.ask(copied, "AAAAAAAAAAA")).status).toBe(404);
      await revoke("Chiave secondaria");
      calls = [];
      await page.reload();
      await expectTrace(1);
      expect(await shownValue("secondary")).toBe("Nessuna chiave");
      await page.locator("#secondary-refused").getByText("è stata revocata").waitFor();
      expect(calls.filter(({ path }) => path.includes("api-keys/"))).toEqual([]);
    });

    it("works when the browser stores nothing", async () => {
      await page.addInitScript(
        `Object.defineProperty(window, "localStorage", { get() { throw new Error("no"); } });`,
      );
      await open();
      await page.reload();
      await expectTrace(setUpCalls);
      await applyNewCode();
    });
  });

  describe("on a store that the settings name", () => {
    beforeEach(async () => {
      await host.stop();
      host = await startHost("named");
      await host.newApiKey("esempio-libreria", "primary");
    });

    it("makes no key before the user asks for it, says so, and keeps none in the browser", async () => {
      const { messages } = makeLocale("it");
      const stored = await readItems(host.service.apiKeys);
      await page.goto(host.baseUrl);
      await page.getByText(messages.namedStore).waitFor();
      await applyTyped("AAAAAAAAAAA");
      await notice(messages.keyMissing).waitFor();
      await page
        .locator("#primary-value")
        .getByText(/^•••• [0-9a-f]{4}$/)
        .waitFor();
      await page.locator("#secondary-value").getByText(messages.noKey).waitFor();
      expect(await stressed()).toEqual(["step-3", "ask-for-keys-button"]);
      expect(await readItems(host.service.apiKeys)).toEqual(stored);

      await button(messages.makeKeys).focus();
      await page.keyboard.press("Enter");
      await focused(button("Rigenera Chiave primaria"));
      await expectTrace(5);
      await applyNewCode();
      expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0);
      await page.reload();
      await page.getByText(messages.namedStore).waitFor();
    });
  });

  describe("the portal", () => {
    it("asks before it revokes a key, and says how a shop that is refused comes back", async () => {
      await open();
      const before = await shownValue("primary");
      for (const cancel of ["Escape", "Enter"]) {
        await button("Revoca Chiave primaria").click();
        await page.getByRole("dialog", { name: "Revocare la chiave primaria?" }).waitFor();
        await focused(confirmed("Annulla"));
        await page.keyboard.press(cancel);
        await page.getByRole("dialog").waitFor({ state: "hidden" });
        await focused(button("Revoca Chiave primaria"));
      }
      expect(await shownValue("primary")).toBe(before);
      await expectTrace(setUpCalls);

      await revoke("Chiave primaria");
      expect(await shownValue("primary")).toBe("Nessuna chiave");
      await page.locator("#primary-refused").getByText("La chiave del negozio è stata revocata").waitFor();
      // The pressed button is gone. The way back has the focus.
      await focused(button("Genera Chiave primaria"));
      await applyTyped("AAAAAAAAAAA");
      await notice("Per rimediare, genera una chiave nel portale e dalla al negozio").waitFor();
      expect(statuses.at(-1)).toBe(401);
      // No key stops working, so there is nothing to confirm.
      await button("Genera Chiave primaria").click();
      await notice("Chiave primaria generata.").waitFor();
      await button("Copia Chiave primaria").click();
      const key = await shownValue("primary");
      expect(await clipboard()).toBe(key);
      await button("Dalla al negozio Chiave primaria").click();
      // It is shown once.
      expect(await shownValue("primary")).toBe(`•••• ${key.slice(-4)}`);
      await applyNewCode();
    });

    it("repeats a press whose answer was lost with its Idempotency-Key, and is told the key that was made", async () => {
      await open();
      await toggle("Simula una chiave persa").press("Space");
      await button("Rigenera Chiave secondaria").click();
      await confirmed("Rigenera").click();
      await notice("Il portale non sa se la chiave è stata generata.").waitFor();
      const made = await shownValue("secondary");
      await button("Riprova Chiave secondaria").click();
      await notice("Chiave secondaria generata una volta sola").waitFor();
      const key = await shownValue("secondary");
      expect(`•••• ${key.slice(-4)}`).toBe(made);
      expect((await host.ask(key, "AAAAAAAAAAA")).status).toBe(404);

      // The next press is another one.
      await regenerate("Chiave secondaria");
      expect(await shownValue("secondary")).not.toBe(key);
      const presses = calls
        .slice(setUpCalls)
        .flatMap(({ method, idempotencyKey }) => (method === "POST" ? [idempotencyKey ?? ""] : []));
      expect(presses.map((each) => presses.indexOf(each))).toEqual([0, 0, 2]);
      expect(presses.join()).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12},/);
    });
  });

  it("plays the outcome of each test code with a test key, and uses no real code", async () => {
    const outcomes: Readonly<Record<TestCode, readonly [asked: string, used?: string | RegExp]>> = {
      TESTLIVE000: ["Sconto applicato: 10% di prova.", /Ordine confermato: hai pagato 36,27\s€\./],
      TESTRACE000: ["Sconto applicato: 10% di prova.", "Il codice sconto è già stato usato"],
      TESTEXPIRED: ["Il codice sconto è scaduto"],
      TESTUSED000: ["Il codice sconto è già stato usato"],
      TESTNEWER00: ["C'è già un altro codice sconto attivo"],
      TESTDOWN000: ["In questo momento non possiamo applicare lo sconto"],
    };
    const useTestKey = toggle("Usa la chiave di prova");
    await open();
    expect(await useTestKey.isDisabled()).toBe(true);
    const code = await host.newCode(fiscalCode, { merchant_id: "esempio-libreria", discount_id: "libri-15" });
    await button("Genera Chiave di prova").click();
    await button("Dalla al negozio Chiave di prova").click();
    await useTestKey.press("Space");
    for (const [testCode, [asked, used]] of Object.entries(outcomes)) {
      await button(new RegExp(`^${testCode}`)).click();
      await focused(button("Applica"));
      await page.keyboard.press("Enter");
      await notice(asked).waitFor();
      await notice(makeLocale("it").messages.testMark).waitFor();
      if (used !== undefined) {
        await page.locator("#pay").click();
        await notice(used).waitFor();
      }
    }
    await applyTyped(code);
    await notice("Il codice sconto non esiste").waitFor();
    expect(statuses.slice(-9)).toEqual([200, 200, 200, 404, 404, 404, 409, 503, 404]);
    // With its other key the shop sells again, and the code is as good as new.
    await useTestKey.press("Space");
    await applyTyped(code);
    await notice("Sconto applicato: 15% sui libri.").waitFor();
    expectFailuresOnly();
  });

  it("loses an answer once, and completes the payment unchanged by a retry, whatever the user does", async () => {
    await open();
    const loseAnswer = toggle("Simula una risposta persa");
    // Without a code there is no call, so no answer can be lost.
    expect(await loseAnswer.isDisabled()).toBe(true);
    const code = await applyNewCode();
    const idempotencyKey = await cartKey();
    expect(idempotencyKey).toMatch(/^cart-[0-9a-f-]{36}$/);
    await chooseOffer("25% per chi va all'università");
    await button("Genera codice").click();
    await notice("Il codice è pronto").waitFor();
    await loseAnswer.press("Space");
    const letThrough = await delayAnswer("**/validate");
    await button(/^Paga 34,25/).click();
    await atWork("pay");
    // A second press does nothing: there are two uses in all.
    await page.locator("#pay").click({ force: true });
    const expectUnchanged = async (): Promise<void> => {
      await button("Usalo al checkout").click();
      await focused(page.locator("#pay"));
      expect([await codeField().inputValue(), await codeField().isEditable()]).toEqual([code, false]);
      await total("34,25").waitFor();
    };
    await expectUnchanged();
    letThrough();
    await notice("il negozio non sa se il codice è stato usato").waitFor();
    expect(await loseAnswer.isChecked()).toBe(false);
    expect(await toggle("Usa la chiave di prova").isDisabled()).toBe(true);
    await expectUnchanged();
    await button("Riprova a pagare").click();
    await notice("non ha usato il codice due volte").waitFor();
    await focused(button("Nuovo carrello"));
    const uses = calls.slice(setUpCalls + 3);
    expect(uses).toHaveLength(2);
    expect(uses[0]).toEqual(uses[1]);
    expect(uses[0]).toMatchObject({ body: { otp_code: code, invalidate_otp: true }, idempotencyKey });
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
          await confirmed("Revoca").click();
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
    expectFailuresOnly();
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
    await applyTyped("AAAAAAAAAAA");
    await notice(markup).first().waitFor();
    expect(await page.locator("main img, main b").count()).toBe(0);
  });

  it("shows each call as soon as it is sent, and its answer when that arrives; its own at the start, closed", async () => {
    await open();
    const letThrough = await delayAnswer("**/otp");
    await button("Genera codice").click();
    const entry = entries().first();
    await entry.getByText("App IO: genera un codice").waitFor();
    expect(await entry.locator("summary").innerText()).toMatch(/^…[^]*· …$/);
    await entry.getByText('"discount_id": "libri-15"').waitFor();
    letThrough();
    await entry.getByText(/^200\ncontent-type: application\/json\n\n\{/).waitFor();
    expect(await entry.locator("summary").innerText()).toMatch(/^200[^]*· \d+ ms$/);
    await page.locator("#start:not([open])").getByText("(chiamate: 4)").waitFor();
    expect(await page.locator("#trace > li").count()).toBe(1);
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
  /** Goes to an element with the keyboard. Each element on the way shows that it has the focus. */
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
    await tabTo(toggle("Simula una risposta persa"));
    await page.keyboard.press("Space");
    await tabTo(button(/^Paga/), "Shift+Tab");
    await page.keyboard.press("Enter");
    await button("Riprova a pagare").waitFor();
    await page.keyboard.press("Enter");
    await notice("Ordine confermato").waitFor();
    // The pressed button is gone. The next one has the focus.
    await focused(button("Nuovo carrello"));

    await tabTo(button("Rigenera Chiave primaria"));
    await page.keyboard.press("Enter");
    await focused(confirmed("Annulla"));
    await tabTo(confirmed("Rigenera"));
    await page.keyboard.press("Enter");
    await notice("Chiave primaria rigenerata.").waitFor();
    await focused(button("Rigenera Chiave primaria"));
    await tabTo(button("Dalla al negozio Chiave primaria"));
    await page.keyboard.press("Enter");
    await focused(page.getByRole("radio", { name: "Il negozio usa questa Chiave primaria" }));
    await page.keyboard.press("ArrowDown");
    await notice("Il negozio ora usa la chiave secondaria.").waitFor();
    await tabTo(entries().first().getByRole("button", { name: "Copia come curl" }));
    await page.keyboard.press("Enter");
    expect(await clipboard()).toContain("curl ");
  });

  it("breaks no accessibility rule in any state, and never scrolls sideways, from 360 px on", async () => {
    const { messages } = makeLocale("it");
    await page.setViewportSize({ width: 360, height: 900 });
    await open();
    await button(messages.generate).click();
    await shownCode();
    // The page scrolls to what came of the press.
    expect(await page.evaluate("scrollY")).toBeGreaterThan(0);
    await button(messages.useAtCheckout).click();
    await button(messages.apply).click();
    await page.locator("#cart-total .reduction").waitFor();
    await button("Rigenera Chiave primaria").click();
    await expectSound();
    await confirmed(messages.regenerate).click();
    await page.locator("#primary-fresh").waitFor();
    await button(messages.apply).click();
    await notice(messages.keyRefused).waitFor();
    await expectSound();
    await button("Dalla al negozio Chiave primaria").click();
    await button(messages.apply).click();
    await page.locator("#cart-total .reduction").waitFor();
    await toggle(messages.loseAnswer).press("Space");
    await page.locator("#pay").click();
    await notice(messages.answerLost).waitFor();
    await expectSound();
    await button(messages.retry).click();
    await button(messages.newCart).waitFor();
    await revoke("Chiave secondaria");
    await toggle(messages.loseKey).press("Space");
    await button("Genera Chiave di prova").click();
    await notice(messages.keyUnsettled).waitFor();
    await button("Riprova Chiave di prova").click();
    await page.locator("#test-fresh:visible").waitFor();
    await button("Dalla al negozio Chiave di prova").click();
    await toggle(messages.useTestKey).press("Space");
    await button(/^TESTEXPIRED/).click();
    await button(messages.apply).click();
    await page.locator("#checkout-notices .alert").waitFor();
    await page.getByRole("link", { name: "English" }).click();
    await button("Generate code").waitFor();
    for (const width of [360, 768, 1024, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      await expectNoSidewaysScroll();
    }
    await expectSound();
  });
});
