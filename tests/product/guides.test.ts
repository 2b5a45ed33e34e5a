import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text as readText } from "node:stream/consumers";
import * as t from "io-ts";
import MarkdownIt from "markdown-it";
import { close, listen } from "../../local/server";
import { ApiKeyBody, OtpBody } from "../../shared/http/bodies";
import { problemTypeBase, statusOf, toProblem } from "../../shared/http/problem";
import { deadlinePassed } from "../../shared/domain/failure";
import type { Failure } from "../../shared/domain/failure";
import { expectProblem } from "../support/expect-problem";
import { call, fiscalCode, merchantId } from "../../tools/support/api";
import type { Reply } from "../../tools/support/api";
import { makeFailures, nameOf } from "../../tools/support/document";
import { decode } from "../../tools/support/either";
import { startBehindFaults, startService } from "../../tools/support/service";
import type { Service } from "../../tools/support/service";

const guides = ["docs/merchant-integration.md", "docs/integrazione-operatori.md"] as const;

/** How to run the guides' programs, by the languages in their fences. */
const languages = [
  ["sh", "example.sh", "sh"],
  ["js", "example.mjs", process.execPath],
  ["php", "example.php", "php"],
  ["php curl", "example-curl.php", "php"],
  ["python", "example.py", "python3"],
] as const;

type ProgramLanguage = (typeof languages)[number][0];

const blocksOf = (guide: string, language: string): string[] =>
  [...readFileSync(guide, "utf8").matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, block = ""]) => block,
  );

/** A program as a reader puts it together: for cURL, PHP's with another `send`. */
const programsIn = (guide: string, language: ProgramLanguage): readonly string[] => {
  const blocks = blocksOf(guide, language);
  return language === "php curl"
    ? blocks.flatMap((send) =>
        blocksOf(guide, "php").map((program) => program.replace(/^\/\/ Sends [^]*?\n}\n/m, () => send)),
      )
    : blocks;
};

type Answer = (response: ServerResponse) => void;

interface Asked {
  readonly at: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

interface Told {
  readonly asked: readonly Asked[];
  readonly output: string;
}

const answering =
  (status: number, body: string, headers: OutgoingHttpHeaders = {}): Answer =>
  (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(body);
  };

const problem = (name: string): string =>
  JSON.stringify({ type: problemTypeBase + name, title: "What happened", detail: "What to do." });

const granted = answering(
  200,
  JSON.stringify({ expires_at: "2026-03-01T10:10:00.000Z", discount_id: "discount-1" }),
);
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

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** The programs mostly wait, so that more of them than there are cores run side by side, one after the other in each lane. */
const lanes = Array.from({ length: 12 }, (): Promise<unknown> => Promise.resolve());
let programs = 0;

const runProgram = (...program: Parameters<typeof runAtOnce>): Promise<Ended> => {
  const lane = programs++ % lanes.length;
  const ended = (lanes[lane] ?? Promise.resolve()).then(() => runAtOnce(...program));
  lanes[lane] = ended.catch(() => undefined);
  return ended;
};

const runAtOnce = async (
  command: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Ended> => {
  const child = spawn(command, args, {
    env: { PATH: process.env["PATH"], ...settings },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  return { code: child.exitCode, output };
};

/** The calls of a program to a fake service. It gives the answers in turn, and then repeats the last. */
const againstFake = async (
  answers: readonly Answer[],
  run: (baseUrl: string) => Promise<Ended>,
): Promise<Told> => {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      asked.push({
        at: performance.now(),
        headers: request.headers,
        body: body === "" ? undefined : JSON.parse(body),
      });
      const answer = answers[asked.length - 1] ?? answers.at(-1);
      answer?.(response);
    });
  });
  try {
    const { output } = await run(`http://127.0.0.1:${await listen(server, 0)}`);
    return { asked, output };
  } finally {
    await close(server);
  }
};

/** Whether a call is repeated, and what became of the code, as the guides and the pages of the problems put it. */
interface Repetition {
  readonly repeat: string;
  readonly code: string;
}

const cellsOf = (row: string): string[] =>
  row
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

/** What a guide says about each refusal, by its status. */
const repetitionsIn = (guide: string): ReadonlyMap<number, Repetition> => {
  const [, rows = ""] =
    /^\| (?:answer|risposta) .*\n.*\n([^]*?)\n\n/m.exec(readFileSync(guide, "utf8")) ?? [];
  return new Map(
    rows.split("\n").flatMap((row) => {
      const [answer = "", repeat = "", code = ""] = cellsOf(row);
      const refusals = (answer.match(/\b[345]\d\d\b/g) ?? []).map(Number);
      return refusals.map((status) => [status, { repeat, code }] as const);
    }),
  );
};

