/** What the guides say of the service is so, in both languages, and their commands print what they show. */
import { STATUS_CODES } from "node:http";
import { readFileSync } from "node:fs";
import * as t from "io-ts";
import { normalizeCode } from "../../playground/page/code";
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import { statusOf } from "../../shared/http/problem";
import { bodyFaults, deadlinePassed } from "../../shared/domain/failure";
import { fiscalCode, type Reply } from "../../tools/support/api";
import { makeFailures, nameOf } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startService, type Service } from "../../tools/support/service";
import {
  blocksOf,
  customerReads,
  isThere,
  readPage,
  rowsOf,
  runShell,
  sectionOf,
  statusesIn,
} from "../support/guides";
import { describeMissingPowerShell, hasPowerShell, paste, powershell } from "../support/shells";
import { makeInAdvance } from "../support/in-advance";

const shopGuide = readPage("merchant-integration").text;
const hasCurl = isThere("curl", "--version");
const itWithCurl = hasCurl ? it : it.skip;
const failures = Object.values(makeFailures([]));
const localUrl = "http://127.0.0.1:7071";
const demo = { merchant_id: "demo-shop", discount_id: "demo-discount" };

/** What commands print, without what differs each time. A key's end is numbered: it is that of the same key everywhere. */
const normalise = (printed: string): string => {
  const ends: string[] = [];
  return printed
    .replaceAll(/(cgn_new-shop_)[0-9a-f]{68}/g, "$1…")
    .replaceAll(/urn:uuid:[0-9a-f-]{36}/g, "urn:uuid:…")
    .replaceAll(/(?<="code":")\w{11}(?=")/g, "a code")
    .replaceAll(/(?<="(?:expires|created)_at":")[\d-]+T[\d:.]+Z(?=")/g, "a time")
    .replaceAll(/(?<=cgn_new-shop_…|"hint":")[0-9a-f]{4}(?=")/g, (end) => {
      ends.push(...(ends.includes(end) ? [] : [end]));
      return `#${ends.indexOf(end) + 1}`;
    });
};

