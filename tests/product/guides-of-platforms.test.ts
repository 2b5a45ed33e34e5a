/** The guides of the IO platform and of the portal do what they say, and each guide begins with a call that works. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  answering,
  blocksOf,
  dropped,
  hasten,
  play,
  problem,
  redirected,
  runProgram,
  runShell,
  runWithErrors,
  slowest,
  testKeyToFill,
  throttled,
  unavailable,
  worstCaseOf,
  type Ended,
  type Played,
} from "../support/guides";
import { discount, discountId, fiscalCode, merchantId } from "../../tools/support/api";
import { startSideBySide } from "../../tools/support/side-by-side";
import { startService, type Service } from "../../tools/support/service";

const isThere = (command: string, ...args: readonly string[]): boolean => {
  const found = spawnSync(command, args).status === 0;
  if (!found) {
    console.warn(`${command} ${args.join(" ")} fails: what needs it is not tried`);
  }
  return found;
};
const itWithCurl = isThere("curl", "--version") ? it : it.skip;
const hasJava = isThere("javac", "--version");

interface Guide {
  readonly page: string;
  readonly text: string;
}

const read = (page: string): Guide => ({ page, text: readFileSync(`docs/${page}.md`, "utf8") });
const ioGuides = ["io-integration", "integrazione-io"].map(read);
const portalGuides = ["portal-integration", "integrazione-portale"].map(read);
const shopGuides = ["merchant-integration", "integrazione-operatori", "get-started", "primi-passi"].map(read);
const mapGuides = ["woocommerce", "prestashop", "magento"].map(
  (platform) => [read(`${platform}-integration`), read(`integrazione-${platform}`)] as const,
);

/** What the commands print, without what differs each time. A key's end is numbered: it is that of the same key everywhere. */
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