/** What a customer reads of a failure in a shop, in a language. */
const sentencesOf = (failure: Failure, acceptLanguage: string): readonly [title: string, detail: string] => {
  const { body } = toProblem(failure, { audience: "customer", acceptLanguage, invocationId: "" });
  const { title, detail } = decode(t.type({ title: t.string, detail: t.string }), JSON.parse(body));
  return [title, detail];
};

/** The lines for the developer: a program indents what a customer reads. */
const withoutSentences = (output: string): string => output.replaceAll(/^ {2}.*\n/gm, "");

const isThere = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;

/** What a program needs that is not installed. */
const missingFor = (language: ProgramLanguage | undefined, command: string): string | undefined => {
  const interpreter = language === "sh" ? "curl" : command;
  if (!isThere(interpreter)) {
    return interpreter;
  }
  const hasExtension = language !== "php curl" || spawnSync(command, ["--ri", "curl"]).status === 0;
  return hasExtension ? undefined : "PHP's cURL extension";
};

const hasCurl = isThere("curl");
if (!hasCurl) {
  console.warn("curl is not installed: the guides' commands are not run");
}
const itWithCurl = hasCurl ? it : it.skip;

/** The programs whose interpreter is installed. */
const installed = languages.filter(([language, , command]) => {
  const missing = missingFor(language, command);
  if (missing !== undefined) {
    console.warn(`${missing} is not installed: the guides' program in ${language} is not run`);
  }
  return missing === undefined;
});

