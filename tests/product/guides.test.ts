/** The guides' programs and commands do what the guides say, and the guides say what the service does. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text as readText } from "node:stream/consumers";
import * as t from "io-ts";
import MarkdownIt from "markdown-it";
import { close, listen } from "../../local/server";
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import { problemTypeBase, statusOf, toProblem } from "../../shared/http/problem";
import { deadlinePassed, type Failure } from "../../shared/domain/failure";
import { expectProblem } from "../support/expect-problem";
import { call, fiscalCode, merchantId, type Reply } from "../../tools/support/api";
import { makeFailures, nameOf } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startSideBySide } from "../../tools/support/side-by-side";
import { startBehindFaults, startService, type Service } from "../../tools/support/service";

const guides = [
  ["docs/merchant-integration.md", "en", "English", "Try every outcome", "Test plan"],
  ["docs/integrazione-operatori.md", "it", "Italiano", "Prova ogni esito", "Piano di prova"],
] as const;
const [[guide], [italianGuide]] = guides;

/** How to run the guides' programs, by the languages in their fences, and how to find out what they need. */
const languages = [
  ["sh", "example.sh", "sh", ["curl", "--version"]],
  ["js", "example.mjs", process.execPath, [process.execPath, "--version"]],
  ["php", "example.php", "php", ["php", "--version"]],
  ["php curl", "curl.php", "php", ["php", "--ri", "curl"]],
  ["python", "example.py", "python3", ["python3", "--version"]],
] as const;
type Language = (typeof languages)[number][0];

const installed = languages.filter(([language, , , [command, ...args]]) => {
  const isThere = spawnSync(command, args).status === 0;
  if (!isThere) {
    console.warn(`${command} ${args.join(" ")} fails: the guides' programs in ${language} are not run`);
  }
  return isThere;
});
const itWithCurl = installed.some(([language]) => language === "sh") ? it : it.skip;

const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block = ""]) => block);

/** A program as a reader puts it together: for cURL, PHP's with another `send`. */
const programsIn = (file: string, language: Language): readonly string[] => {
  const text = readFileSync(file, "utf8");
  const blocks = blocksOf(text, language);
  return language === "php curl"
    ? blocks.flatMap((send) =>
        blocksOf(text, "php").map((program) => program.replace(/^\/\/ Sends [^]*?\n}\n/m, () => send)),
      )
    : blocks;
};

/** The rows of the table whose first column has this head, or of the first table. */
const rowsOf = (text: string, head = ".+?"): readonly (readonly string[])[] => {
  const [, rows = ""] = new RegExp(`^\\| ${head} +\\|.*\n.*\n((?:\\|.*\n)+)`, "m").exec(`${text}\n`) ?? [];
  return [...rows.matchAll(/^\|(.*)\|$/gm)].map(([, cells = ""]) =>
    cells.split("|").map((cell) => cell.trim()),
  );
};