describe("the guides", () => {
  let service: Service;
  let testKey: string;
  let folder: string;
  beforeAll(async () => {
    service = await startService();
    testKey = await service.newApiKey(merchantId, "test");
    folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await service.stop();
  });
  // The codes of the tests before have expired.
  beforeEach(() => {
    service.clock.advance(600);
  });

  const runCommands = (commands: string): Promise<string> =>
    runShell(
      commands
        .replace("http://127.0.0.1:7071", service.baseUrl)
        .replace(testKeyToFill, testKey)
        .replaceAll("demo-discount", discountId),
    );

  for (const { page, text } of [...shopGuides, ...ioGuides, ...portalGuides]) {
    itWithCurl(`begin, on the first screen, with a call that is answered as they say (${page})`, async () => {
      const screen = text.split("\n").slice(0, 30).join("\n");
      const [, command = "", shown = ""] =
        /^```sh.*\n([^]*?)^```\n\n```text\n([^]*?)^```$/m.exec(screen) ?? [];
      expect(shown).toMatch(/^\{.+\}(?: 200)?\n$/);
      expect(normalise(`${await runCommands(command)}\n`.replace("\n\n", "\n"))).toBe(normalise(shown));
    });
  }

  for (const { page, text } of shopGuides) {
    itWithCurl(
      `begin with a call that is refused by name if the key is copied as written (${page})`,
      async () => {
        const [, command = ""] = /^```sh.*\n([^]*?)^```$/m.exec(text) ?? [];
        const answer = await runShell(command.replace("http://127.0.0.1:7071", service.baseUrl));
        expect(answer).toContain('"status":401');
        expect(answer).toContain("Ocp-Apim-Subscription-Key");
      },
    );
  }

  it.each(
    [ioGuides, portalGuides, ...mapGuides].map(
      (pair) => [pair.map(({ page }) => page).join(", "), pair] as const,
    ),
  )("have the same sections, blocks and rows in both languages: %s", (_, pair) => {
    // Whole blocks, but for outputs, and where headings, items of lists and rows of tables begin.
    const [english, italian] = pair.map(({ text }) =>
      text
        .replaceAll(/^```text$[^]*?^```$/gm, "# output")
        .match(/^```.*$[^]*?^```$|^ *(?:#+|-|\d+\.)(?= )|^\|/gm),
    );
    expect(italian).toEqual(english);
  });

  for (const { page, text } of [...ioGuides, ...portalGuides]) {
    itWithCurl(`have commands that print, in order, what the page says (${page})`, async () => {
      const own = await startService();
      const commands = blocksOf(text, "sh").join("").replace("http://127.0.0.1:7071", own.baseUrl);
      const shown = blocksOf(text, "text").filter((block) => /^[{ ].* \d{3}\n$/m.test(block));
      expect(normalise(await runShell(commands))).toBe(normalise(shown.join("")));
      await own.stop();
    });
  }

  const codeOf = (secondsLeft: number): string =>
    JSON.stringify({
      code: "K7XQ4MD9TWB",
      expires_at: new Date(Date.now() + secondsLeft * 1000).toISOString(),
      ttl: 600,
    });
  // However wrong a clock is, the app counts down from no more than a code's whole life.
  const fresh = answering(200, codeOf(10_000));
  const live = answering(409, `{"type":"otp-conflict","otp":${codeOf(-1)}}`);
  const key = answering(200, '{"api_key":"a key"}');

  const writeInto =
    (file: string) =>
    (program: string, where: string): Promise<void> =>
      writeFile(path.join(where, file), program);
  const compile = async (program: string, where: string): Promise<void> => {
    await writeInto("Regenerate.java")(program, where);
    const quickly = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"];
    await runProgram("javac", [...quickly, "-d", where, path.join(where, "Regenerate.java")]);
  };
  const functionKey = "a function key";
  // A key that was read from a file ends with the line.
  const keyOfFile = `${functionKey}\n`;
  const press = "3f2b8a54-6c1d-4e7a-9b30-5d8e1f7c2a96";

  const ofPortal = {
    guides: portalGuides,
    settings: {
      CGN_FUNCTION_KEY: keyOfFile,
      CGN_MERCHANT: "shop-2",
      CGN_KEY_TYPE: "secondary",
      CGN_PRESS: press,
    },
    missing: "CGN_MERCHANT",
    asked: { "idempotency-key": press, "x-functions-key": functionKey },
    stories: [
      { answers: [dropped, throttled, key], waits: [0, 1, 2], output: "200 a key\n" },
      { answers: [unavailable], waits: [0, 2, 2], output: "503 service-unavailable\n" },
      { answers: [answering(200, "{}"), key], waits: [0, 1], output: "200 a key\n" },
      { answers: [answering(401, "")], waits: [0], output: "401 ?\n" },
      { answers: [redirected], waits: [0], output: "302 ?\n" },
    ],
  };
  /** The programs of the guides, how they run in a folder, and what they do there at a fake service. */
  const programs = [
    {
      language: "ts",
      isInstalled: true,
      prepare: writeInto("cgn.ts"),
      command: (where: string) => [process.execPath, path.join(where, "cgn.ts")],
      guides: ioGuides,
      settings: {
        CGN_FUNCTION_KEY: keyOfFile,
        CGN_FISCAL_CODE: fiscalCode,
        CGN_MERCHANT: merchantId,
        CGN_DISCOUNT: discountId,
      },
      missing: "CGN_FISCAL_CODE",
      asked: { body: { ...discount, fiscal_code: fiscalCode }, "x-functions-key": functionKey },
      stories: [
        { answers: [fresh], waits: [0], output: "200 K7XQ4MD9TWB 600\n" },
        { answers: [dropped, unavailable, live], waits: [0, 1, 2], output: "409 K7XQ4MD9TWB 0\n" },
        { answers: [throttled, fresh], waits: [0, 2], output: "200 K7XQ4MD9TWB 600\n" },
        { answers: [unavailable], waits: [0, 2, 2], output: "503 service-unavailable\n" },
        { answers: [answering(200, "{}")], waits: [0, 1, 1], output: "0 no-answer\n" },
        { answers: [answering(409, "[]")], waits: [0], output: "409 ?\n" },
        {
          answers: [answering(400, problem("invalid-request"))],
          waits: [0],
          output: "400 invalid-request\n",
        },
        { answers: [answering(500, problem("internal-error"))], waits: [0], output: "500 internal-error\n" },
        { answers: [answering(401, "")], waits: [0], output: "401 ?\n" },
        { answers: [redirected], waits: [0], output: "302 ?\n" },
      ],
    },
    {
      ...ofPortal,
      language: "js",
      isInstalled: true,
      prepare: writeInto("press.mjs"),
      command: (where: string) => [process.execPath, path.join(where, "press.mjs")],
    },
    {
      ...ofPortal,
      language: "java",
      isInstalled: hasJava,
      prepare: compile,
      // `java Regenerate.java` would compile it each time.
      command: (where: string) => ["java", "-XX:TieredStopAtLevel=1", "-cp", where, "Regenerate"],
    },
  ] as const;
  type Program = (typeof programs)[number];

  const textOf = ({ guides, language }: Program): string =>
    guides.flatMap(({ text }) => blocksOf(text, language))[0] ?? "";
  /** The program as it is, and with shorter times. */
  const folderOf = ({ language }: Program, isHastened = false): string =>
    path.join(folder, isHastened ? `hastened-${language}` : language);
  const run = (
    program: Program,
    settings: Readonly<Record<string, string>>,
    where = folderOf(program),
  ): Promise<Ended> => {
    const [name = "", ...args] = program.command(where);
    return runProgram(name, args, settings);
  };

  const played = new Map<string, readonly Promise<Played>[]>();
  beforeAll(async () => {
    const there = programs.filter(({ isInstalled }) => isInstalled);
    await Promise.all(
      there.flatMap((program) =>
        [false, true].map(async (isHastened) => {
          const where = folderOf(program, isHastened);
          await mkdir(where);
          await program.prepare(isHastened ? hasten(textOf(program)) : textOf(program), where);
        }),
      ),
    );
    // The longest come first. The programs mostly wait, so more of them than there are cores run side by side.
    const tasks = [true, false].flatMap((isHastened) =>
      there.flatMap((program) =>
        (isHastened ? [slowest] : program.stories).map((story) => ({
          program,
          play: () =>
            play(story, (CGN_URL) =>
              run(program, { CGN_URL, ...program.settings }, folderOf(program, isHastened)),
            ),
        })),
      ),
    );
    const started = startSideBySide(
      tasks.map((task) => task.play),
      16,
    );
    for (const program of there) {
      played.set(
        program.language,
        started.filter((_, index) => tasks[index]?.program === program),
      );
    }
    await Promise.all(started);
  }, 120_000);

  describe.each(programs)("the program in $language", (program) => {
    const { language, guides, isInstalled, missing, asked, stories } = program;
    const itHere = isInstalled ? it : it.skip;

    it("is the same in both languages, and takes in the worst case the time that they say", () => {
      for (const { page, text } of guides) {
        const [, told] = /\*\*(\d+) second[si]\*\*/.exec(text) ?? [];
        const worst = worstCaseOf(textOf(program));
        expect([page, blocksOf(text, language), worst]).toEqual([page, [textOf(program)], Number(told)]);
      }
    });

    itHere("repeats a call as the guide says, waits as long as it is told, and gives up", async () => {
      const [slow, ...others] = await Promise.all(played.get(language) ?? []);
      expect([slow?.calls.length, slow?.hasWaited]).toEqual([3, true]);
      // A busy machine has as much time again.
      expect(slow?.seconds).toBeLessThan(2 * worstCaseOf(hasten(textOf(program))));
      expect(others).toMatchObject(
        stories.map(({ waits, output }) => ({ calls: waits.map(() => asked), hasWaited: true, output })),
      );
    });

    itHere("names a missing setting in one line", async () => {
      const [name = "", ...args] = program.command(folderOf(program));
      expect(await runWithErrors(name, args)).toEqual({ code: 1, output: `${missing} is not set\n` });
    });
  });

  for (const program of programs.filter(({ guides }) => guides === portalGuides)) {
    const { language, isInstalled } = program;
    (isInstalled ? it : it.skip)(
      `have a program that makes a key, gets it again for the same press, and none once it was revoked (${language})`,
      async () => {
        const merchant = `shop-${language}`;
        const settings = { ...program.settings, CGN_URL: service.baseUrl, CGN_MERCHANT: merchant };
        const first = await run(program, settings);
        const [status, key = "", end] = first.output.split(/\s/);
        expect([first.code, status, end]).toEqual([0, "200", ""]);
        expect(await run(program, settings)).toEqual(first);
        expect((await service.ask(key, "AAAAAAAAAAA")).status).toBe(404);
        await service.revoke(merchant, "secondary");
        expect(await run(program, settings)).toEqual({ code: 1, output: "400 invalid-request\n" });
      },
    );
  }

  it("have a program that gets a code, and the same again while it lives, for which the shop gets the discount", async () => {
    const [program] = programs;
    const settings = { ...program.settings, CGN_URL: service.baseUrl };
    const first = await run(program, settings);
    const [status, code = ""] = first.output.split(" ");
    expect([first.code, status]).toEqual([0, "200"]);
    expect(await run(program, settings)).toEqual({ code: 0, output: first.output.replace("200", "409") });
    const used = await service.use(await service.newApiKey(), code);
    expect(used.json).toMatchObject({ discount_id: discountId });
  });

  it("have a program in TypeScript that has the types that it says, and does nothing above its line", async () => {
    const [program = ""] = ioGuides.flatMap(({ text }) => blocksOf(text, "ts"));
    const [above = "", ...below] = program.split(
      /^.* ---- Your back end takes what is above this line\..*\n/m,
    );
    expect(below).toHaveLength(1);
    const taken = path.join(folder, "taken.ts");
    await writeFile(taken, above);
    expect(await runWithErrors(process.execPath, [taken])).toEqual({ code: 0, output: "" });
    const options = "--ignoreConfig --noEmit --strict --module preserve --target es2023 --types node";
    const checked = await runProgram(process.execPath, [
      ...[path.resolve("node_modules/typescript/bin/tsc"), ...options.split(" "), "--skipLibCheck"],
      ...["--typeRoots", path.resolve("node_modules/@types"), path.join(folder, "ts", "cgn.ts")],
    ]);
    expect(checked).toEqual({ code: 0, output: "" });
  });
});