describe("the guides' programs", () => {
  let service: Service;
  let folder: string;
  let apiKey: string;
  beforeAll(async () => {
    service = await startService();
    apiKey = await service.newApiKey();
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    for (const [language, file] of languages) {
      await writeFile(path.join(folder, file), programsIn(guides[0], language).join(""));
    }
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await service.stop();
  });

  type RunWith = (settings: Readonly<Record<string, string>>) => Promise<Ended>;

  /** Does the same with each program, side by side. It has to come to the same with each. */
  const expectOfEach = async <A>(
    check: (runWith: RunWith, language: string) => Promise<A>,
    expected: A,
  ): Promise<void> => {
    const outcomes = await Promise.all(
      installed.map(async ([language, file, command]) => {
        const runWith: RunWith = (settings) =>
          runProgram(command, [path.join(folder, file)], {
            CGN_URL: service.baseUrl,
            CGN_API_KEY: apiKey,
            CGN_OTP: "AAAAAAAAAAA",
            CGN_CART: `cart-${language}`,
            ...settings,
          });
        return [language, await check(runWith, language)] as const;
      }),
    );
    expect(outcomes).toEqual(installed.map(([language]) => [language, expected]));
  };

  /** What the developer reads when these answers are given. */
  const fake = (runWith: RunWith, ...answers: readonly Answer[]): Promise<Told> =>
    againstFake(answers, async (baseUrl) => {
      const { code, output } = await runWith({ CGN_URL: baseUrl });
      return { code, output: withoutSentences(output) };
    });

  it.each(languages)("are one in each language, the same in both guides: %s", (language) => {
    const [program = "", ...others] = programsIn(guides[0], language);
    expect(program).not.toBe("");
    expect(others).toEqual([]);
    expect(programsIn(guides[1], language)).toEqual([program]);
    // With cURL nothing of the other way to send is left.
    expect(program.includes("curl_exec")).toBe(language === "php curl");
    expect(program.includes("fopen")).toBe(language === "php");
  });

  it.each(["it", "en"])(
    "print what the customer reads in %s, also where no answer is a problem",
    async (spoken) => {
      const indented = (failure: Failure): string =>
        sentencesOf(failure, spoken)
          .map((text) => `  ${text}\n`)
          .join("");
      await expectOfEach(
        async (runWith) => {
          const ask = (CGN_URL: string): Promise<Ended> => runWith({ CGN_URL, CGN_LANGUAGE: spoken });
          const unreadable = ["<html>", '{"title":"A gateway","status":500}'].map((body) =>
            againstFake([answering(500, body)], ask),
          );
          const told = await Promise.all(unreadable);
          return [
            (await ask(service.baseUrl)).output,
            (await ask("http://127.0.0.1:9")).output,
            ...told.map(({ output }) => output),
            told.flatMap(({ asked }) => asked.map(({ headers }) => headers["accept-language"])),
          ];
        },
        [
          `ask 404 otp-not-found\n${indented({ tag: "otp-not-found" })}`,
          `ask 0 no-answer\n${indented(deadlinePassed)}`,
          `ask 500 ?\n${indented(deadlinePassed)}`,
          `ask 500 ?\n${indented(deadlinePassed)}`,
          [spoken, spoken],
        ],
      );
    },
  );

  it("ask about a code with any spaces and letter case, use it, and are refused it afterwards", async () => {
    await expectOfEach(
      async (runWith, language) => {
        const code = await service.newCode(fiscalCode, {
          merchant_id: merchantId,
          discount_id: `d-${language.replace(" ", "-")}`,
        });
        const CGN_OTP = `\u00a0 ${code.slice(0, 5).toLowerCase()} ${code.slice(5)}\t`;
        const first = await runWith({ CGN_OTP });
        const second = await runWith({ CGN_OTP, CGN_CART: "another cart" });
        return [first, second].map((ended) => ({
          ...ended,
          output: withoutSentences(ended.output).replaceAll(/ d-\S+/g, " the discount"),
        }));
      },
      [
        { code: 0, output: "ask 200 the discount\nuse 200 the discount\n" },
        { code: 1, output: "ask 404 otp-already-used\n" },
      ],
    );
  });

  it("get the outcomes of the test codes with a test key", async () => {
    const CGN_API_KEY = await service.newApiKey(merchantId, "test");
    await expectOfEach(
      (runWith) =>
        Promise.all(
          ["TESTLIVE000", "TESTRACE000", "TESTNEWER00"].map(async (CGN_OTP) =>
            withoutSentences((await runWith({ CGN_API_KEY, CGN_OTP })).output),
          ),
        ),
      [
        "ask 200 test-discount\nuse 200 test-discount\n",
        "ask 200 test-discount\nuse 404 otp-already-used\n",
        "ask 409 otp-conflict\n",
      ],
    );
  });

  it("use with the cart's Idempotency-Key, and send the API key each time", async () => {
    await expectOfEach(
      async (runWith, language) => {
        const { asked, output } = await fake(runWith, granted);
        const keys = asked.map(({ headers }) => headers["idempotency-key"]);
        return [
          output,
          asked.map(({ body }) => body),
          keys.map((key) => key === `cart-${language}`),
          asked.map(({ headers }) => headers["ocp-apim-subscription-key"]),
        ];
      },
      [
        "ask 200 discount-1\nuse 200 discount-1\n",
        [false, true].map((invalidate_otp) => ({ otp_code: "AAAAAAAAAAA", invalidate_otp })),
        [false, true],
        [apiKey, apiKey],
      ],
    );
  });

  it("wait as long as a 503 and a 429 say, retry a use with the same key, and give up after three calls", async () => {
    await expectOfEach(
      (runWith, language) =>
        Promise.all(
          [unavailable, throttled].map(async (answer) => {
            const { asked, output } = await fake(runWith, granted, answer, dropped, unavailable);
            const [first, second, third, ...others] = asked.slice(1);
            const keys = [first, second, third].map((use) => use?.headers["idempotency-key"]);
            return {
              output,
              others,
              hasSameKey: keys.every((key) => key === `cart-${language}`),
              hasWaited: (second?.at ?? 0) - (first?.at ?? 0) > 1990,
              hasWaitedAgain: (third?.at ?? 0) - (second?.at ?? 0) > 990,
            };
          }),
        ),
      Array(2).fill({
        output: "ask 200 discount-1\nuse 503 service-unavailable\n",
        others: [],
        hasSameKey: true,
        hasWaited: true,
        hasWaitedAgain: true,
      }),
    );
  });

  it("repeat what the guide says to repeat at once, and nothing else", async () => {
    const statuses = [...repetitionsIn(guides[0])];
    expect(statuses.length).toBeGreaterThan(8);
    await expectOfEach(
      (runWith) =>
        Promise.all(
          statuses.map(async ([status]) => {
            const { asked } = await fake(runWith, granted, answering(status, ""));
            return [status, asked.length - 1];
          }),
        ),
      statuses.map(([status, { repeat }]) => [status, repeat.startsWith("after ") ? 3 : 1]),
    );
  });

  it("take a refusal for one whatever its body is, follow no redirection, and take a 200 without a discount for no answer", async () => {
    const bodies = ["null", '"x"', '{"type":5}', "[]", "<html>"];
    const answers = [
      ...bodies.map((body) => [answering(404, body)]),
      ...[[redirected], [answering(500, "")], [answering(200, '{"discount_id":null}'), refusing]],
    ];
    await expectOfEach(
      (runWith) =>
        Promise.all(
          answers.map(async (each) => {
            const { asked, output } = await fake(runWith, ...each);
            return `${asked.length} ${output}`;
          }),
        ),
      [
        ...bodies.map(() => "1 ask 404 ?\n"),
        ...["1 ask 302 ?\n", "1 ask 500 ?\n", "2 ask 404 otp-not-found\n"],
      ],
    );
  });

  it("retry a use whose answer was lost, and the service grants it", async () => {
    await expectOfEach(
      async (runWith, language) => {
        const body = { merchant_id: merchantId, discount_id: `d-${language.replace(" ", "-")}-2` };
        const CGN_OTP = await service.newCode(fiscalCode, body);
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
        const { code, output } = await runWith({ CGN_OTP, CGN_URL: instance.baseUrl });
        await stop();
        return [code, output.replaceAll(/ d-\S+/g, " it")];
      },
      [0, "ask 200 it\nuse 200 it\n"],
    );
  });

  it("end a call without an answer, or with a very slow one, after ten seconds", async () => {
    await expectOfEach(
      (runWith) =>
        Promise.all(
          [silent, dribbling].map(async (first) => {
            const { asked, output } = await fake(runWith, first, refusing);
            const [one, other] = asked.map(({ at }) => at);
            const seconds = ((other ?? 0) - (one ?? 0)) / 1000;
            return [asked.length, output, seconds > 9.9 && seconds < 25];
          }),
        ),
      Array(2).fill([2, "ask 404 otp-not-found\n", true]),
    );
  });
});