/** The part of a page under a heading, up to the next heading of the same rank. */
const sectionOf = (text: string, heading: string): string => {
  const [, after = ""] = text.split(`\n## ${heading}\n`);
  return after.replace(/\n## [^]*/, "");
};

/** What a customer reads of a failure in a shop, in a language. */
const sentencesOf = (failure: Failure, acceptLanguage: string): readonly [title: string, detail: string] => {
  const { body } = toProblem(failure, { audience: "customer", acceptLanguage, invocationId: "" });
  const { title, detail } = decode(t.type({ title: t.string, detail: t.string }), JSON.parse(body));
  return [title, detail];
};

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

const runProgram = async (
  command: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Ended> => {
  const child = spawn(command, args, {
    env: { PATH: process.env["PATH"], ...settings },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 40_000,
  });
  const [output] = await Promise.all([readText(child.stdout), once(child, "close")]);
  return { code: child.exitCode, output };
};

const runShell = async (script: string, settings: Readonly<Record<string, string>> = {}): Promise<string> =>
  (await runProgram("sh", ["-c", script], settings)).output;

type Answer = (response: ServerResponse) => void;

const answering =
  (status: number, body: string, headers: OutgoingHttpHeaders = {}): Answer =>
  (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(body);
  };
const problem = (name: string): string =>
  JSON.stringify({ type: problemTypeBase + name, title: "What happened", detail: "What to do." });

const granted = answering(200, '{"expires_at":"2026-03-01T10:10:00.000Z","discount_id":"discount-1"}');
const refusing = answering(404, problem("otp-not-found"));
const unavailable = answering(503, problem("service-unavailable"), { "Retry-After": "2" });
/** As the platform or a gateway answers, which knows nothing of problems. */
const throttled = answering(429, "Too Busy", { "Retry-After": "2", "Content-Type": "text/plain" });
const redirected = answering(302, "", { Location: "/elsewhere" });
const dropped: Answer = ({ socket }) => socket?.destroy();
const silent: Answer = () => undefined;
/** Sends a byte from time to time, each before a timeout, but never the last one. */
const dribbling: Answer = (response) => {
  response.writeHead(200, { "Content-Type": "application/json" });
  const dribble = setInterval(() => response.write(" "), 500);
  response.on("close", () => {
    clearInterval(dribble);
  });
};

/** What a program does at a fake service, which gives the answers in turn, and then repeats the last. */
interface Story {
  readonly answers: readonly Answer[];
  /** The seconds that the program waits, at least, before each call. */
  readonly waits?: readonly number[];
}

interface Played {
  /** The bodies and the headers of the calls. */
  readonly calls: readonly object[];
  readonly hasWaited: boolean;
  readonly output: string;
}

const tellingHeaders = ["accept-language", "idempotency-key", "ocp-apim-subscription-key", "x-functions-key"];

const play = async (
  { answers, waits = [] }: Story,
  run: (baseUrl: string) => Promise<Ended>,
): Promise<Played> => {
  const calls: object[] = [];
  const times: number[] = [];
  const server = createServer((request, response) => {
    times.push(performance.now());
    void readText(request).then((text) => {
      const headers = tellingHeaders.map((name) => [name, request.headers[name]] as const);
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      calls.push({ body, ...Object.fromEntries(headers) });
      (answers[calls.length - 1] ?? answers.at(-1))?.(response);
    });
  });
  try {
    const { output } = await run(`http://127.0.0.1:${await listen(server, 0)}`);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? time));
    // A program's clock may be a little faster than this one.
    const hasWaited = waits.every((seconds, index) => (gaps[index] ?? 0) > seconds * 990 - 1);
    return { calls, hasWaited, output };
  } finally {
    await close(server);
  }
};

interface Message {
  /** The request line, or the status line. */
  readonly start: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

const parseMessage = (block: string): Message => {
  const [head = "", body = ""] = block.split("\n\n");
  const [start = "", ...lines] = head.split("\n");
  return {
    start,
    headers: Object.fromEntries(
      lines.map((line) => [line.replace(/:.*/, "").toLowerCase(), line.replace(/^[^:]*: /, "")]),
    ),
    body: decode(t.UnknownRecord, JSON.parse(body)),
  };
};

/** As the guides write it: the status, and the discount or the name of the problem. */
const describeReply = (status: number, json: unknown): string => {
  const { discount_id: granted, type } = decode(t.partial({ discount_id: t.string, type: t.string }), json);
  return `${status} ${granted ?? nameOf(type ?? "")}`;
};

const demo = { merchant_id: "demo-shop", discount_id: "demo-discount" };
const failures = Object.values(makeFailures([]));
const contract = readFileSync("openapi.yaml", "utf8");
const testCodes = [...contract.matchAll(/^ +\| `(TEST\w+)`/gm)].map(([, code = ""]) => code);
const statusesIn = (text: string): readonly string[] => text.match(/\b[345]\d\d\b/g) ?? [];

describe("the guides", () => {
  let service: Service;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await service.stop();
  });

