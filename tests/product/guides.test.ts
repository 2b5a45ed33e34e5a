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

const runProgram = async (
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

describe.each(languages)("the guides' program in %s", (language, file, command) => {
  const [program = "", ...others] = programsIn(guides[0], language);

  it("is a single program, the same in both guides", () => {
    expect(program).not.toBe("");
    expect(others).toEqual([]);
    expect(programsIn(guides[1], language)).toEqual([program]);
    // With cURL nothing of the other way to send is left.
    expect(program.includes("curl_exec")).toBe(language === "php curl");
    expect(program.includes("fopen")).toBe(language === "php");
  });

  const missing = missingFor(language, command);
  if (missing !== undefined) {
    const reason = `${missing} is not installed`;
    console.warn(`${reason}: the guides' program in ${language} is not run`);
    it.skip(`is not run, because ${reason}`, () => undefined);
    return;
  }

  describe("run against the service", () => {
    let service: Service;
    let folder: string;
    let apiKey: string;
    beforeAll(async () => {
      service = await startService();
      apiKey = await service.newApiKey();
      folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
      await writeFile(path.join(folder, file), program);
    });
    afterAll(async () => {
      await rm(folder, { recursive: true });
      await service.stop();
    });

    const runWith = (settings: Readonly<Record<string, string>>): Promise<Ended> =>
      runProgram(command, [path.join(folder, file)], {
        CGN_URL: service.baseUrl,
        CGN_API_KEY: apiKey,
        ...settings,
      });
    const run = async (
      code: string,
      cart: string,
      baseUrl = service.baseUrl,
      key = apiKey,
    ): Promise<Ended> => {
      const { output, ...ended } = await runWith({
        CGN_URL: baseUrl,
        CGN_API_KEY: key,
        CGN_OTP: code,
        CGN_CART: cart,
      });
      return { ...ended, output: withoutSentences(output) };
    };

    it.each(["it", "en"])(
      "prints what the customer reads, in %s, and so where no answer is a problem",
      async (language) => {
        const ask = async (baseUrl: string): Promise<string[]> => {
          const settings = {
            CGN_URL: baseUrl,
            CGN_OTP: "AAAAAAAAAAA",
            CGN_CART: "cart",
            CGN_LANGUAGE: language,
          };
          return (await runWith(settings)).output.split("\n").slice(0, -1);
        };
        const indented = (failure: Failure): string[] =>
          sentencesOf(failure, language).map((text) => `  ${text}`);
        expect(await ask(service.baseUrl)).toEqual([
          "ask 404 otp-not-found",
          ...indented({ tag: "otp-not-found" }),
        ]);
        const unreadable = ["<html>", '{"title":"A gateway","status":500}'].map(async (body) => {
          const told: string[] = [];
          const { asked } = await againstFake([answering(500, body)], async (baseUrl) => {
            told.push(...(await ask(baseUrl)));
            return { code: 1, output: "" };
          });
          expect(asked.map(({ headers }) => headers["accept-language"])).toEqual([language]);
          expect(told).toEqual(["ask 500 ?", ...indented(deadlinePassed)]);
        });
        await Promise.all(unreadable);
        await expect(ask("http://127.0.0.1:9")).resolves.toEqual([
          "ask 0 no-answer",
          ...indented(deadlinePassed),
        ]);
      },
    );

    it("asks about a code with any spaces and letter case, and uses it", async () => {
      const code = await service.newCode();
      const pasted = `\u00a0 ${code.slice(0, 5).toLowerCase()} ${code.slice(5)}\t`;
      expect(await run(pasted, "cart-1")).toEqual({
        code: 0,
        output: "ask 200 discount-1\nuse 200 discount-1\n",
      });
      expect((await service.use(apiKey, code)).status).toBe(404);
    });

    describe("when a fake service answers", () => {
      const runAgainst = (...answers: readonly Answer[]): Promise<Told> =>
        againstFake(answers, (baseUrl) => run("AAAAAAAAAAA", "cart-5", baseUrl));

      it("uses with the cart's Idempotency-Key, and sends the API key each time", async () => {
        const { asked, output } = await runAgainst(granted);
        expect(output).toBe("ask 200 discount-1\nuse 200 discount-1\n");
        expect(asked.map(({ body }) => body)).toEqual(
          [false, true].map((invalidate_otp) => ({ otp_code: "AAAAAAAAAAA", invalidate_otp })),
        );
        expect(asked.map(({ headers }) => headers["idempotency-key"])).toEqual([undefined, "cart-5"]);
        expect(asked.map(({ headers }) => headers["ocp-apim-subscription-key"])).toEqual([apiKey, apiKey]);
      });

      it("waits as long as a 503 and a 429 say, retries a use with the same key, and gives up after three calls", async () => {
        const waits = [unavailable, throttled].map(async (answer) => {
          const { asked, output } = await runAgainst(granted, answer, dropped, unavailable);
          expect(output).toBe("ask 200 discount-1\nuse 503 service-unavailable\n");
          const [, first, second, third] = asked;
          expect([first, second, third].map((call) => call?.headers["idempotency-key"])).toEqual(
            Array(3).fill("cart-5"),
          );
          expect(asked).toHaveLength(4);
          expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(1990);
          expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThan(990);
        });
        await Promise.all(waits);
      });

      it("repeats what the guide says to repeat at once, and nothing else", async () => {
        const told = await Promise.all(
          [...repetitionsIn(guides[0])].map(async ([status, { repeat }]) => {
            const { asked } = await runAgainst(granted, answering(status, ""));
            return { status, repeat, uses: asked.length - 1 };
          }),
        );
        expect(told.length).toBeGreaterThan(8);
        expect(told).toEqual(
          told.map((each) => ({ ...each, uses: each.repeat.startsWith("after ") ? 3 : 1 })),
        );
      });

      it("follows no redirection", async () => {
        const { asked, output } = await runAgainst(redirected);
        expect([asked.length, output]).toEqual([1, "ask 302 ?\n"]);
      });

      it.each([["null"], ["5"], ['"x"'], ['{"type":null}'], ['{"type":5}'], ["[]"], ["<html>"]])(
        "takes a 404 for a refusal though its body is %s",
        async (body) => {
          const refused = await runAgainst(answering(404, body));
          expect([refused.asked.length, refused.output]).toEqual([1, "ask 404 ?\n"]);
        },
      );

      it("accepts a 500 without a body, and does not retry it", async () => {
        const { asked, output } = await runAgainst(answering(500, ""));
        expect([asked.length, output]).toEqual([1, "ask 500 ?\n"]);
      });

      it("treats a 200 without a discount as no answer", async () => {
        const { asked, output } = await runAgainst(answering(200, '{"discount_id":null}'), refusing);
        expect([asked.length, output]).toEqual([2, "ask 404 otp-not-found\n"]);
      });
    });

    it("gets the outcomes of the test codes with a test key", async () => {
      const testKey = await service.newApiKey(merchantId, "test");
      const outputs = ["TESTLIVE000", "TESTRACE000", "TESTNEWER00"].map(
        async (code) => (await run(code, "cart-7", service.baseUrl, testKey)).output,
      );
      expect(await Promise.all(outputs)).toEqual([
        "ask 200 test-discount\nuse 200 test-discount\n",
        "ask 200 test-discount\nuse 404 otp-already-used\n",
        "ask 409 otp-conflict\n",
      ]);
    });

    it("is refused a used code, and prints the problem", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code);
      expect(await run(code, "cart-2")).toEqual({ code: 1, output: "ask 404 otp-already-used\n" });
    });

    it("is refused with a key that is not in force", async () => {
      expect(await run("AAAAAAAAAAA", "cart-3", service.baseUrl, "no key")).toEqual({
        code: 1,
        output: "ask 401 unauthorized\n",
      });
    });

    it("retries a use whose answer was lost, and the service grants it", async () => {
      const code = await service.newCode();
      const { proxy, instance } = await startBehindFaults(service, 300);
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
      const { code: exitCode, output } = await run(code, "cart-4", instance.baseUrl);
      expect({ exitCode, output }).toEqual({
        exitCode: 0,
        output: "ask 200 discount-1\nuse 200 discount-1\n",
      });
    });
  });
});