describe("the guides", () => {
  const failures = Object.values(makeFailures([]));

  it("have the same sections and the same blocks in both languages", () => {
    const [english, italian] = guides.map((guide) =>
      new MarkdownIt()
        .parse(readFileSync(guide, "utf8"), {})
        .filter(({ type }) => type === "heading_open" || type === "fence" || type === "list_item_open")
        .map(({ type, tag, info }) => `${type} ${tag} ${info}`),
    );
    expect(italian).toEqual(english);
  });

  it.each([
    ["en", guides[0]],
    ["it", guides[1]],
  ])("give, in %s, each problem the status and the title of the service", (language, guide) => {
    const rows = readFileSync(guide, "utf8").matchAll(/^\| (\d+) +\| \[([a-z-]+)\]\(\S+\) +\| (.+?) +\|/gm);
    const told = [...rows].map(([, status, name, title]) => [name, Number(status), title]);
    const given = failures.map((failure) => [
      ...[failure.tag, statusOf(failure), sentencesOf(failure, language)[0]],
    ]);
    expect(told.sort()).toEqual(given.sort());
  });

  it.each([
    ["English", guides[0]],
    ["Italiano", guides[1]],
  ])(
    "say, in %s, whether to repeat and what became of the code, as each problem's page does",
    (heading, guide) => {
      const told = failures.map((failure) => {
        const [, part = ""] = readFileSync(`docs/problems/${failure.tag}.md`, "utf8").split(
          `\n## ${heading}\n`,
        );
        const [, row = ""] = /^\n\|.*\n\|.*\n(\|.*)\n\n/.exec(part) ?? [];
        const [repeat, code] = cellsOf(row);
        return [failure.tag, { repeat, code }];
      });
      const repetitions = repetitionsIn(guide);
      expect(told).toEqual(failures.map((failure) => [failure.tag, repetitions.get(statusOf(failure))]));
    },
  );

  it.each(["repeat", "code"] as const)("say the same in both languages of: %s", (about) => {
    const [english, italian] = guides.map((guide) => {
      const told = [...repetitionsIn(guide)];
      return told.map(([status, each]) => [
        status,
        told.findIndex(([, other]) => other[about] === each[about]),
      ]);
    });
    expect(italian).toEqual(english);
  });

  it("say which answers to repeat after Retry-After, and after a second, as the contract does", () => {
    const statusesIn = (text: string): number[] => (text.match(/\b\d{3}\b/g) ?? []).map(Number).sort();
    const waits = [
      [429, 503],
      [502, 504],
    ];
    for (const guide of guides) {
      const told = [/`Retry-After`/, /second/].map((wait) =>
        [...repetitionsIn(guide)]
          .flatMap(([status, { repeat }]) => (wait.test(repeat) ? [status] : []))
          .sort(),
      );
      expect(told).toEqual(waits);
    }
    const contract = [...readFileSync("openapi.yaml", "utf8").matchAll(/^ {4}5\. ([^]*?)\n {4}6\. /gm)];
    expect(contract).toHaveLength(2);
    for (const [, item = ""] of contract) {
      const clauses = item.replaceAll(/\s+/g, " ").split(/[.:;] /);
      const after = (wait: RegExp): number[] =>
        statusesIn(clauses.find((clause) => wait.test(clause) && statusesIn(clause).length > 0) ?? "");
      expect([after(/`Retry-After`/), after(/one second|un secondo/)]).toEqual(waits);
    }
  });

  it("give, in both languages, the sentences for an answer without a problem: those of service-unavailable", () => {
    const sentences = ["it", "en"].map((language) => sentencesOf(deadlinePassed, language));
    for (const guide of guides) {
      const [, rows = ""] =
        /^\| (?:language|lingua) .*\n.*\n([^]*?)\n\n/m.exec(readFileSync(guide, "utf8")) ?? [];
      expect(rows.split("\n").map((row) => cellsOf(row).slice(1))).toEqual(sentences);
    }
  });

  it.each(failures)("have a whole page for $tag, with its status", (failure) => {
    const page = readFileSync(`docs/problems/${failure.tag}.md`, "utf8");
    expect(page).toMatch(new RegExp(`^# ${failure.tag} \\(${statusOf(failure)}\\)\n`));
    expect(
      [...page.matchAll(/^(?:## (\w+)|\*\*(.+?)\.\*\*)/gm)].map(([, part, step]) => part ?? step),
    ).toEqual([
      ...["Italiano", "Che cosa è successo", "Che cosa fare", "Che cosa mostrare"],
      ...["English", "What happened", "What to do", "What to show"],
    ]);
  });
});

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
    headers: Object.fromEntries(lines.map((line) => [line.replace(/:.*/, ""), line.replace(/^[^:]*: /, "")])),
    body: decode(t.UnknownRecord, JSON.parse(body)),
  };
};

/** The part of a guide under a heading, up to the next heading of the same rank. */
const sectionOf = (guide: string, heading: string): string => {
  const [, after = ""] = readFileSync(guide, "utf8").split(`\n## ${heading}\n`);
  return after.replace(/\n## [^]*/, "");
};

const textBlocksIn = (section: string): string[] =>
  [...section.matchAll(/^```text\n([^]*?)^```$/gm)].map(([, block = ""]) => block);

/** As the guides write it: the status, and the discount or the name of the problem. */
const describeReply = (status: number, json: unknown): string => {
  const { discount_id: granted, type } = decode(t.partial({ discount_id: t.string, type: t.string }), json);
  return `${status} ${granted ?? nameOf(type ?? "")}`;
};

const demo = { merchant_id: "demo-shop", discount_id: "demo-discount" };

describe.each([
  [guides[0], "Try every outcome", "Test plan"],
  [guides[1], "Prova ogni esito", "Piano di prova"],
])("in %s", (guide, outcomes, plan) => {
  const chapter = sectionOf(guide, outcomes);
  const lists = sectionOf(guide, plan)
    .split("\n\n")
    .filter((paragraph) => paragraph.startsWith("- [ ] "));
  const testCodes = [...readFileSync("openapi.yaml", "utf8").matchAll(/^ +\| `(TEST\w+)`/gm)].map(
    ([, code = ""]) => code,
  );

  let service: Service;
  let testKey: string;
  beforeAll(async () => {
    service = await startService();
    testKey = await service.newApiKey("demo-shop", "test");
  });
  afterAll(() => service.stop());

  it("the calls are answered as it says", async () => {
    const apiKey = await service.newApiKey(demo.merchant_id);
    let code = await service.newCode(fiscalCode, demo);
    const send = ({ start, headers, body }: Message): Promise<Reply> => {
      const [method = "", path = ""] = start.split(" ");
      return call(service.baseUrl + path, {
        method,
        headers: { ...headers, "Ocp-Apim-Subscription-Key": apiKey },
        body: JSON.stringify({ ...body, otp_code: code }),
      });
    };
    const expectAnswer = (reply: Reply, { start, headers, body }: Message): void => {
      expect(start).toMatch(new RegExp(`^HTTP/1\\.1 ${reply.status} `));
      expect(Object.fromEntries(reply.headers)).toMatchObject(
        Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
      );
      const given = decode(t.UnknownRecord, reply.json);
      expect(given).toEqual({ ...body, ...("instance" in given ? { instance: given["instance"] } : {}) });
    };

    const [ask, asked, use, used, refused, ...others] = blocksOf(guide, "http").map(parseMessage);
    if (!ask || !asked || !use || !used || !refused) {
      throw new Error("a call is missing");
    }
    expect(others).toEqual([]);
    expectAnswer(await send(ask), asked);
    service.clock.advance(192.345);
    expectAnswer(await send(use), used);
    code = await service.newCode(fiscalCode, demo);
    service.clock.advance(600);
    expectAnswer(await send(ask), refused);
  });

  it("each test code of the contract gets the answers of the service, asked about and used", async () => {
    expect(testCodes).toHaveLength(6);
    const rows = [
      ...chapter.matchAll(/^\| (?:`(\w{11})`|[^`|]+?) +\| (\d+) `(\S+)` +\| (\d+) `(\S+)` +\|/gm),
    ].map(([, code = "any other", ...told]) => ({
      code,
      asked: told.slice(0, 2).join(" "),
      used: told.slice(2).join(" "),
    }));
    expect(rows.map(({ code }) => code)).toEqual([...testCodes, "any other"]);
    for (const { code, asked, used } of rows) {
      const sent = code === "any other" ? "BBBBBBBBBBB" : code;
      const replies = [await service.ask(testKey, sent), await service.use(testKey, sent)];
      expect([code, ...replies.map(({ status, json }) => describeReply(status, json))]).toEqual([
        ...[code, asked, used],
      ]);
    }
    expect(chapter).toMatch(/\b10\sminut/);
    const { json } = await service.ask(testKey, "TESTLIVE000");
    expect(decode(t.type({ expires_at: t.string }), json).expires_at).toBe(
      new Date(service.clock().getTime() + 600_000).toISOString(),
    );
    const [, waitSeconds] = /`Retry-After` \D*(\d+) second/.exec(chapter) ?? [];
    expect((await service.use(testKey, "TESTDOWN000")).headers.get("retry-after")).toBe(waitSeconds);
  });

  it("a merchant can try the test codes in a shop, which asks and then uses", async () => {
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

  it("a merchant can try the life of a real code", async () => {
    const apiKey = await service.newApiKey("demo-shop");
    const code = await service.newCode("BBBBBB00A00A000A", demo);
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
    await service.newCode("BBBBBB00A00A000A", demo);
    replies.push(await service.ask(apiKey, code));
    expect(replies.map(({ status, json }) => describeReply(status, json))).toEqual(told);
  });

  itWithCurl(`the commands show every outcome but a defect, as it says behind each (${guide})`, async () => {
    const [settings = "", definition = "", commands = "", ...others] = textBlocksIn(chapter);
    expect(others).toEqual([]);
    expect(settings).toMatch(/^export CGN_URL=\S+\nexport CGN_API_KEY=cgn_test_\S+\n$/);
    const told = commands
      .trim()
      .split("\n")
      .map((line) => line.split(/ +# /));
    const shown = await Promise.all(
      told.map(async ([command = ""]) => {
        const env = { CGN_URL: service.baseUrl, CGN_API_KEY: testKey };
        const { output } = await runProgram("sh", ["-c", definition + command], env);
        const [body = "", status] = output.split("\n");
        return [command, describeReply(Number(status), JSON.parse(body))];
      }),
    );
    expect(shown).toEqual(told);
    const outcomes = new Set(shown.map(([, outcome]) => outcome?.replace(/^\d+ /, "")));
    const problems = Object.keys(makeFailures([])).filter((name) => name !== "internal-error");
    expect([...outcomes].sort()).toEqual(["test-discount", ...problems].sort());
  });

  itWithCurl(`the commands give a code and a second key (${guide})`, async () => {
    const commands = textBlocksIn(sectionOf(guide, plan)).filter((block) => block.startsWith("curl "));
    const given: unknown[] = [];
    for (const command of commands) {
      const local = command.replace("http://127.0.0.1:7071", service.baseUrl);
      given.push(JSON.parse((await runProgram("sh", ["-c", local])).output));
    }
    expect(given.map((body) => [OtpBody.is(body), ApiKeyBody.is(body)])).toEqual([
      [true, false],
      [false, true],
    ]);
  });
});

describe.each(["docs/get-started.md", "docs/primi-passi.md"])("%s", (page) => {
  let service: Service;
  let testKey: string;
  beforeAll(async () => {
    service = await startService();
    testKey = await service.newApiKey(merchantId, "test");
  });
  afterAll(() => service.stop());

  const text = readFileSync(page, "utf8");
  const [call1 = "", start = ""] = blocksOf(page, "sh");
  const [shownAnswer = "", shownOutput = ""] = blocksOf(page, "text");

  itWithCurl(`has a call whose answer is as it says (${page})`, async () => {
    const command = call1
      .replace("http://127.0.0.1:7071", service.baseUrl)
      .replace("cgn_test_demo-shop_…", testKey);
    const answer: unknown = JSON.parse((await runProgram("sh", ["-c", command])).output);
    const Answer = t.type({ discount_id: t.string, expires_at: t.string });
    const shown = decode(Answer, JSON.parse(shownAnswer));
    expect(decode(Answer, answer)).toEqual({ ...shown, expires_at: decode(Answer, answer).expires_at });
  });

  it("says for each code what the guide's program prints", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    const file = path.join(folder, "cgn.mjs");
    await writeFile(file, blocksOf(guides[0], "js").join(""));
    const [, first = ""] = /CGN_OTP=(\w+)/.exec(start) ?? [];
    const rows = [...text.matchAll(/^\| `(\w{11})` +\| (.+) \|$/gm)].map(
      ([, code = "", told = ""]) =>
        [code, [...told.matchAll(/`([^`]+)`/g)].map(([, line = ""]) => `${line}\n`).join("")] as const,
    );
    expect(rows.length).toBeGreaterThan(3);
    const told = [[first, shownOutput], ...rows];
    const printed = told.map(async ([code = ""]) => {
      const { output } = await runProgram(process.execPath, [file], {
        CGN_URL: service.baseUrl,
        CGN_API_KEY: testKey,
        CGN_OTP: code,
        CGN_CART: "cart-4711",
      });
      return [code, withoutSentences(output)];
    });
    expect(await Promise.all(printed)).toEqual(told);
    await rm(folder, { recursive: true });
  });
});

describe("the portal's guides", () => {
  const pages = ["docs/portal-integration.md", "docs/integrazione-portale.md"];
  const [program = ""] = pages.flatMap((page) => blocksOf(page, "js"));

  let service: Service;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    await writeFile(path.join(folder, "press.mjs"), program);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await service.stop();
  });

  it.each(pages)("have one program, the same in both: %s", (page) => {
    expect(blocksOf(page, "js")).toEqual([program]);
  });

  for (const page of pages) {
    itWithCurl(`have commands that print, in order, what the page says (${page})`, async () => {
      const own = await startService();
      // The ends of keys are numbered: they differ each time, but each end is that of the same key as on the page.
      const normalise = (text: string): string => {
        const ends: string[] = [];
        return text
          .replaceAll(/(cgn_new-shop_)[0-9a-f]{68}/g, "$1…")
          .replaceAll(/urn:uuid:[0-9a-f-]{36}/g, "urn:uuid:…")
          .replaceAll(/(?<=cgn_new-shop_…|"hint":")[0-9a-f]{4}(?=")/g, (end) => {
            ends.push(...(ends.includes(end) ? [] : [end]));
            return `#${ends.indexOf(end) + 1}`;
          });
      };
      const script = blocksOf(page, "sh").join("").replace("http://127.0.0.1:7071", own.baseUrl);
      const { output } = await runProgram("sh", ["-c", script]);
      expect(normalise(output)).toBe(normalise(blocksOf(page, "text").join("")));
      await own.stop();
    });
  }

  const press = "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96";
  const run = (baseUrl: string): Promise<Ended> =>
    runProgram(process.execPath, [path.join(folder, "press.mjs")], {
      CGN_URL: baseUrl,
      CGN_FUNCTION_KEY: "a function key",
      CGN_MERCHANT: "shop-1",
      CGN_KEY_TYPE: "secondary",
      CGN_PRESS: press,
    });

  it("have a program that makes a key, gets the same again for the same press, and none once it was revoked", async () => {
    const first = await run(service.baseUrl);
    expect([first.code, first.output]).toEqual([0, expect.stringMatching(/^200 cgn_shop-1_[0-9a-f]{72}\n$/)]);
    expect(await run(service.baseUrl)).toEqual(first);
    expect((await service.ask(first.output.trim().slice(4), "AAAAAAAAAAA")).status).toBe(404);
    await service.revoke("shop-1", "secondary");
    expect(await run(service.baseUrl)).toEqual({ code: 1, output: "400 invalid-request\n" });
  });

  it("have a program that repeats a call with the same Idempotency-Key, waits as long as it is told, and gives up", async () => {
    const key = answering(200, JSON.stringify({ api_key: "a key" }));
    const retried = [unavailable, throttled].map(async (answer) => {
      const { asked, output } = await againstFake([dropped, answer, key], run);
      expect(output).toBe("200 a key\n");
      expect(asked.map(({ headers }) => headers["idempotency-key"])).toEqual([press, press, press]);
      expect(asked.map(({ headers }) => headers["x-functions-key"])).toEqual(Array(3).fill("a function key"));
      const [, second, third] = asked;
      expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThan(1990);
    });
    const givenUp = (
      [
        [unavailable, 3, "503 service-unavailable\n"],
        [answering(401, ""), 1, "401 ?\n"],
        [redirected, 1, "302 ?\n"],
      ] as const
    ).map(async ([answer, calls, told]) => {
      const { asked, output } = await againstFake([answer], run);
      expect([asked.length, output]).toEqual([calls, told]);
    });
    await Promise.all([...retried, ...givenUp]);
  });
});

const sendInNode = (send: string): readonly [string, string] => [
  "-e",
  `const { BODY, URL: url } = process.env;
   const show = ({ status, statusCode = status }) => console.log(statusCode);
   const open = () => require("node:http").request(url, { method: "POST" }, (response) => show(response.resume()));
   ${send}`,
];
const sendInPython = (body: string): readonly [string, string] => [
  "-c",
  `import http.client, io, os, urllib.parse
url = urllib.parse.urlsplit(os.environ["URL"])
body = os.environ["BODY"].encode()
connection = http.client.HTTPConnection(url.netloc)
connection.request("POST", url.path, ${body})
print(connection.getresponse().status)`,
];
const sendByCurl = (options: string): readonly [string, string] => [
  "-c",
  `printf %s "$BODY" | curl -so /dev/null -w '%{http_code}' ${options} "$URL"`,
];
const sendByPhpCurl = (options: string): readonly [string, string] => [
  "-r",
  `$body = getenv("BODY");
   $read = function () use (&$body) { [$sent, $body] = [$body, ""]; return $sent; };
   $curl = curl_init(getenv("URL"));
   curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, ${options}]);
   curl_exec($curl);
   echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE);`,
];
const sendByPhp = `$context = stream_context_create(["http" => ["method" => "POST", "ignore_errors" => true,
   "header" => "Content-Type: application/json", "content" => getenv("BODY")]]);
 fopen(getenv("URL"), "r", false, $context);
 echo explode(" ", $http_response_header[0])[1];`;

/** How a client sends `BODY` to `URL` and prints the status, and the words of its row in the guides. */
const waysToSend: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["curl", "`-d`", "sh", sendByCurl(`-d "$BODY"`)],
  ["curl", "`--data-binary`", "sh", sendByCurl(`--data-binary "$BODY"`)],
  ["curl", "`-T -`", "sh", sendByCurl("-X POST -T -")],
  [
    "Node.js",
    "fetch",
    process.execPath,
    sendInNode(`fetch(url, { method: "POST", body: BODY }).then(show);`),
  ],
  [
    ...(["Node.js", "Buffer", process.execPath] as const),
    sendInNode(`fetch(url, { method: "POST", body: Buffer.from(BODY) }).then(show);`),
  ],
  [
    ...(["Node.js", "stream", process.execPath] as const),
    sendInNode(`fetch(url, { method: "POST", body: new Blob([BODY]).stream(), duplex: "half" }).then(show);`),
  ],
  ["Node.js", "`request.end(body)`", process.execPath, sendInNode("open().end(BODY);")],
  [
    ...(["Node.js", "`request.write(body)`", process.execPath] as const),
    sendInNode("const request = open(); request.write(BODY); request.end();"),
  ],
  ["PHP", "`content`", "php", ["-r", sendByPhp]],
  ["PHP", "CURLOPT_POSTFIELDS", "php", sendByPhpCurl("CURLOPT_POSTFIELDS => $body")],
  [
    ...(["PHP", "CURLOPT_UPLOAD", "php"] as const),
    sendByPhpCurl(`CURLOPT_CUSTOMREQUEST => "POST", CURLOPT_UPLOAD => true, CURLOPT_READFUNCTION => $read`),
  ],
  ["Python", "`bytes`", "python3", sendInPython("body")],
  ["Python", "`str`", "python3", sendInPython("body.decode()")],
  ["Python", "generator", "python3", sendInPython("(each for each in [body])")],
  ["Python", "file", "python3", sendInPython("io.BytesIO(body)")],
];

describe("what the guides say of a body's length and of headers", () => {
  let service: Service;
  let url: string;
  beforeAll(async () => {
    service = await startService();
    url = `${service.baseUrl}/api/v1/merchant/cgn/otp/validate`;
  });
  afterAll(() => service.stop());

  const body = '{"otp_code":"AAAAAAAAAAA"}';

  it("holds for each client, and each way to send", async () => {
    const sent = waysToSend.map(async ([client, word, command, args]) => {
      const language = word.startsWith("CURLOPT_") ? "php curl" : client === "curl" ? "sh" : undefined;
      const missing = missingFor(language, command);
      if (missing !== undefined) {
        console.warn(`${missing} is not installed: what the guides say of ${client} is not tried`);
        return;
      }
      // A 401 shows that the body arrived: only the API key is missing.
      const status = (await runProgram(command, args, { BODY: body, URL: url })).output.trim();
      expect(["400", "401"]).toContain(status);
      for (const guide of guides) {
        const [row = ""] = new RegExp(`^\\| ${client} .*$`, "m").exec(readFileSync(guide, "utf8")) ?? [];
        const [withLength = "", inChunks = ""] = cellsOf(row).slice(1);
        const told = status === "401" ? withLength : inChunks;
        expect([client, word, told.includes(word)]).toEqual([client, word, true]);
      }
    });
    await Promise.all(sent);
  });

  it("holds for a body in chunks, whose problem names it", async () => {
    const reply = await call(url, { method: "POST", body: new Blob([body]).stream(), duplex: "half" });
    expectProblem(reply, 400, "invalid-request");
    expect(decode(t.type({ detail: t.string }), reply.json).detail).toMatch(/\bbody\b/);
  });

  it.each(guides)("holds for a header beyond Latin-1, and for one that is not UTF-8: %s", async (guide) => {
    const [, written = ""] = /`User-Agent: ([^`]+)`/.exec(readFileSync(guide, "utf8")) ?? [];
    expect(written).toContain("€");
    const send = async (bytes: string): Promise<readonly [number, string]> => {
      const reply = await fetch(url, { method: "POST", body, headers: { "User-Agent": bytes } });
      return [reply.status, await reply.text()];
    };
    expect(await send(Buffer.from(written).toString("latin1"))).toEqual([500, ""]);
    expect(await send("caff\xe8")).toEqual([400, ""]);
  });
});