  describe("the guides' programs", () => {
    const settings = { CGN_API_KEY: "cgn_shop-1_a", CGN_OTP: "AAAAAAAAAAA", CGN_CART: "cart-1" };

    const indent = (sentences: readonly string[]): string => sentences.map((text) => `  ${text}\n`).join("");
    const problemTold = indent(["What happened", "What to do."]);
    const noProblemTold = indent(sentencesOf(deadlinePassed, "it"));

    /** What the guide says about each refusal, by its status. */
    const repeats = rowsOf(readFileSync(guide, "utf8"), "answer").flatMap(([answer = "", repeat = ""]) =>
      statusesIn(answer).map((status) => [status, repeat]),
    );

    interface GuideStory extends Story {
      readonly promise: string;
      readonly calls: readonly string[];
      readonly output: string;
      readonly spoken?: "en";
    }

    // The longest come first.
    const stories: readonly GuideStory[] = [
      ...[silent, dribbling].map((answer) => ({
        promise: `end after ten seconds a call ${answer === silent ? "without an answer" : "with a very slow one"}`,
        answers: [answer, refusing],
        calls: ["ask", "ask"],
        // The program counts from before its call arrives.
        waits: [0, 7],
        output: `ask 404 otp-not-found\n${problemTold}`,
      })),
      {
        promise: "ask about the code, then use it",
        answers: [granted],
        calls: ["ask", "use"],
        output: "ask 200 discount-1\nuse 200 discount-1\n",
      },
      ...[unavailable, throttled].map((answer, index) => ({
        promise: `wait as long as a ${["503", "429"][index] ?? ""} says, and after no answer a second, and give up after three calls`,
        answers: [granted, answer, dropped, unavailable],
        calls: ["ask", "use", "use", "use"],
        waits: [0, 0, 2, 1],
        output: `ask 200 discount-1\nuse 503 service-unavailable\n${problemTold}`,
      })),
      ...repeats.map(([status = "", repeat = ""]) => ({
        promise: `repeat a use that was answered ${status} as the guide says: ${repeat}`,
        answers: [granted, answering(Number(status), "")],
        calls: ["ask", "use", ...(repeat.startsWith("after ") ? ["use", "use"] : [])],
        output: `ask 200 discount-1\nuse ${status} ?\n${noProblemTold}`,
      })),
      ...["null", '"x"', '{"type":5}', '{"title":"A gateway","status":404}', "[]", "<html>"].map((body) => ({
        promise: `take a refusal for one, though its body is ${body}`,
        answers: [answering(404, body)],
        calls: ["ask"],
        output: `ask 404 ?\n${noProblemTold}`,
      })),
      {
        promise: "follow no redirection",
        answers: [redirected],
        calls: ["ask"],
        output: `ask 302 ?\n${noProblemTold}`,
      },
      {
        promise: "take a 200 without a discount for no answer",
        answers: [answering(200, '{"discount_id":null}'), refusing],
        calls: ["ask", "ask"],
        output: `ask 404 otp-not-found\n${problemTold}`,
      },
      {
        promise: "print without any answer what the customer reads in Italian",
        answers: [dropped],
        calls: ["ask", "ask", "ask"],
        output: `ask 0 no-answer\n${noProblemTold}`,
      },
      {
        promise: "print what the customer reads in English",
        answers: [answering(500, "")],
        calls: ["ask"],
        output: `ask 500 ?\n${indent(sentencesOf(deadlinePassed, "en"))}`,
        spoken: "en",
      },
    ];

    const programs = installed.map(([language, file, command]) => ({
      language,
      run: (own: Readonly<Record<string, string>>) =>
        runProgram(command, [path.join(folder, file)], { ...settings, ...own }),
    }));

    let played: readonly Played[];
    beforeAll(async () => {
      for (const [language, file] of languages) {
        await writeFile(path.join(folder, file), programsIn(guide, language).join(""));
      }
      const tasks = stories.flatMap((story) =>
        programs.map(
          ({ run }) =>
            () =>
              play(story, (CGN_URL) => run({ CGN_URL, CGN_LANGUAGE: story.spoken ?? "it" })),
        ),
      );
      // The programs mostly wait, so more of them than there are cores run side by side.
      played = await Promise.all(startSideBySide(tasks, 24));
    });

    it.each(languages)("are one in each language, the same in both guides: %s", (language) => {
      const [program = "", ...others] = programsIn(guide, language);
      expect(others).toEqual([]);
      expect(programsIn(italianGuide, language)).toEqual([program]);
      // With cURL nothing of the other way to send is left.
      expect(program.includes("curl_exec")).toBe(language === "php curl");
      expect(program.includes("fopen")).toBe(language === "php");
    });

    it.each(stories)("$promise", (story) => {
      const { calls, output, spoken = "it" } = story;
      const asked = calls.map((each) => ({
        body: { otp_code: settings.CGN_OTP, invalidate_otp: each === "use" },
        "accept-language": spoken,
        "idempotency-key": each === "use" ? settings.CGN_CART : undefined,
        "ocp-apim-subscription-key": settings.CGN_API_KEY,
      }));
      const first = stories.indexOf(story) * programs.length;
      expect(played.slice(first, first + programs.length)).toEqual(
        programs.map(() => ({ calls: asked, hasWaited: true, output })),
      );
    });

    const newCode = (discount: string): Promise<string> =>
      service.newCode(fiscalCode, { merchant_id: merchantId, discount_id: discount.replace(" ", "-") });
    const withoutDiscount = (output: string): string => output.replaceAll(/ d-\S+/g, " d");

    it("ask about a code with any spaces and letter case, use it, and are refused it afterwards", async () => {
      const own = { CGN_URL: service.baseUrl, CGN_API_KEY: await service.newApiKey() };
      const each = programs.map(async ({ language, run }) => {
        const code = await newCode(`d-${language}`);
        const pasted = { ...own, CGN_OTP: `\u00a0 ${code.slice(0, 5).toLowerCase()} ${code.slice(5)}\t` };
        const ended = [await run(pasted), await run({ ...pasted, CGN_CART: "cart-2" })];
        return ended.map(({ code: exitCode, output }) => [exitCode, withoutDiscount(output)]);
      });
      const sentences = indent(sentencesOf({ tag: "otp-already-used" }, "it"));
      const expected = [
        [0, "ask 200 d\nuse 200 d\n"],
        [1, `ask 404 otp-already-used\n${sentences}`],
      ];
      expect(await Promise.all(each)).toEqual(programs.map(() => expected));
    });

    it("retry a use whose answer was lost, and the service grants it", async () => {
      const CGN_API_KEY = await service.newApiKey();
      const each = programs.map(async ({ language, run }) => {
        const CGN_OTP = await newCode(`d-${language}-2`);
        const { proxy, instance, stop } = await startBehindFaults(service, 300);
        let isAway = false;
        // The store applies the use, loses the answer, and then fails until the call's deadline has passed.
        proxy.script(({ operation }) => {
          if (operation === "replace") {
            isAway = true;
            setTimeout(() => {
              proxy.script(() => undefined);
            }, 400);
            return { kind: "reset-after" };
          }
          return isAway ? { kind: "reset-before" } : undefined;
        });
        const { code, output } = await run({ CGN_OTP, CGN_API_KEY, CGN_URL: instance.baseUrl });
        await stop();
        return [code, withoutDiscount(output), isAway];
      });
      expect(await Promise.all(each)).toEqual(programs.map(() => [0, "ask 200 d\nuse 200 d\n", true]));
    });
  });

