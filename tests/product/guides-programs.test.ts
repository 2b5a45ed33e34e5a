/** The guides' programs do what the guides say, at a fake service and at the real one. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { normalizeCode } from "../../playground/page/code";
import { deadlinePassed } from "../../shared/domain/failure";
import { discount, discountId, fiscalCode, merchantId } from "../../tools/support/api";
import { startService, type Service } from "../../tools/support/service";
import {
  answering,
  blocksOf,
  customerReads,
  dropped,
  hasten,
  isThere,
  play,
  problem,
  readPage,
  redirected,
  rowsOf,
  runProgram,
  slowest,
  statusesIn,
  throttled,
  unavailable,
  worstCaseOf,
  type Answer,
  type Ended,
  type Story,
} from "../support/guides";
import { makeInAdvance } from "../support/in-advance";

/** What a program does, and what comes of it. */
interface Row extends Story {
  readonly promise: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** What is told of each call. */
  readonly calls: readonly object[];
  readonly output: unknown;
  readonly succeeds?: true;
}

const shopGuide = readPage("merchant-integration").text;

const namesMissing = (name: string): Row => ({
  promise: "names a missing setting in one line",
  settings: { [name]: "" },
  answers: [redirected],
  calls: [],
  output: expect.stringMatching(new RegExp(`^[^\n]*\\b${name}:? is not set\n$`)),
});

const shopSettings = {
  // A key that was read from a file ends with the line.
  CGN_API_KEY: "cgn_shop-1_a\n",
  CGN_OTP: "AAAAAAAAAAA",
  CGN_CART: "cart-1",
  CGN_LANGUAGE: "it",
};
const ask = {
  body: { otp_code: shopSettings.CGN_OTP, invalidate_otp: false },
  "accept-language": "it",
  "idempotency-key": undefined,
  "ocp-apim-subscription-key": "cgn_shop-1_a",
};
const use = {
  ...ask,
  body: { ...ask.body, invalidate_otp: true },
  "idempotency-key": shopSettings.CGN_CART,
};
const granted = answering(200, '{"expires_at":"2026-03-01T10:10:00.000Z","discount_id":"discount-1"}');
const refusing = answering(404, problem("otp-not-found"));

const indent = (sentences: readonly string[]): string => sentences.map((text) => `  ${text}\n`).join("");
const problemTold = indent(["What happened", "What to do."]);
const noProblemTold = indent(customerReads(deadlinePassed, "it"));
const [emptyInItalian = "", emptyInEnglish = ""] = rowsOf(shopGuide, "empty field").map((row) =>
  indent(row.slice(1)),
);
/** The statuses that the guide says to repeat at once, and the others. */
const [repeated = [], others = []] = [true, false].map((isRepeated) =>
  rowsOf(shopGuide, "answer").flatMap(([answer = "", repeat = ""]) =>
    repeat.startsWith("after ") === isRepeated ? statusesIn(answer).map(Number) : [],
  ),
);
const empty = (status: number): Answer => answering(status, "");
/** Of what stands between the shop and the service. */
const otherBodies = ["null", '"x"', '{"type":5}', '{"title":"A gateway","status":404}', "[]", "<html>"];

const ofShop: readonly Row[] = [
  {
    promise: "waits as long as a 503 says, and after no answer a second, and gives up after three calls",
    answers: [granted, unavailable, dropped, unavailable],
    waits: [0, 0, 2, 1],
    calls: [ask, use, use, use],
    output: `ask 200 discount-1\nuse 503 service-unavailable\n${problemTold}`,
  },
  {
    promise: "waits as long as a 429 says, and takes a 200 without a discount for no answer",
    answers: [throttled, answering(200, '{"discount_id":null}'), refusing],
    waits: [0, 2, 1],
    calls: [ask, ask, ask],
    output: `ask 404 otp-not-found\n${problemTold}`,
  },
  {
    promise: `asks about the code, then uses it, and repeats what was answered ${repeated.join(", ")}`,
    answers: [...repeated.slice(0, 2).map(empty), granted, ...repeated.slice(2).map(empty), granted],
    waits: [0, 1, 1, 0, 1, 1],
    calls: [ask, ask, ask, use, use, use],
    output: "ask 200 discount-1\nuse 200 discount-1\n",
    succeeds: true,
  },
  ...others.map((status, index) => {
    const body = otherBodies[index % otherBodies.length] ?? "";
    return {
      promise: `repeats no use that was answered ${status}, though its body is ${body}`,
      answers: [granted, answering(status, body)],
      calls: [ask, use],
      output: `ask 200 discount-1\nuse ${status} ?\n${noProblemTold}`,
    };
  }),
  {
    promise: "follows no redirection, and prints what the customer reads in English",
    settings: { CGN_LANGUAGE: "en" },
    answers: [redirected],
    calls: [{ ...ask, "accept-language": "en" }],
    output: `ask 302 ?\n${indent(customerReads(deadlinePassed, "en"))}`,
  },
  {
    promise: "prints without any answer what a customer of another language reads, as the service does",
    settings: { CGN_LANGUAGE: "fr" },
    answers: [dropped],
    waits: [0, 1, 1],
    calls: [ask, ask, ask].map((each) => ({ ...each, "accept-language": "fr" })),
    output: `ask 0 no-answer\n${noProblemTold}`,
  },
  ...[
    { CGN_LANGUAGE: "it", CGN_OTP: "" },
    { CGN_LANGUAGE: "en", CGN_OTP: " -\u200b" },
    { CGN_LANGUAGE: "fr", CGN_OTP: "" },
  ].map((settings) => ({
    promise: `asks the customer for a code, and the service nothing: ${JSON.stringify(settings)}`,
    settings,
    answers: [granted],
    calls: [],
    output: `ask 0 no-code\n${settings.CGN_LANGUAGE === "en" ? emptyInEnglish : emptyInItalian}`,
  })),
  namesMissing("CGN_CART"),
];