describe("the guides", () => {
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
    const given = Object.entries(makeFailures([])).map(([name, failure]) => {
      return [name, statusOf(failure), sentencesOf(failure, language)[0]];
    });
    expect(told.sort()).toEqual(given.sort());
  });

  it.each(
    Object.values(makeFailures([])).flatMap(({ tag }) => [
      [tag, "English", guides[0]] as const,
      [tag, "Italiano", guides[1]] as const,
    ]),
  )(
    "say of %s, in %s, whether to repeat and what became of the code, as its page does",
    (tag, heading, guide) => {
      const [, part = ""] = readFileSync(`docs/problems/${tag}.md`, "utf8").split(`\n## ${heading}\n`);
      const [, row = ""] = /^\n\|.*\n\|.*\n(\|.*)\n\n/.exec(part) ?? [];
      const [repeat, code] = cellsOf(row);
      expect({ repeat, code }).toEqual(repetitionsIn(guide).get(statusOf(makeFailures([])[tag])));
    },
  );

  it("say the same in both languages about repeating and about the code", () => {
    const [english, italian] = guides.map(repetitionsIn);
    const pairsOf = (about: keyof Repetition): string[] => [
      ...new Set(
        [...(english ?? [])].map(([status, told]) => `${told[about]} = ${italian?.get(status)?.[about]}`),
      ),
    ];
    for (const pairs of [pairsOf("repeat"), pairsOf("code")]) {
      const sides = pairs.map((pair) => pair.split(" = "));
      expect(new Set(sides.map(([side]) => side)).size).toBe(pairs.length);
      expect(new Set(sides.map(([, side]) => side)).size).toBe(pairs.length);
    }
    expect([...(italian ?? [])].map(([status]) => status)).toEqual(
      [...(english ?? [])].map(([status]) => status),
    );
  });

  it.each([
    ["English", guides[0]],
    ["Italian", guides[1]],
  ])(
    "say in %s which answers to repeat after Retry-After, and after a second, as the contract does",
    (_, guide) => {
      const statusesIn = (text: string): number[] => (text.match(/\b\d{3}\b/g) ?? []).map(Number).sort();
      const told = [...repetitionsIn(guide)];
      const waits = [/`Retry-After`/, /second/].map((wait) =>
        told.flatMap(([status, { repeat }]) => (wait.test(repeat) ? [status] : [])).sort(),
      );
      expect(waits).toEqual([
        [429, 503],
        [502, 504],
      ]);
      const contract = [...readFileSync("openapi.yaml", "utf8").matchAll(/^ {4}5\. ([^]*?)\n {4}6\. /gm)].map(
        ([, item = ""]) => item.replaceAll(/\s+/g, " "),
      );
      expect(contract).toHaveLength(2);
      for (const item of contract) {
        const clauses = item.split(/[.:;] /).map((clause) => [clause, statusesIn(clause)] as const);
        const after = (wait: RegExp): number[] | undefined =>
          clauses.find(([clause, statuses]) => wait.test(clause) && statuses.length > 0)?.[1];
        expect([after(/`Retry-After`/), after(/one second|un secondo/)]).toEqual(waits);
      }
    },
  );

  it("give, in both languages, the sentences for an answer without a problem: those of service-unavailable", () => {
    const sentences = ["it", "en"].map((language) => sentencesOf(deadlinePassed, language));
    for (const guide of guides) {
      const [, rows = ""] =
        /^\| (?:language|lingua) .*\n.*\n([^]*?)\n\n/m.exec(readFileSync(guide, "utf8")) ?? [];
      expect(rows.split("\n").map((row) => cellsOf(row).slice(1))).toEqual(sentences);
    }
  });

  it.each(Object.values(makeFailures([])))("have a whole page for $tag, with its status", (failure) => {
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

describe.each(guides)("the calls in %s", (guide) => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it("are answered as it says", async () => {
    const demo = { merchant_id: "demo-shop", discount_id: "demo-discount" };
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
});

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

describe.each([
  [guides[0], "Try every outcome", "Test plan"],
  [guides[1], "Prova ogni esito", "Piano di prova"],
])("in %s, %j and %j", (guide, outcomes, plan) => {
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

  it("give each test code of the contract the answers of the service, asked about and used", async () => {
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
      // Used twice, because a test code is not used up.
      const replies = [
        await service.ask(testKey, sent),
        await service.use(testKey, sent),
        await service.use(testKey, sent),
      ];
      expect([code, ...replies.map(({ status, json }) => describeReply(status, json))]).toEqual([
        ...[code, asked, used, used],
      ]);
    }
  });

  it("say until when a test code is valid, and how long to wait", async () => {
    expect(chapter).toMatch(/\b10\sminut/);
    const given = await service.ask(testKey, "TESTLIVE000");
    const used = await service.use(testKey, "TESTLIVE000");
    expect([given, used].map(({ json }) => json)).toEqual(
      [600, 0].map((seconds) => ({
        expires_at: new Date(service.clock().getTime() + seconds * 1000).toISOString(),
        discount_id: "test-discount",
      })),
    );
    const [, waitSeconds] = /`Retry-After` \D*(\d+) second/.exec(chapter) ?? [];
    expect((await service.use(testKey, "TESTDOWN000")).headers.get("retry-after")).toBe(waitSeconds);
  });

  it("let a merchant try the test codes in a shop, which asks and then uses", async () => {
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

  it("let a merchant try the life of a real code", async () => {
    const demo = { merchant_id: "demo-shop", discount_id: "demo-discount" };
    const apiKey = await service.newApiKey("demo-shop");
    const code = await service.newCode("BBBBBB00A00A000A", demo);
    const told = [...(lists[1] ?? "").matchAll(/^- \[ \] [^]*?: (\d+)(?: `([a-z-]+)`)?/gm)].map(
      ([, status, name]) => `${status} ${name ?? demo.discount_id}`,
    );
    const replies = [
      [await service.ask(apiKey, code), await service.ask(apiKey, code)],
      [await service.use(apiKey, code, "cart-1")],
      [await service.use(apiKey, code, "cart-1")],
      [await service.use(apiKey, code, "cart-2"), await service.use(apiKey, code)],
      [await service.ask(apiKey, code)],
    ];
    await service.newCode("BBBBBB00A00A000A", demo);
    replies.push([await service.ask(apiKey, code)]);
    expect(
      replies.map((each) => [...new Set(each.map(({ status, json }) => describeReply(status, json)))]),
    ).toEqual(told.map((each) => [each]));
  });

  if (!isThere("curl")) {
    console.warn(`curl is not installed: the commands in ${guide} are not run`);
    it.skip("are not run as commands, because curl is not installed", () => undefined);
    return;
  }

  it("have commands that show every outcome but a defect, as it says behind each", async () => {
    const [settings = "", definition = "", commands = "", ...others] = textBlocksIn(chapter);
    expect(others).toEqual([]);
    expect(settings).toMatch(/^export CGN_URL=\S+\nexport CGN_API_KEY=cgn_test_\S+\n$/);
    const told = commands
      .trim()
      .split("\n")
      .map((line) => line.split(/ +# /));
    for (const [command = "", outcome] of told) {
      const { output } = await runProgram("sh", ["-c", definition + command], {
        CGN_URL: service.baseUrl,
        CGN_API_KEY: testKey,
      });
      const [body = "", status] = output.split("\n");
      expect([command, describeReply(Number(status), JSON.parse(body))]).toEqual([command, outcome]);
    }
    const shown = new Set(told.map(([, outcome]) => outcome?.replace(/^\d+ /, "")));
    const problems = Object.keys(makeFailures([])).filter((name) => name !== "internal-error");
    expect([...shown].sort()).toEqual(["test-discount", ...problems].sort());
  });

  it("have commands that give a code and a second key", async () => {
    const given: unknown[] = [];
    const commands = textBlocksIn(sectionOf(guide, plan)).filter((block) => block.startsWith("curl "));
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

  it("has a call whose answer is as it says", async () => {
    if (!isThere("curl")) {
      console.warn(`curl is not installed: the call in ${page} is not made`);
      return;
    }
    const command = call1
      .replace("http://127.0.0.1:7071", service.baseUrl)
      .replace("cgn_test_demo-shop_…", testKey);
    const answer: unknown = JSON.parse((await runProgram("sh", ["-c", command])).output);
    const shown: unknown = JSON.parse(shownAnswer);
    expect(answer).toMatchObject({
      discount_id: decode(t.type({ discount_id: t.string }), shown).discount_id,
    });
    expect(Object.keys(decode(t.UnknownRecord, answer))).toEqual(Object.keys(decode(t.UnknownRecord, shown)));
  });

  it("says for each code what the guide's program prints", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    const file = path.join(folder, "cgn.mjs");
    await writeFile(file, blocksOf(guides[0], "js").join(""));
    const [, first = ""] = /CGN_OTP=(\w+)/.exec(start) ?? [];
    const rows = [...text.matchAll(/^\| `(\w{11})` +\| (.+) \|$/gm)].map(([, code = "", told = ""]) => ({
      code,
      printed: [...told.matchAll(/`([^`]+)`/g)].map(([, line = ""]) => `${line}\n`).join(""),
    }));
    expect(rows.length).toBeGreaterThan(3);
    for (const { code, printed } of [{ code: first, printed: shownOutput }, ...rows]) {
      const { output } = await runProgram(process.execPath, [file], {
        CGN_URL: service.baseUrl,
        CGN_API_KEY: testKey,
        CGN_OTP: code,
        CGN_CART: "cart-4711",
      });
      const withoutSentences = output.replaceAll(/^ {2}.*\n/gm, "");
      expect([code, withoutSentences]).toEqual([code, printed]);
    }
    await rm(folder, { recursive: true });
  });
});

describe.each(["docs/portal-integration.md", "docs/integrazione-portale.md"])("%s", (page) => {
  const [program = "", ...otherPrograms] = blocksOf(page, "js");

  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it("has one program", () => {
    expect(otherPrograms).toEqual([]);
  });

  if (isThere("curl")) {
    it("has commands that print, in order, what it says", async () => {
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
      const script = blocksOf(page, "sh").join("").replace("http://127.0.0.1:7071", service.baseUrl);
      const { output } = await runProgram("sh", ["-c", script]);
      expect(normalise(output)).toBe(normalise(blocksOf(page, "text").join("")));
    });
  } else {
    console.warn(`curl is not installed: the commands in ${page} are not run`);
    it.skip("has commands that are not run, because curl is not installed", () => undefined);
  }

  describe("has a program that", () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
      await writeFile(path.join(folder, "press.mjs"), program);
    });
    afterAll(() => rm(folder, { recursive: true }));

    const press = "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96";
    const run = (baseUrl: string): Promise<Ended> =>
      runProgram(process.execPath, [path.join(folder, "press.mjs")], {
        CGN_URL: baseUrl,
        CGN_FUNCTION_KEY: "a function key",
        CGN_MERCHANT: "shop-1",
        CGN_KEY_TYPE: "secondary",
        CGN_PRESS: press,
      });

    it("makes a key, and is given the same again for the same press, and none once it was revoked", async () => {
      const first = await run(service.baseUrl);
      expect([first.code, first.output]).toEqual([
        0,
        expect.stringMatching(/^200 cgn_shop-1_[0-9a-f]{72}\n$/),
      ]);
      expect(await run(service.baseUrl)).toEqual(first);
      expect((await service.ask(first.output.trim().slice(4), "AAAAAAAAAAA")).status).toBe(404);
      await service.revoke("shop-1", "secondary");
      expect(await run(service.baseUrl)).toEqual({ code: 1, output: "400 invalid-request\n" });
    });

    it.each([
      ["503", unavailable],
      ["429", throttled],
    ])("repeats a call with the same Idempotency-Key, and waits as long as a %s says", async (_, answer) => {
      const key = answering(200, JSON.stringify({ api_key: "a key" }));
      const { asked, output } = await againstFake([dropped, answer, key], run);
      expect(output).toBe("200 a key\n");
      expect(asked.map(({ headers }) => headers["idempotency-key"])).toEqual([press, press, press]);
      expect(asked.map(({ headers }) => headers["x-functions-key"])).toEqual(Array(3).fill("a function key"));
      const [, second, third] = asked;
      expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThan(1990);
    });

    it.each([
      ["after three calls", [unavailable], 3, "503 service-unavailable\n"],
      ["after a 401 of the platform", [answering(401, "")], 1, "401 ?\n"],
      ["after a redirection", [redirected], 1, "302 ?\n"],
    ])("gives up %s", async (_, answers, calls, told) => {
      const { asked, output } = await againstFake(answers, run);
      expect([asked.length, output]).toEqual([calls, told]);
    });
  });
});

/** How a client sends `BODY` to `URL` and prints the status, and the words of its row in the guides. */
const waysToSend: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["curl", "`-d`", "sh", ["-c", `curl -so /dev/null -w '%{http_code}' -d "$BODY" "$URL"`]],
  [
    "curl",
    "`--data-binary`",
    "sh",
    ["-c", `curl -so /dev/null -w '%{http_code}' --data-binary "$BODY" "$URL"`],
  ],
  ["curl", "`-T -`", "sh", ["-c", `echo "$BODY" | curl -so /dev/null -w '%{http_code}' -X POST -T - "$URL"`]],
  ...[
    ["fetch", "BODY"],
    ["Buffer", "Buffer.from(BODY)"],
    ["stream", "new Blob([BODY]).stream()"],
  ].map(([word = "", body = ""]) => {
    const program = `const { BODY, URL: url } = process.env;
      fetch(url, { method: "POST", body: ${body}, duplex: "half" }).then(({ status }) => console.log(status));`;
    return ["Node.js", word, process.execPath, ["-e", program]] as const;
  }),
  ...[
    ["`request.end(body)`", "request.end(BODY)"],
    ["`request.write(body)`", "request.write(BODY); request.end()"],
  ].map(([word = "", send = ""]) => {
    const program = `const { BODY, URL: url } = process.env;
      const request = require("node:http").request(url, { method: "POST" }, (response) => {
        console.log(response.resume().statusCode);
      });
      ${send};`;
    return ["Node.js", word, process.execPath, ["-e", program]] as const;
  }),
  ...[
    [
      "`content`",
      `$context = stream_context_create(["http" => ["method" => "POST", "header" => "Content-Type: application/json",
         "content" => $body, "ignore_errors" => true]]);
       fopen(getenv("URL"), "r", false, $context);
       echo explode(" ", $http_response_header[0])[1];`,
    ],
    [
      "CURLOPT_POSTFIELDS",
      `$curl = curl_init(getenv("URL"));
       curl_setopt_array($curl, [CURLOPT_POSTFIELDS => $body, CURLOPT_RETURNTRANSFER => true]);
       curl_exec($curl);
       echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE);`,
    ],
    [
      "CURLOPT_UPLOAD",
      `$curl = curl_init(getenv("URL"));
       $read = function () use (&$body) { [$sent, $body] = [$body, ""]; return $sent; };
       curl_setopt_array($curl, [CURLOPT_CUSTOMREQUEST => "POST", CURLOPT_UPLOAD => true,
         CURLOPT_READFUNCTION => $read, CURLOPT_RETURNTRANSFER => true]);
       curl_exec($curl);
       echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE);`,
    ],
  ].map(([word = "", send = ""]) => {
    const program = `$body = getenv("BODY"); ${send}`;
    return ["PHP", word, "php", ["-r", program]] as const;
  }),
  ...[
    ["`bytes`", "body"],
    ["`str`", "body.decode()"],
    ["generator", "(each for each in [body])"],
    ["file", "io.BytesIO(body)"],
  ].map(([word = "", sent = ""]) => {
    const program = `import http.client, io, os, urllib.parse
url = urllib.parse.urlsplit(os.environ["URL"])
body = os.environ["BODY"].encode()
connection = http.client.HTTPConnection(url.netloc)
connection.request("POST", url.path, ${sent})
print(connection.getresponse().status)`;
    return ["Python", word, "python3", ["-c", program]] as const;
  }),
];

describe.each(guides)("what %s says of a body's length and of headers", (guide) => {
  let service: Service;
  let url: string;
  beforeAll(async () => {
    service = await startService();
    url = `${service.baseUrl}/api/v1/merchant/cgn/otp/validate`;
  });
  afterAll(() => service.stop());

  const text = readFileSync(guide, "utf8");
  const body = '{"otp_code":"AAAAAAAAAAA"}';

  it.each(waysToSend)("holds for %s, with %s", async (client, word, command, args) => {
    const row = text.split("\n").find((line) => line.startsWith(`| ${client} `)) ?? "";
    const [, , withLength = "", inChunks = ""] = row.split("|");
    const missing = missingFor(
      word.startsWith("CURLOPT_") ? "php curl" : client === "curl" ? "sh" : undefined,
      command,
    );
    if (missing !== undefined) {
      console.warn(`${missing} is not installed: what ${guide} says of ${client} is not tried`);
      return;
    }
    // A 401 shows that the body arrived: only the API key is missing.
    const { output } = await runProgram(command, args, { BODY: body, URL: url });
    expect(["400", "401"]).toContain(output.trim());
    expect(output.trim() === "401" ? withLength : inChunks).toContain(word);
  });

  it("holds for a body in chunks, whose problem names it", async () => {
    const reply = await call(url, { method: "POST", body: new Blob([body]).stream(), duplex: "half" });
    expectProblem(reply, 400, "invalid-request");
    expect(decode(t.type({ detail: t.string }), reply.json).detail).toMatch(/\bbody\b/);
  });

  it("holds for a header beyond Latin-1, and for one that is not UTF-8", async () => {
    const [, written = ""] = /`User-Agent: ([^`]+)`/.exec(text) ?? [];
    expect(written).toContain("€");
    const send = async (bytes: string): Promise<readonly [number, string]> => {
      const reply = await fetch(url, { method: "POST", body, headers: { "User-Agent": bytes } });
      return [reply.status, await reply.text()];
    };
    expect(await send(Buffer.from(written).toString("latin1"))).toEqual([500, ""]);
    expect(await send("caff\xe8")).toEqual([400, ""]);
  });
});

// Run them all at the same time, because each takes ten seconds.
it("the guides' programs end a call without an answer, or with a very slow one, after ten seconds", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
  const settings = { CGN_API_KEY: "a key", CGN_OTP: "AAAAAAAAAAA", CGN_CART: "cart-6" };
  const runAll = languages
    .filter(([language, , command]) => missingFor(language, command) === undefined)
    .flatMap(([language, file, command]) =>
      [silent, dribbling].map(async (first) => {
        await writeFile(path.join(folder, file), programsIn(guides[0], language).join(""));
        const { asked, output } = await againstFake([first, refusing], (baseUrl) =>
          runProgram(command, [path.join(folder, file)], { ...settings, CGN_URL: baseUrl }),
        );
        expect([language, asked.length, withoutSentences(output)]).toEqual([
          ...[language, 2, "ask 404 otp-not-found\n"],
        ]);
        const [one, other] = asked.map(({ at }) => at);
        expect((other ?? 0) - (one ?? 0)).toBeGreaterThan(9900);
        expect((other ?? 0) - (one ?? 0)).toBeLessThan(25_000);
      }),
    );
  try {
    await Promise.all(runAll);
  } finally {
    await rm(folder, { recursive: true });
  }
});