  describe.each(guides)("%s", (file, language, heading, outcomes, testPlan) => {
    const text = readFileSync(file, "utf8");
    const chapter = sectionOf(text, outcomes);
    const plan = sectionOf(text, testPlan);
    const lists = plan.split("\n\n").filter((paragraph) => paragraph.startsWith("- [ ] "));
    const answers = rowsOf(text, "(?:answer|risposta)");

    let testKey: string;
    beforeAll(async () => {
      testKey = await service.newApiKey(demo.merchant_id, "test");
    });
    // The codes of the tests before have expired.
    beforeEach(() => {
      service.clock.advance(600);
    });

    it("gives each problem the status and the title of the service, and leads to its whole page", () => {
      const told = rowsOf(text, "(?:status|stato)").map(([status, link = "", title]) => [
        /^\[([a-z-]+)\]\(problems\/\1\.md\)$/.exec(link)?.[1],
        Number(status),
        title,
      ]);
      const given = failures.map((failure) => [
        ...[failure.tag, statusOf(failure), sentencesOf(failure, language)[0]],
      ]);
      expect(told.sort()).toEqual(given.sort());
    });

    it.each(failures)(
      "says of $tag whether to repeat and what became of the code as its page does",
      (failure) => {
        const page = readFileSync(`docs/problems/${failure.tag}.md`, "utf8");
        expect(page).toMatch(new RegExp(`^# ${failure.tag} \\(${statusOf(failure)}\\)\n`));
        const part = sectionOf(page, heading);
        expect(part.match(/^\*\*.+?\.\*\*/gm)).toHaveLength(3);
        const row = answers.find(([answer = ""]) => statusesIn(answer).includes(String(statusOf(failure))));
        expect(rowsOf(part)).toEqual([row?.slice(1, 3)]);
      },
    );

    it("gives for an answer without a problem the sentences of service-unavailable, in both languages", () => {
      expect(rowsOf(text, "(?:language|lingua)").map((row) => row.slice(1))).toEqual([
        sentencesOf(deadlinePassed, "it"),
        sentencesOf(deadlinePassed, "en"),
      ]);
    });

    it("has calls that are answered as it says", async () => {
      const apiKey = await service.newApiKey(demo.merchant_id);
      let code = await service.newCode(fiscalCode, demo);
      const send = ({ start, headers, body }: Message): Promise<Reply> => {
        const [method = "", path = ""] = start.split(" ");
        return call(service.baseUrl + path, {
          method,
          headers: { ...headers, "ocp-apim-subscription-key": apiKey },
          body: JSON.stringify({ ...body, otp_code: code }),
        });
      };
      const expectAnswer = (reply: Reply, { start, headers, body }: Message): void => {
        expect(start).toMatch(new RegExp(`^HTTP/1\\.1 ${reply.status} `));
        expect(Object.fromEntries(reply.headers)).toMatchObject(headers);
        // What differs each time.
        const unlike = Object.fromEntries(
          ["instance", "expires_at"].flatMap((name) => (name in body ? [[name, expect.any(String)]] : [])),
        );
        expect(reply.json).toEqual({ ...body, ...unlike });
      };
      const [ask, asked, use, used, refused, ...others] = blocksOf(text, "http").map(parseMessage);
      if (!ask || !asked || !use || !used || !refused) {
        throw new Error("a call is missing");
      }
      expect(others).toEqual([]);
      expectAnswer(await send(ask), asked);
      expectAnswer(await send(use), used);
      code = await service.newCode(fiscalCode, demo);
      service.clock.advance(600);
      expectAnswer(await send(ask), refused);
    });

    it("tells for each test code of the contract the answers of the service", async () => {
      expect(testCodes).toHaveLength(6);
      const rows = rowsOf(chapter).map((row) => row.map((cell) => cell.replaceAll("`", "")));
      expect(rows.slice(0, -1).map(([code]) => code)).toEqual(testCodes);
      for (const [code = "", asked, used] of rows) {
        const sent = testCodes.includes(code) ? code : "BBBBBBBBBBB";
        const replies = [await service.ask(testKey, sent), await service.use(testKey, sent)];
        expect([code, ...replies.map(({ status, json }) => describeReply(status, json))]).toEqual([
          ...[code, asked, used],
        ]);
      }
      const { json } = await service.ask(testKey, "TESTLIVE000");
      const [, minutes] = /\b(\d+)\sminut/.exec(chapter) ?? [];
      expect(decode(t.type({ expires_at: t.string }), json).expires_at).toBe(
        new Date(service.clock().getTime() + Number(minutes) * 60_000).toISOString(),
      );
      const [, waitSeconds] = /`Retry-After` \D*(\d+) second/.exec(chapter) ?? [];
      expect((await service.use(testKey, "TESTDOWN000")).headers.get("retry-after")).toBe(waitSeconds);
    });

    it("lets a merchant try the test codes in a shop, which asks and then uses", async () => {
      const items = [...(lists[0] ?? "").matchAll(/^- \[ \] `([^`]+)`: (\d+ `[a-z-]+`)\./gm)].map(
        ([, pasted = "", told = ""]) => ({ pasted, told: told.replaceAll("`", "") }),
      );
      expect(items.map(({ pasted }) => pasted)).toEqual(expect.arrayContaining(testCodes));
      for (const { pasted, told } of items) {
        const code = pasted.replace(/\s/g, "").toUpperCase();
        const asked = await service.ask(testKey, code);
        const { status, json } = asked.status === 200 ? await service.use(testKey, code) : asked;
        expect([pasted, describeReply(status, json)]).toEqual([pasted, told]);
      }
    });

    it("lets a merchant try the life of a real code", async () => {
      const apiKey = await service.newApiKey(demo.merchant_id);
      const code = await service.newCode(fiscalCode, demo);
      const told = [...(lists[1] ?? "").matchAll(/^- \[ \] [^]*?: (\d+)(?: `([a-z-]+)`)?/gm)].map(
        ([, status, name]) => `${status} ${name ?? demo.discount_id}`,
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
      expect(replies.map(({ status, json }) => describeReply(status, json))).toEqual(told);
    });

    itWithCurl(`has commands that show every outcome but a defect, as ${file} says behind each`, async () => {
      const [settings = "", definition = "", commands = "", ...others] = blocksOf(chapter, "text");
      expect(others).toEqual([]);
      expect(settings).toMatch(/^export CGN_URL=\S+\nexport CGN_API_KEY=cgn_test_\S+\n$/);
      const told = commands
        .trim()
        .split("\n")
        .map((line) => line.split(/ +# /));
      const shown = await Promise.all(
        told.map(async ([command = ""]) => {
          const env = { CGN_URL: service.baseUrl, CGN_API_KEY: testKey };
          const [body = "", status] = (await runShell(definition + command, env)).split("\n");
          return [command, describeReply(Number(status), JSON.parse(body))];
        }),
      );
      expect(shown).toEqual(told);
      const outcomes = new Set(shown.map(([, outcome]) => outcome?.replace(/^\d+ /, "")));
      const problems = failures.map(({ tag }) => tag).filter((name) => name !== "internal-error");
      expect([...outcomes].sort()).toEqual(["test-discount", ...problems].sort());
    });

    itWithCurl(`has commands that give a code and a second key (${file})`, async () => {
      const commands = blocksOf(plan, "text").filter((block) => block.startsWith("curl "));
      const given: unknown[] = [];
      for (const command of commands) {
        given.push(JSON.parse(await runShell(command.replace("http://127.0.0.1:7071", service.baseUrl))));
      }
      expect(given.map((body) => [OtpBody.is(body), ApiKeyBody.is(body)])).toEqual([
        [true, false],
        [false, true],
      ]);
    });

    it("is right about a body in chunks, a header beyond Latin-1, and one that is not UTF-8", async () => {
      const url = `${service.baseUrl}/api/v1/merchant/cgn/otp/validate`;
      const inChunks = await call(url, { method: "POST", body: new Blob(["{}"]).stream(), duplex: "half" });
      expectProblem(inChunks, 400, "invalid-request");
      expect(inChunks.text).toMatch(/\bbody\b/);
      const [, written = ""] = /`User-Agent: ([^`]+)`/.exec(text) ?? [];
      expect(written).toContain("€");
      const send = async (bytes: string): Promise<readonly [number, string]> => {
        const reply = await fetch(url, { method: "POST", body: "{}", headers: { "User-Agent": bytes } });
        return [reply.status, await reply.text()];
      };
      expect(await send(Buffer.from(written).toString("latin1"))).toEqual([500, ""]);
      expect(await send("caff\xe8")).toEqual([400, ""]);
    });
  });

  it("have the same sections and the same blocks, and say the same of each answer", () => {
    const [english, italian] = guides.map(([file]) => {
      const text = readFileSync(file, "utf8");
      const parts = new MarkdownIt()
        .parse(text, {})
        .filter(({ type }) => type === "heading_open" || type === "fence" || type === "list_item_open")
        .map(({ type, tag, info }) => `${type} ${tag} ${info}`);
      const rows = rowsOf(text, "(?:answer|risposta)");
      // In another language, the same words stand at the same places.
      const alike = [1, 2].map((column) =>
        rows.map((row) => rows.findIndex((other) => other[column] === row[column])),
      );
      return { parts, alike, statuses: rows.map(([answer = ""]) => statusesIn(answer)) };
    });
    expect(italian).toEqual(english);
  });

  describe.each(["docs/get-started.md", "docs/primi-passi.md"])("%s", (page) => {
    const text = readFileSync(page, "utf8");
    const [call1 = "", start = ""] = blocksOf(text, "sh");
    const [shownAnswer = "", shownOutput = ""] = blocksOf(text, "text");
    let testKey: string;
    beforeAll(async () => {
      testKey = await service.newApiKey(merchantId, "test");
    });

    itWithCurl(`has a call whose answer is as it says (${page})`, async () => {
      const command = call1
        .replace("http://127.0.0.1:7071", service.baseUrl)
        .replace("cgn_test_demo-shop_…", testKey);
      const Answer = t.type({ discount_id: t.string, expires_at: t.string });
      const { discount_id } = decode(Answer, JSON.parse(shownAnswer));
      expect(decode(Answer, JSON.parse(await runShell(command)))).toMatchObject({ discount_id });
    });

    it("says for each code what the guide's program prints", async () => {
      const program = path.join(folder, "get-started.mjs");
      await writeFile(program, programsIn(guide, "js").join(""));
      const [, first = ""] = /CGN_OTP=(\w+)/.exec(start) ?? [];
      const rows = [...text.matchAll(/^\| `(\w{11})` +\| (.+) \|$/gm)].map(
        ([, code = "", told = ""]) =>
          [code, [...told.matchAll(/`([^`]+)`/g)].map(([, line = ""]) => `${line}\n`).join("")] as const,
      );
      expect(rows.length).toBeGreaterThan(3);
      const told = [[first, shownOutput], ...rows];
      const printed = told.map(async ([code = ""]) => {
        const { output } = await runProgram(process.execPath, [program], {
          CGN_URL: service.baseUrl,
          CGN_API_KEY: testKey,
          CGN_OTP: code,
          CGN_CART: "cart-4711",
        });
        // The program indents what the customer reads.
        return [code, output.replaceAll(/^ {2}.*\n/gm, "")];
      });
      expect(await Promise.all(printed)).toEqual(told);
    });
  });

  describe("the portal's guides", () => {
    const pages = ["docs/portal-integration.md", "docs/integrazione-portale.md"].map((page) => ({
      page,
      text: readFileSync(page, "utf8"),
    }));
    const [program = ""] = pages.flatMap(({ text }) => blocksOf(text, "js"));
    beforeAll(() => writeFile(path.join(folder, "press.mjs"), program));

    it.each(pages)("have one program, the same in both: $page", ({ text }) => {
      expect(blocksOf(text, "js")).toEqual([program]);
    });

    for (const { page, text } of pages) {
      itWithCurl(`have commands that print, in order, what the page says (${page})`, async () => {
        const own = await startService();
        // The ends of keys are numbered: they differ each time, but each end is that of the same key as on the page.
        const normalise = (printed: string): string => {
          const ends: string[] = [];
          return printed
            .replaceAll(/(cgn_new-shop_)[0-9a-f]{68}/g, "$1…")
            .replaceAll(/urn:uuid:[0-9a-f-]{36}/g, "urn:uuid:…")
            .replaceAll(/(?<=cgn_new-shop_…|"hint":")[0-9a-f]{4}(?=")/g, (end) => {
              ends.push(...(ends.includes(end) ? [] : [end]));
              return `#${ends.indexOf(end) + 1}`;
            });
        };
        const output = await runShell(
          blocksOf(text, "sh").join("").replace("http://127.0.0.1:7071", own.baseUrl),
        );
        expect(normalise(output)).toBe(normalise(blocksOf(text, "text").join("")));
        await own.stop();
      });
    }

    const press = { key: "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96", functionKey: "a function key" };
    const run = (baseUrl: string): Promise<Ended> =>
      runProgram(process.execPath, [path.join(folder, "press.mjs")], {
        CGN_URL: baseUrl,
        CGN_FUNCTION_KEY: press.functionKey,
        CGN_MERCHANT: "shop-2",
        CGN_KEY_TYPE: "secondary",
        CGN_PRESS: press.key,
      });

    it("have a program that makes a key, gets the same again for the same press, and none once it was revoked", async () => {
      const first = await run(service.baseUrl);
      expect([first.code, first.output]).toEqual([
        0,
        expect.stringMatching(/^200 cgn_shop-2_[0-9a-f]{72}\n$/),
      ]);
      expect(await run(service.baseUrl)).toEqual(first);
      expect((await service.ask(first.output.trim().slice(4), "AAAAAAAAAAA")).status).toBe(404);
      await service.revoke("shop-2", "secondary");
      expect(await run(service.baseUrl)).toEqual({ code: 1, output: "400 invalid-request\n" });
    });

    it("have a program that repeats a call with the same Idempotency-Key, waits as long as it is told, and gives up", async () => {
      const key = answering(200, '{"api_key":"a key"}');
      const stories = [
        { answers: [dropped, unavailable, key], waits: [0, 1, 2], output: "200 a key\n" },
        { answers: [dropped, throttled, key], waits: [0, 1, 2], output: "200 a key\n" },
        { answers: [unavailable], waits: [0, 2, 2], output: "503 service-unavailable\n" },
        { answers: [answering(401, "")], waits: [0], output: "401 ?\n" },
        { answers: [redirected], waits: [0], output: "302 ?\n" },
      ];
      const asked = { "idempotency-key": press.key, "x-functions-key": press.functionKey };
      expect(await Promise.all(stories.map((story) => play(story, run)))).toMatchObject(
        stories.map(({ waits, output }) => ({ calls: waits.map(() => asked), hasWaited: true, output })),
      );
    });
  });
});