describe("a guide", () => {
  it.each([
    ["get-started", "primi-passi"],
    ["merchant-integration", "integrazione-operatori"],
    ["woocommerce-integration", "integrazione-woocommerce"],
    ["prestashop-integration", "integrazione-prestashop"],
    ["magento-integration", "integrazione-magento"],
    ["io-integration", "integrazione-io"],
    ["portal-integration", "integrazione-portale"],
  ])(
    "has in both languages the same parts and blocks, and in each part the same facts: %s, %s",
    (...names) => {
      const [english, italian] = names.map((name) => {
        const text = readPage(name)
          .text.replaceAll("LA-TUA-CHIAVE", "YOUR-KEY")
          .replaceAll("# oppure:", "# or:")
          .replaceAll("NOME", "NAME");
        return text.split(/(^```.*\n[^]*?^```$)/m).flatMap((part) => {
          if (part.startsWith("```")) {
            return [part];
          }
          // Rows of tables, paragraphs and items of lists.
          const pieces = part.split(/^(?=\|)|\n\n|^(?= *(?:-|\d+\.) )/m).map((piece) => piece.trim());
          return pieces.map((piece) => {
            const [mark = ""] = /^(?:#+|\||- \[ \]|-|\d+\.|)/.exec(piece) ?? [];
            return [mark, ...new Set(piece.match(/`[^`]+`|\b[2345]\d\d\b|\*\*\d+/g)?.sort())].join(" ");
          });
        });
      });
      expect(italian).toEqual(english);
    },
  );
});

describe.each([
  ["merchant-integration", "en", "English"],
  ["integrazione-operatori", "it", "Italiano"],
])("%s", (name, language, heading) => {
  const { text } = readPage(name);
  const answers = rowsOf(text, "(?:answer|risposta)");

  it("gives each problem the status and the title of the service, and what its page says of a repetition", () => {
    const told = rowsOf(text, "(?:status|stato)").map(([status, link = "", title]) => {
      const [, problem = ""] = /^\[([a-z-]+)\]\(problems\/\1\.md\)$/.exec(link) ?? [];
      const page = sectionOf(readFileSync(`docs/problems/${problem}.md`, "utf8"), heading);
      return [problem, status, title, rowsOf(page)];
    });
    const given = failures.map((failure) => {
      const status = String(statusOf(failure));
      const row = answers.find(([answer = ""]) => statusesIn(answer).includes(status));
      return [failure.tag, status, customerReads(failure, language)[0], [row?.slice(1, 3)]];
    });
    expect(told.sort()).toEqual(given.sort());
  });

  it("has a page of invalid-request that explains each body that is not JSON, in the words of the note", () => {
    const page = sectionOf(readFileSync("docs/problems/invalid-request.md", "utf8"), heading);
    const rows = rowsOf(page, "`body`").map(([words = ""]) => words);
    const notes = bodyFaults.map((bodyFault) => {
      const [, detail] = customerReads({ tag: "invalid-request", fields: ["body"], bodyFault }, language);
      return / body: (?:it )?(.+)\.$/.exec(detail)?.[1] ?? detail;
    });
    // A note may go on after the words.
    expect(notes.map((note, index) => note.slice(0, rows[index]?.length))).toEqual(rows);
  });

  it("has the sentences of the programs, in both languages", () => {
    expect(rowsOf(text, "(?:language|lingua)").map((row) => row.slice(1))).toEqual([
      customerReads(deadlinePassed, "it"),
      customerReads(deadlinePassed, "en"),
    ]);
    const [inItalian, inEnglish] = rowsOf(text, "(?:empty field|campo vuoto)").map((row) => row.slice(1));
    for (const sentence of [...(inItalian ?? []), ...(inEnglish ?? [])]) {
      expect(blocksOf(text, "js").join("")).toContain(JSON.stringify(sentence));
    }
  });
});

describe("the guide for shops", () => {
  const outcomes = sectionOf(shopGuide, "Try every outcome");
  const plan = sectionOf(shopGuide, "Test plan");
  const lists = plan.split("\n\n").filter((paragraph) => paragraph.startsWith("- [ ] "));
  let service: Service;
  let testKey: string;
  beforeAll(async () => {
    service = await startService();
    testKey = await service.newApiKey(demo.merchant_id, "test");
  });
  afterAll(() => service.stop());

  /** As the guide writes it: the status, and the discount or the name of the problem. */
  const describeReply = ({ status, json }: Pick<Reply, "status" | "json">): string => {
    const { discount_id: granted, type } = decode(t.partial({ discount_id: t.string, type: t.string }), json);
    return `${status} ${granted ?? nameOf(type ?? "")}`;
  };

  it("has calls that are answered as it says", async () => {
    const apiKey = await service.newApiKey(demo.merchant_id);
    const headersIn = (message: string): readonly (readonly [string, string])[] =>
      [...message.matchAll(/^([\w-]+): (.+)$/gm)].map(([, name = "", value = ""]) => [name, value]);
    const expectAnswer = async (code: string, request = "", answer = ""): Promise<void> => {
      const [, method = "", path = "", body = ""] = /^(\S+) (\S+) [^]*\n\n(.*)\n$/.exec(request) ?? [];
      const reply = await service.call(service.baseUrl + path, {
        method,
        headers: { ...Object.fromEntries(headersIn(request)), "Ocp-Apim-Subscription-Key": apiKey },
        body: JSON.stringify({ ...decode(t.UnknownRecord, JSON.parse(body)), otp_code: code }),
      });
      const told = headersIn(answer).map(([name]) => `${name}: ${reply.headers.get(name)}\n`);
      const start = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status]}\n`;
      expect(normalise(`${start}${told.join("")}\n${reply.text}\n`)).toBe(normalise(answer));
    };
    const [ask, asked, use, used, refused, ...others] = blocksOf(shopGuide, "http");
    expect(others).toEqual([]);
    const code = await service.newCode(fiscalCode, demo);
    await expectAnswer(code, ask, asked);
    await expectAnswer(code, use, used);
    const expired = await service.newCode(fiscalCode, demo);
    service.clock.advance(600);
    await expectAnswer(expired, ask, refused);
  });

  it("says of each test code of the contract what the service answers", async () => {
    const testCodes = [...readFileSync("openapi.yaml", "utf8").matchAll(/^ +\| `(TEST\w+)`/gm)].map(
      ([, code = ""]) => code,
    );
    expect(testCodes).toHaveLength(6);
    const rows = rowsOf(outcomes).map((row) => row.map((cell) => cell.replaceAll("`", "")));
    expect(rows.slice(0, -1).map(([code]) => code)).toEqual(testCodes);
    for (const [code = "", asked, used] of rows) {
      const sent = testCodes.includes(code) ? code : "BBBBBBBBBBB";
      const replies = [await service.ask(testKey, sent), await service.use(testKey, sent)];
      expect([code, ...replies.map(describeReply)]).toEqual([code, asked, used]);
    }
    const items = [...(lists[0] ?? "").matchAll(/^- \[ \] `([^`]+)`: (\d+ `[a-z-]+`)\./gm)];
    expect(items.map(([, pasted]) => pasted)).toEqual(expect.arrayContaining(testCodes));
    for (const [, pasted = "", told = ""] of items) {
      const code = normalizeCode(pasted);
      const asked = await service.ask(testKey, code);
      const last = asked.status === 200 ? await service.use(testKey, code) : asked;
      expect([pasted, describeReply(last)]).toEqual([pasted, told.replaceAll("`", "")]);
    }
  });

  it("says of each code what the program of the first steps prints", () => {
    const { text } = readPage("get-started");
    const [, first = ""] = /CGN_OTP=(\w+)/.exec(text) ?? [];
    const [shown = ""] = blocksOf(text, "text").slice(-1);
    const rows = [...text.matchAll(/^\| `(\w{11})` +\| (.+) \|$/gm)];
    expect(rows.length).toBeGreaterThan(3);
    const told = [
      [first, shown.trim().split("\n")],
      ...rows.map(([, code = "", lines = ""]) => [code, lines.match(/(?<=`)(?:ask|use) [^`]+/g)]),
    ];
    const answers = new Map(rowsOf(outcomes.replaceAll("`", "")).map(([code, ...both]) => [code, both]));
    const printed = [first, ...rows.map(([, code = ""]) => code)].map((code) => {
      const [asked = "", used = ""] = answers.get(code) ?? answers.get("any other of 11 characters") ?? [];
      return [code, asked.startsWith("200") ? [`ask ${asked}`, `use ${used}`] : [`ask ${asked}`]];
    });
    expect(told).toEqual(printed);
  });

  it("lets a merchant try the life of a real code", async () => {
    const apiKey = await service.newApiKey(demo.merchant_id);
    const code = await service.newCode(fiscalCode, demo);
    const told = [...(lists[1] ?? "").matchAll(/^- \[ \] [^]*?: (\d+)(?: `([a-z-]+)`)?/gm)].map(
      ([, status, problem]) => `${status} ${problem ?? demo.discount_id}`,
    );
    const replies = [
      await service.ask(apiKey, code),
      await service.use(apiKey, code, "cart-1"),
      await service.use(apiKey, code, "cart-1"),
      await service.use(apiKey, code, "cart-2"),
      await service.ask(apiKey, code),
    ];
    await service.newCode(fiscalCode, demo);
    replies.push(await service.ask(apiKey, code));
    expect(replies.map(describeReply)).toEqual(told);
  });

  itWithCurl("has commands that show every outcome, as it says behind each", async () => {
    const [, definition = "", commands = ""] = blocksOf(outcomes, "shell");
    const told = commands
      .trim()
      .split("\n")
      .map((line) => line.split(/ +# /));
    const shown = await Promise.all(
      told.map(async ([command = ""]) => {
        const env = { CGN_URL: service.baseUrl, CGN_API_KEY: testKey };
        const [body = "", status] = (await runShell(definition + command, env)).split("\n");
        return [command, describeReply({ status: Number(status), json: JSON.parse(body) })];
      }),
    );
    expect(told.length).toBeGreaterThan(10);
    expect(shown).toEqual(told);
  });

  itWithCurl("begins with a call that is refused by name if the key is copied as written", async () => {
    const [first = ""] = blocksOf(shopGuide, "sh first-call");
    const answer = await runShell(first.replace(localUrl, service.baseUrl));
    expect(answer).toMatch(/"status":401.*Ocp-Apim-Subscription-Key/);
  });

  itWithCurl("has commands that give a code and a second key", async () => {
    // The code of the test before has expired.
    service.clock.advance(600);
    const [giveCode = "", giveKey = ""] = blocksOf(plan, "shell").filter((block) =>
      block.startsWith("curl "),
    );
    const give = async (command: string): Promise<unknown> =>
      JSON.parse(await runShell(command.replace(localUrl, service.baseUrl)));
    expect([OtpBody.is(await give(giveCode)), ApiKeyBody.is(await give(giveKey))]).toEqual([true, true]);
  });
});

// The commands of the Italian pages are the same.
const pages = ["get-started", "merchant-integration", "io-integration", "portal-integration"].map(readPage);

describe("the commands of a guide", () => {
  const { itInAdvance } = makeInAdvance(5);
  /** On a service of its own, which knows no code yet. */
  const withService = async (use: (fill: (commands: string) => string) => Promise<void>): Promise<void> => {
    const service = await startService();
    const testKey = await service.newApiKey(demo.merchant_id, "test");
    await use((commands) =>
      commands.replaceAll(localUrl, service.baseUrl).replaceAll("cgn_test_demo-shop_YOUR-KEY", testKey),
    ).finally(() => service.stop());
  };
  const answersIn = (text: string): readonly string[] =>
    blocksOf(text, "text").filter((block) => /^[{ ]/.test(block));

  for (const { name, text } of pages) {
    itInAdvance(
      `print what it shows, from the first screen on: ${name}`,
      () =>
        withService(async (fill) => {
          const [first = "", ...more] = blocksOf(text, "sh(?: .*)?");
          const shown = answersIn(text);
          expect(text.split("\n").slice(0, 30).join("\n")).toContain(shown[0]);
          // What follows in the guides for shops are programs.
          const commands = shown.length === 1 ? [first] : [first, ...more];
          const printed = await runShell(fill(commands.join("")));
          expect(normalise(printed.trimEnd())).toBe(normalise(shown.join("").trimEnd()));
        }),
      hasCurl,
    );
  }

  itInAdvance(
    `print in PowerShell what it shows (else ${describeMissingPowerShell})`,
    () =>
      withService(async (fill) => {
        const scripts = pages.flatMap(({ name, text }) => {
          const [call = "", ...more] = blocksOf(text, "powershell");
          // The program itself runs in any shell.
          return [
            `"${name}"`,
            fill(call),
            ...more.map((block) => block.replace(/^php .*$/m, '"$env:CGN_OTP $env:CGN_CART"')),
          ];
        });
        const shown = pages.map(({ name, text }) => {
          const [, otp, cart] = /CGN_OTP=(\S+)\n.*CGN_CART=(\S+)/.exec(text) ?? [];
          return `${name}\n${answersIn(text)[0]}${blocksOf(text, "powershell").length > 1 ? `${otp} ${cart}\n` : ""}`;
        });
        expect(normalise(await paste(powershell, scripts.join("\n")))).toBe(normalise(shown.join("")));
      }),
    hasPowerShell(),
  );
});
