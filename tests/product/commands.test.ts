/** Every program of an npm script, and every other of tools/, says what it does, and refuses what it does not know. */
import { globSync } from "node:fs";
import { scripts } from "../../package.json";
import { startProgram } from "../../tools/support/processes";
import { startSideBySide } from "../../tools/support/side-by-side";

/** What npm appends to a script goes to its last command. */
const ofScripts = Object.entries(scripts).flatMap(([script, line]) => {
  const last = line.split(" && ").at(-1) ?? "";
  return last.startsWith("node ") ? [{ script, args: last.split(" ").slice(1) }] : [];
});

/** The files of tools/ that other programs import. */
const modules = ["tools/leave-out.mjs", "tools/runtime.mjs"];

const programs = [
  ...ofScripts,
  ...globSync("tools/*.mjs")
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => !modules.includes(file) && !ofScripts.some(({ args }) => args[0] === file))
    .map((file) => ({ script: file, args: [file] })),
];

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

describe("a program", () => {
  let runs: readonly Promise<Ended>[];
  beforeAll(() => {
    const tasks = programs.flatMap(({ args }) =>
      ["--help", "--bogus=very-secret"].map((more) => async (): Promise<Ended> => {
        const program = startProgram([...args, more], {});
        return { code: await program.ended, output: program.output(), errors: program.errors() };
      }),
    );
    runs = startSideBySide(tasks, 4);
  });
  afterAll(() => Promise.allSettled(runs));

  it("of a script gets what follows it", () => {
    expect(ofScripts.length).toBeGreaterThan(10);
    const known = ofScripts.map(({ script }) => script);
    const running = Object.entries(scripts).filter(([, line]) => /\bnode (tools|build)\//.test(line));
    expect(running.map(([script]) => script)).toEqual(known);
  });

  it("of a script is started as every shell understands", () => {
    const commands = Object.entries(scripts).flatMap(([script, line]) =>
      line.split(" && ").map((command) => ({ script, command })),
    );
    // A variable before the command, a path as the command, single quotes, and what separates commands there alone.
    const isPosix = /^\w+=|^\S*\/|['`;]|\$\(| \|\| | & /;
    expect(commands.filter(({ command }) => isPosix.test(command))).toEqual([]);
  });

  it.each(programs.map(({ script }, index) => ({ script, index })))(
    "$script says with --help what it does, and ends with 2 and one line at what it does not know",
    async ({ script, index }) => {
      const [help, refusal] = [await runs[index * 2], await runs[index * 2 + 1]];
      expect(help).toMatchObject({ code: 0, errors: "" });
      // A program of several scripts has its own name.
      expect(help?.output).toMatch(new RegExp(`^npm (run )?${script}( |\n)|^node tools/[\\w-]+\\.mjs( |\n)`));
      expect(help?.output).toMatch(/^ {2}--help +prints this text$/m);
      expect(refusal).toMatchObject({ code: 2, output: "" });
      expect(refusal?.errors).toMatch(/^Unknown option '--bogus' \(n[^\n]+ --help\)\n$/);
    },
  );

  it("says that npm has kept an option to itself, which the program would not know of", async () => {
    const program = startProgram(["build/verify.js"], { npm_config_skip_slow: "true" });
    expect([await program.ended, program.output()]).toEqual([2, ""]);
    expect(program.errors()).toMatch(/^npm has kept --skip-slow to itself: put -- before it, .*\n$/);
  });

  it.each([
    [["tools/package.mjs", "very-secret"], "There is a value without a name (npm run package -- --help)"],
    [
      ["tools/run-tests.mjs", "fuzz", "very-secret"],
      "fuzz has its own files (node tools/run-tests.mjs --help)",
    ],
    [["tools/run-tests.mjs"], "Expected one of soak, fuzz, unit-24 (node tools/run-tests.mjs --help)"],
    [["tools/bicep.mjs", "lint", "build"], "Expected one of lint, build (node tools/bicep.mjs --help)"],
    [
      ["build/start.js", "very-secret"],
      "What follows is no setting: expected NAME=VALUE (npm start -- --help)",
    ],
    [["build/start.js", "OTP_TTL=very-secret"], "There is no setting OTP_TTL (npm start -- --help)"],
  ])("%j is refused, and no value is repeated", async (args, fault) => {
    const program = startProgram(args, {});
    expect([await program.ended, program.output(), program.errors()]).toEqual([2, "", `${fault}\n`]);
  });
});
