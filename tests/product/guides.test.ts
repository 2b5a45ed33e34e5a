/** The merchant's guides: their programs and commands do what they say, and they say what the service does. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as t from "io-ts";
import { normalizeCode } from "../../playground/page/code";
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import { statusOf, toProblem } from "../../shared/http/problem";
import { deadlinePassed, type BodyFault, type Failure } from "../../shared/domain/failure";
import { expectProblem } from "../support/expect-problem";
import {
  answering,
  blocksOf,
  dropped,
  hasten,
  play,
  problem,
  redirected,
  rowsOf,
  runProgram,
  runShell,
  runWithErrors,
  sectionOf,
  slowest,
  throttled,
  unavailable,
  worstCaseOf,
  type Ended,
  type Played,
  type Story,
} from "../support/guides";
import { call, fiscalCode, merchantId, type Reply } from "../../tools/support/api";
import { makeFailures, nameOf } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startSideBySide } from "../../tools/support/side-by-side";
import { startBehindFaults, startService, type Service } from "../../tools/support/service";

const english = ["English", "Try every outcome", "Test plan", "From the published API"] as const;
const italian = ["Italiano", "Prova ogni esito", "Piano di prova", "Dall'API pubblicata"] as const;
const guides = [
  ["docs/merchant-integration.md", "en", ...english],
  ["docs/integrazione-operatori.md", "it", ...italian],
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

/** What a customer reads of a failure in a shop, in a language. */
const sentencesOf = (failure: Failure, acceptLanguage: string): readonly [title: string, detail: string] => {
  const { body } = toProblem(failure, { audience: "customer", acceptLanguage, invocationId: "" });
  const { title, detail } = decode(t.type({ title: t.string, detail: t.string }), JSON.parse(body));
  return [title, detail];
};

const granted = answering(200, '{"expires_at":"2026-03-01T10:10:00.000Z","discount_id":"discount-1"}');
const refusing = answering(404, problem("otp-not-found"));