const functionKey = "a function key";
/** What programs with a function key do alike, and what they do not repeat. */
const ofPlatform = (
  call: object,
  needed: string,
  refusals: Readonly<Record<string, Answer>>,
): readonly Row[] => [
  {
    promise: "takes a 200 without what it wants for no answer, and gives up after three calls",
    answers: [answering(200, "{}"), unavailable],
    waits: [0, 1, 2],
    calls: [call, call, call],
    output: "503 service-unavailable\n",
  },
  ...Object.entries({ "401 ?": answering(401, ""), "302 ?": redirected, ...refusals }).map(
    ([told, answer]) => ({
      promise: `repeats no call that was answered ${told}`,
      answers: [answer],
      calls: [call],
      output: `${told}\n`,
    }),
  ),
  namesMissing(needed),
];

const generated = { body: { ...discount, fiscal_code: fiscalCode }, "x-functions-key": functionKey };
const codeOf = (secondsLeft: number): string =>
  JSON.stringify({
    code: "K7XQ4MD9TWB",
    expires_at: new Date(Date.now() + secondsLeft * 1000).toISOString(),
    ttl: 600,
  });
const ofIo: readonly Row[] = [
  {
    promise: "waits as long as a 429 says, and counts down no more than a code's whole life",
    answers: [throttled, answering(200, codeOf(10_000))],
    waits: [0, 2],
    calls: [generated, generated],
    output: "200 K7XQ4MD9TWB 600\n",
    succeeds: true,
  },
  {
    promise: "takes the live code of a 409, after no answer and a 503",
    answers: [dropped, unavailable, answering(409, `{"type":"otp-conflict","otp":${codeOf(-1)}}`)],
    waits: [0, 1, 2],
    calls: [generated, generated, generated],
    output: "409 K7XQ4MD9TWB 0\n",
    succeeds: true,
  },
  ...ofPlatform(generated, "CGN_FISCAL_CODE", {
    "400 invalid-request": answering(400, problem("invalid-request")),
    "409 ?": answering(409, "[]"),
    "500 internal-error": answering(500, problem("internal-error")),
  }),
];

const press = "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96";
const pressed = { "idempotency-key": press, "x-functions-key": functionKey };
const ofPortal: readonly Row[] = [
  {
    promise: "waits after no answer a second, and as long as a 429 says",
    answers: [dropped, throttled, answering(200, '{"api_key":"a key"}')],
    waits: [0, 1, 2],
    calls: [pressed, pressed, pressed],
    output: "200 a key\n",
    succeeds: true,
  },
  ...ofPlatform(pressed, "CGN_MERCHANT", {}),
];

/** What programs in several languages do alike. */
interface Kind {
  readonly guide: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  readonly call: object;
  /** What it prints if no call is answered in time. */
  readonly givesUp: string;
}
const shop: Kind = {
  guide: shopGuide,
  settings: shopSettings,
  rows: ofShop,
  call: ask,
  givesUp: `ask 0 no-answer\n${noProblemTold}`,
};
const io: Kind = {
  guide: readPage("io-integration").text,
  settings: {
    CGN_FUNCTION_KEY: `${functionKey}\n`,
    CGN_FISCAL_CODE: fiscalCode,
    CGN_MERCHANT: merchantId,
    CGN_DISCOUNT: discountId,
  },
  rows: ofIo,
  call: generated,
  givesUp: "0 no-answer\n",
};
const portal: Kind = {
  guide: readPage("portal-integration").text,
  settings: {
    CGN_FUNCTION_KEY: `${functionKey}\n`,
    CGN_MERCHANT: "shop-2",
    CGN_KEY_TYPE: "secondary",
    CGN_PRESS: press,
  },
  rows: ofPortal,
  call: pressed,
  givesUp: "0 ?\n",
};