const withoutTime = ({ calls, hasWaited, output }: Played): object => ({ calls, hasWaited, output });

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
const bodyFaults: readonly BodyFault[] = [
  ...(["empty", "gzip", "utf-16", "not-utf-8", "form", "multipart", "not-json", "not-an-object"] as const),
];
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
    const apiKey = "cgn_shop-1_a";
    // A key that was read from a file ends with the line.
    const settings = { CGN_API_KEY: `${apiKey}\n`, CGN_OTP: "AAAAAAAAAAA", CGN_CART: "cart-1" };

    const indent = (sentences: readonly string[]): string => sentences.map((text) => `  ${text}\n`).join("");
    const problemTold = indent(["What happened", "What to do."]);
    const noProblemTold = indent(sentencesOf(deadlinePassed, "it"));
    const [emptyInItalian = [], emptyInEnglish = []] = rowsOf(readFileSync(guide, "utf8"), "empty field");
    const emptyTold = { it: emptyInItalian.slice(1), en: emptyInEnglish.slice(1) };

    /** What the guide says about each refusal, by its status. */
    const repeats = rowsOf(readFileSync(guide, "utf8"), "answer").flatMap(([answer = "", repeat = ""]) =>
      statusesIn(answer).map((status) => [status, repeat]),
    );

    interface GuideStory extends Story {
      readonly promise: string;
      readonly calls: readonly string[];
      readonly output: string;
      readonly spoken?: "en" | "fr";
      readonly pasted?: string;
    }

    const stories: readonly GuideStory[] = [
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
      ...["", " -\u200b"].map((pasted) => ({
        promise: `ask the customer for a code, and the service nothing, if the field has ${JSON.stringify(pasted)}`,
        answers: [granted],
        calls: [],
        output: `ask 0 no-code\n${indent(emptyTold.it)}`,
        pasted,
      })),
      {
        promise: "ask the customer for a code in English",
        answers: [granted],
        calls: [],
        output: `ask 0 no-code\n${indent(emptyTold.en)}`,
        spoken: "en",
        pasted: "",
      },
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
      ...[settings.CGN_OTP, ""].map((pasted) => ({
        promise: `print in Italian, as the service does, what a customer of another language reads after ${JSON.stringify(pasted)}`,
        answers: [answering(500, "")],
        calls: pasted === "" ? [] : ["ask"],
        output: pasted === "" ? `ask 0 no-code\n${indent(emptyTold.it)}` : `ask 500 ?\n${noProblemTold}`,
        spoken: "fr" as const,
        pasted,
      })),
    ];

    const runFile =
      (command: string, file: string) =>
      (own: Readonly<Record<string, string>>): Promise<Ended> =>
        runProgram(command, [path.join(folder, file)], { ...settings, ...own });
    const programs = installed.map(([language, file, command]) => ({
      language,
      run: runFile(command, file),
      runHastened: runFile(command, `hastened-${file}`),
    }));

    let played: readonly Played[];
    let playedSlowly: readonly Played[];
    beforeAll(async () => {
      for (const [language, file] of languages) {
        const program = programsIn(guide, language).join("");
        await writeFile(path.join(folder, file), program);
        await writeFile(path.join(folder, `hastened-${file}`), hasten(program));
      }
      // The longest come first.
      const slowTasks = programs.map(
        ({ runHastened }) =>
          () =>
            play(slowest, (CGN_URL) => runHastened({ CGN_URL })),
      );
      const tasks = stories.flatMap((story) =>
        programs.map(({ run }) => () => {
          const { spoken: CGN_LANGUAGE = "it", pasted: CGN_OTP = settings.CGN_OTP } = story;
          return play(story, (CGN_URL) => run({ CGN_URL, CGN_LANGUAGE, CGN_OTP }));
        }),
      );
      // The programs mostly wait, so more of them than there are cores run side by side.
      const all = await Promise.all(startSideBySide([...slowTasks, ...tasks], 24));
      [playedSlowly, played] = [all.slice(0, slowTasks.length), all.slice(slowTasks.length)];
    }, 120_000);

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
        "ocp-apim-subscription-key": apiKey,
      }));
      const first = stories.indexOf(story) * programs.length;
      const told = played.slice(first, first + programs.length).map(withoutTime);
      expect(told).toEqual(programs.map(() => ({ calls: asked, hasWaited: true, output })));
    });

    it("take in the worst case the time that the guides say, counted by their own constants", () => {
      const told = guides.map(([file]) => /\*\*(\d+) second[si]\*\*/.exec(readFileSync(file, "utf8"))?.[1]);
      for (const [language] of languages.filter(([each]) => each !== "php curl")) {
        const worst = worstCaseOf(programsIn(guide, language).join(""));
        expect([language, ...told.map(Number)]).toEqual([language, worst, worst]);
      }
      // Nothing is as slow as the three of them, and a busy machine has as much time again.
      const worst = worstCaseOf(hasten(programsIn(guide, "js").join("")));
      playedSlowly.forEach(({ calls, hasWaited, output, seconds }) => {
        expect([calls.length, hasWaited, output]).toEqual([3, true, `ask 0 no-answer\n${noProblemTold}`]);
        expect(seconds).toBeLessThan(2 * worst);
      });
      expect(playedSlowly).toHaveLength(programs.length);
    });

    /** What a customer pastes, and the code in it. */
    const pastes: readonly (readonly [pasted: string, code: string])[] = [
      ["K7XQ4MD9TWB", "K7XQ4MD9TWB"],
      ["k7xq4md9twb", "K7XQ4MD9TWB"],
      ["\u00a0K7XQ4 \tMD9TWB\r\n", "K7XQ4MD9TWB"],
      ["K7XQ-4MD9\u2010T\u2011W\u2013B\u2212", "K7XQ4MD9TWB"],
      ["K7XQ4\u2009M\u202fD\u30009TWB", "K7XQ4MD9TWB"],
      ["\ufeffK7X\u200bQ4M\u00adD9\u2060T\u200dWB", "K7XQ4MD9TWB"],
      ["\u202aK7XQ4MD9TWB\u202c\u200e\u2067\u2069", "K7XQ4MD9TWB"],
      ["\u201cK7XQ4MD9TWB\u201d.", "K7XQ4MD9TWB"],
      ["\uff2b\uff17\uff38\uff31\uff14\uff4d\uff44\uff19\uff54\uff57\uff42", "K7XQ4MD9TWB"],
      ["\uff0dK\uff3f7\uff20XQ4MD\uff3b9TWB\uff5e", "K7XQ4MD9TWB"],
      ["AZ09az", "AZ09AZ"],
      ["\uff10\uff19\uff21\uff3a\uff41\uff5a", "09AZAZ"],
      // Letters beyond ASCII are no part of a code, though some turn into one as capitals.
      ["TESTL\u0131VE000", "TESTLVE000"],
      ["TESTL\u0130VE000", "TESTLVE000"],
      ["te\u017ftl\u00ecve\u00df", "TETLVE"],
      ["\u212a\u0410\u{1d40a}\u0663", ""],
      ['"\\$(echo K7)&/', "ECHOK7"],
      ["-n", "N"],
      [" - ", ""],
      ["", ""],
    ];
    const drivers: Readonly<Record<Language, string>> = {
      sh: 'for each in "$@"; do normalize_code "$each"; echo; done\n',
      js: "for (const each of process.argv.slice(2)) console.log(normalizeCode(each));\n",
      php: 'foreach (array_slice($argv, 1) as $each) { echo normalizeCode($each), "\\n"; }\n',
      "php curl": 'foreach (array_slice($argv, 1) as $each) { echo normalizeCode($each), "\\n"; }\n',
      python: "for each in sys.argv[1:]: print(normalize_code(each))\n",
    };

    it("have above their line what a shop takes as it is: without settings it does nothing, and all find the same code", async () => {
      const expected = pastes.map(([, code]) => code);
      expect(pastes.map(([pasted]) => normalizeCode(pasted))).toEqual(expected);
      const each = installed.map(async ([language, file, command]) => {
        const [above = "", ...below] = programsIn(guide, language)
          .join("")
          .split(/^.* ---- Your shop takes what is above this line\..*\n/m);
        expect([language, below.length]).toEqual([language, 1]);
        const taken = path.join(folder, `taken-${file}`);
        await writeFile(taken, above + drivers[language]);
        const { output } = await runWithErrors(command, [taken, ...pastes.map(([pasted]) => pasted)]);
        return [language, output.split("\n").slice(0, -1)];
      });
      expect(await Promise.all(each)).toEqual(installed.map(([language]) => [language, expected]));
    });

    it("name a missing setting in one line", async () => {
      for (const [language, file, command] of installed) {
        const { code, output } = await runWithErrors(command, [path.join(folder, file)]);
        expect([language, code, output]).toEqual([
          language,
          expect.any(Number),
          expect.stringMatching(/^[^\n]*\bCGN_\w+:? is not set\n$/),
        ]);
        expect(code).not.toBe(0);
      }
    });

    const newCode = (discount: string): Promise<string> =>
      service.newCode(fiscalCode, { merchant_id: merchantId, discount_id: discount.replace(" ", "-") });
    const withoutDiscount = (output: string): string => output.replaceAll(/ d-\S+/g, " d");

    it("ask about a code as it was pasted, use it, and are refused it afterwards", async () => {
      const own = { CGN_URL: service.baseUrl, CGN_API_KEY: await service.newApiKey() };
      const each = programs.map(async ({ language, run }) => {
        const code = await newCode(`d-${language}`);
        const pasted = {
          ...own,
          CGN_OTP: `\u00a0 ${code.slice(0, 5).toLowerCase()}-${code.slice(5)}\u200b\t`,
        };
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
        const { proxy, instance, stop } = await startBehindFaults(service, 1500);
        let isAway = false;
        // The store applies the use, loses the answer, and then fails until the call's deadline has passed.
        proxy.script(({ operation }) => {
          if (operation === "replace") {
            isAway = true;
            setTimeout(() => {
              proxy.script(() => undefined);
            }, 1700);
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

  describe.each(guides)("%s", (file, language, heading, outcomes, testPlan, published) => {
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

    it("has a page of invalid-request that explains each body that is not JSON, in the words of the note", () => {
      const part = sectionOf(readFileSync("docs/problems/invalid-request.md", "utf8"), heading);
      const rows = rowsOf(part, "`body`").map(([words = ""]) => words);
      const notes = bodyFaults.map((bodyFault) => {
        const [, detail] = sentencesOf({ tag: "invalid-request", fields: ["body"], bodyFault }, language);
        return / body: (?:it )?(.+)\.$/.exec(detail)?.[1] ?? detail;
      });
      // A note may go on after the words.
      expect(notes.map((note, index) => note.slice(0, rows[index]?.length))).toEqual(rows);
    });

    it("gives for an answer without a problem the sentences of service-unavailable, in both languages", () => {
      expect(rowsOf(text, "(?:language|lingua)").map((row) => row.slice(1))).toEqual([
        sentencesOf(deadlinePassed, "it"),
        sentencesOf(deadlinePassed, "en"),
      ]);
    });

    it("gives for an empty field the sentences of the programs, in both languages", () => {
      const told = rowsOf(text, "(?:empty field|campo vuoto)").map((row) => row.slice(1));
      expect(told).toEqual(rowsOf(readFileSync(guide, "utf8"), "empty field").map((row) => row.slice(1)));
      expect(told).toHaveLength(2);
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
        const code = normalizeCode(pasted);
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

    itWithCurl(
      `has commands that show every outcome but a defect and a flood, as ${file} says behind each`,
      async () => {
        const [settings = "", definition = "", commands = "", ...others] = blocksOf(chapter, "shell");
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
        const unshown = ["internal-error", "too-many-requests"];
        const problems = failures.map(({ tag }) => tag).filter((name) => !unshown.includes(name));
        expect([...outcomes].sort()).toEqual(["test-discount", ...problems].sort());
      },
    );

    it("is right about what the published API does otherwise", async () => {
      const rows = rowsOf(sectionOf(text, published));
      const [lengths = "", query = "", oldInfo = "", info = ""] = [
        ...rows.flatMap(([what]) => (what?.startsWith("`otp_code`") ? [what] : [])),
        ...rows.flatMap(([what]) => (what?.includes("subscription-key=") ? [what] : [])),
        ...rows.slice(-1).flatMap((cells) => cells.slice(1)),
      ].map((cell) => cell.replaceAll("`", ""));
      const apiKey = await service.newApiKey(demo.merchant_id);
      const others = [...lengths.matchAll(/\d+/g)].map(([length]) => Number(length));
      expect(others).toEqual([9, 10, 12, 13]);
      for (const length of others) {
        expectProblem(await service.ask(apiKey, "B".repeat(length)), 400, "otp-invalid");
      }
      const url = `${service.baseUrl}/api/v1/merchant/cgn/otp/validate${query}${apiKey}`;
      const body = JSON.stringify({ otp_code: "BBBBBBBBBBB", invalidate_otp: false });
      expectProblem(await call(url, { method: "POST", body }), 401, "unauthorized");
      const statuses = [oldInfo, info].map(async (at) => (await call(service.baseUrl + at)).status);
      expect(await Promise.all(statuses)).toEqual([404, 200]);
    });

    itWithCurl(`has commands that give a code and a second key (${file})`, async () => {
      const commands = blocksOf(plan, "shell").filter((block) => block.startsWith("curl "));
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
      // Headings, fences and items of lists.
      const parts = [...text.matchAll(/^ *(#+(?= )|```.*|-(?= )|\d+\.(?= ))/gm)].map(([, part]) => part);
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
    const [, start = ""] = blocksOf(text, "sh");
    const [, shownOutput = ""] = blocksOf(text, "text");
    let testKey: string;
    beforeAll(async () => {
      testKey = await service.newApiKey(merchantId, "test");
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
});