const node = process.execPath;
// What a version manager puts in Python's place takes longer to start than Python.
const { stdout: python } = spawnSync("python3", ["-c", "import sys; print(sys.executable, end='')"], {
  encoding: "utf8",
});
const nodeIsThere = [node, "--version"] as const;
// `java Regenerate.java` would compile it each time.
const java = ["java", "-XX:TieredStopAtLevel=1", "-cp", ".", "Regenerate"];

/** The language is what the fence says. The command runs in the folder of the file. */
const programs = (
  [
    [shop, "sh", "cgn.sh", ["sh", "cgn.sh"], ["curl", "--version"]],
    [shop, "js", "cgn.mjs", [node, "cgn.mjs"], nodeIsThere],
    [shop, "php", "cgn.php", ["php", "cgn.php"], ["php", "--version"]],
    [shop, "php curl", "curl.php", ["php", "curl.php"], ["php", "--ri", "curl"]],
    [shop, "python", "cgn.py", [python, "cgn.py"], ["python3", "--version"]],
    [io, "ts", "cgn.ts", [node, "cgn.ts"], nodeIsThere],
    [portal, "js", "press.mjs", [node, "press.mjs"], nodeIsThere],
    [portal, "java", "Regenerate.java", java, ["javac", "--version"]],
  ] as const
).map(([kind, language, file, command, needs]) => ({ kind, language, file, command, needs }));
type Program = (typeof programs)[number];

const phpDriver = 'foreach (array_slice($argv, 1) as $each) { echo normalizeCode($each), "\\n"; }\n';
/** Comes behind what a shop takes of a program, and prints the code in each text that follows the command. */
const drivers: Readonly<Record<string, string>> = {
  sh: 'for each in "$@"; do normalize_code "$each"; echo; done\n',
  js: "for (const each of process.argv.slice(2)) console.log(normalizeCode(each));\n",
  php: phpDriver,
  "php curl": phpDriver,
  python: "for each in sys.argv[1:]: print(normalize_code(each))\n",
};

/** The program as a reader puts it together: for cURL, PHP's with another `send`. */
const sourceOf = ({ kind: { guide }, language }: Program): string => {
  const [block = ""] = blocksOf(guide, language);
  const [php = ""] = blocksOf(guide, "php");
  return language === "php curl" ? php.replace(/^\/\/ Sends [^]*?\n}\n/m, () => block) : block;
};

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
const pasted = pastes.map(([text]) => text);
const codes = pastes.map(([, code]) => `${code}\n`).join("");

describe("the guides' programs", () => {
  let service: Service;
  let folder: string;
  const folderOf = (program: Program, isHastened = false): string =>
    path.join(folder, `${programs.indexOf(program)}${isHastened ? "-hastened" : ""}`);
  /** Writes the program, with shorter times or as it is. */
  const prepare = async (program: Program, isHastened: boolean): Promise<void> => {
    const { file } = program;
    const where = folderOf(program, isHastened);
    await mkdir(where);
    await writeFile(path.join(where, file), isHastened ? hasten(sourceOf(program)) : sourceOf(program));
    if (file.endsWith(".java")) {
      await runProgram(["javac", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", file], {}, where);
    }
  };
  const run = (program: Program, settings: Row["settings"], isHastened = false): Promise<Ended> =>
    runProgram(program.command, { ...program.kind.settings, ...settings }, folderOf(program, isHastened));

  const there = programs.filter(({ needs: [command, ...args] }) => isThere(command, ...args));
  beforeAll(async () => {
    service = await startService();
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
    await Promise.all(there.flatMap((program) => [false, true].map((each) => prepare(program, each))));
  }, 120_000);
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await service.stop();
  });

  // The programs mostly wait, so more of them than there are cores run side by side. The longest come first.
  const { inAdvance, itInAdvance } = makeInAdvance(16);
  const playSlowly = new Map(
    there.map((program) => [
      program,
      inAdvance(() => play(slowest, (CGN_URL) => run(program, { CGN_URL }, true))),
    ]),
  );

  describe.each(there)("in $language ($file)", (program) => {
    const { kind, language, file, command } = program;
    const source = sourceOf(program);
    /** The keys of others would end if they had the same merchant. */
    const merchant = `shop-${language.replace(" ", "-")}`;

    it("takes in the worst case the time that the guide says", () => {
      const [, told] = /\*\*(\d+) seconds\*\*/.exec(kind.guide) ?? [];
      expect(worstCaseOf(source)).toBe(Number(told));
      expect(blocksOf(kind.guide, language)).toHaveLength(1);
      // With cURL nothing of the other way to send is left.
      expect(source.includes("curl_exec")).toBe(language === "php curl");
    });

    const played = kind.rows.map((row) =>
      inAdvance(() => play(row, (CGN_URL) => run(program, { CGN_URL, ...row.settings }))),
    );
    it("does what its guide says, whatever is answered", async () => {
      const told = await Promise.all(
        played.map(async (result, index) => {
          const { code, ...rest } = await result();
          return { promise: kind.rows[index]?.promise, succeeds: code === 0, ...rest };
        }),
      );
      const expected = kind.rows.map(({ promise, calls, output, succeeds = false }) => ({
        ...{ promise, calls, output, succeeds, hasWaited: true },
      }));
      expect(told).toMatchObject(expected);
    });

    it("gives up in time if the answers are slow", async () => {
      const told = await playSlowly.get(program)?.();
      const calls = [kind.call, kind.call, kind.call];
      expect(told).toMatchObject({ calls, hasWaited: true, output: kind.givesUp });
      // A busy machine has as much time again.
      expect(told?.seconds).toBeLessThan(2 * worstCaseOf(hasten(source)));
    });

    if (language !== "java") {
      itInAdvance(
        "does nothing above its line, which is what a reader takes, and finds there a code in what is pasted",
        async () => {
          const [above = "", ...below] = source.split(/^.* ---- .* takes what is above this line\..*\n/m);
          expect(below).toHaveLength(1);
          const taken = `taken-${file}`;
          const driver = kind === shop ? drivers[language] : "";
          await writeFile(path.join(folderOf(program), taken), `${above}${driver}`);
          const ended = await runProgram([command[0], taken, ...pasted], {}, folderOf(program));
          expect(ended).toEqual({ code: 0, output: driver === "" ? "" : codes });
        },
      );
    }

    if (kind === shop) {
      itInAdvance(
        "asks the service about a code as it was pasted, uses it, and is refused it afterwards",
        async () => {
          const code = await service.newCode(fiscalCode, { merchant_id: merchant, discount_id: "d" });
          const settings = {
            CGN_URL: service.baseUrl,
            CGN_API_KEY: await service.newApiKey(merchant),
            CGN_OTP: `\u00a0 ${code.slice(0, 5).toLowerCase()}-${code.slice(5)}\u200b\t`,
          };
          expect((await run(program, settings)).output).toBe("ask 200 d\nuse 200 d\n");
          expect((await run(program, { ...settings, CGN_CART: "cart-2" })).output).toBe(
            `ask 404 otp-already-used\n${indent(customerReads({ tag: "otp-already-used" }, "it"))}`,
          );
        },
      );
    }

    if (kind === portal) {
      itInAdvance("makes a key, and gets it again for the same press", async () => {
        const settings = { CGN_URL: service.baseUrl, CGN_MERCHANT: merchant };
        const first = await run(program, settings);
        const [status, key = "", end] = first.output.split(/\s/);
        expect([status, end]).toEqual(["200", ""]);
        expect(await run(program, settings)).toEqual(first);
        expect((await service.ask(key, "AAAAAAAAAAA")).status).toBe(404);
      });
    }

    if (kind === io) {
      itInAdvance(
        "gets a code, and the same again while it lives, for which the shop gets the discount",
        async () => {
          const settings = { CGN_URL: service.baseUrl };
          const { output } = await run(program, settings);
          const [status, code = ""] = output.split(" ");
          expect(status).toBe("200");
          expect((await run(program, settings)).output).toBe(output.replace("200", "409"));
          const used = await service.use(await service.newApiKey(), code);
          expect(used.json).toMatchObject({ discount_id: discountId });
        },
      );

      itInAdvance("has the types that it says", async () => {
        const options = "--ignoreConfig --noEmit --strict --module preserve --target es2023 --types node";
        const checked = await runProgram([
          ...[node, path.resolve("node_modules/typescript/bin/tsc"), ...options.split(" "), "--skipLibCheck"],
          ...["--typeRoots", path.resolve("node_modules/@types"), path.join(folderOf(program), file)],
        ]);
        expect(checked).toEqual({ code: 0, output: "" });
      });
    }
  });

  it("and the playground find the same code", () => {
    expect(pasted.map((text) => `${normalizeCode(text)}\n`).join("")).toBe(codes);
  });
});
