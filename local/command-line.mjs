/**
 * How every program of this project reads its command line: `--help` prints what there is and ends with 0, and what a
 * program does not know ends with 2 and one line. Plain JavaScript, because the build reads its own with it.
 */
import { parseArgs } from "node:util";

/**
 * @typedef {object} Option
 * @property {"string" | "boolean"} type
 * @property {string} help what it is, in the help
 * @property {string} [value] what follows it, in the help
 * @property {string | boolean} [default]
 */

/**
 * @typedef {object} Program
 * @property {string} command what a person types, as `npm run verify`
 * @property {string} what what it does
 * @property {string} [operands] what may follow without a name, in the help; without it, nothing may
 * @property {string} [more] what the help says at its end
 */

/** Options of ours that are npm's, too: it may have got them from elsewhere. */
const alsoOfNpm = ["yes", "shell"];

/**
 * npm keeps an option to itself that does not follow two hyphens, and puts it into the environment. Windows PowerShell may
 * drop the hyphens (https://github.com/npm/cli/issues/4903). The program would do something else than was asked for.
 *
 * @param {readonly string[]} names
 */
const findLost = (names) =>
  names.find(
    (name) =>
      !alsoOfNpm.includes(name) && process.env[`npm_config_${name.replaceAll("-", "_")}`] !== undefined,
  );

/** @param {Program} program */
const toHelp = ({ command }) => `${command} ${command.startsWith("npm ") ? "-- " : ""}--help`;

/**
 * @param {Program} program
 * @param {string} fault one line. It must repeat no value: one may be a secret.
 * @returns {never}
 */
export const refuseCommandLine = (program, fault) => {
  console.error(`${fault} (${toHelp(program)})`);
  process.exit(2);
};

/**
 * @param {Program} program
 * @param {readonly (readonly [string, Option])[]} options
 */
const describe = ({ command, what, operands, more }, options) => {
  const named = options.map(([name, { value }]) => `--${name}${value === undefined ? "" : ` ${value}`}`);
  const rows = [
    ...options.map(([, option], index) => [
      named[index] ?? "",
      `${option.help}${typeof option.default === "string" ? `; by default ${option.default}` : ""}`,
    ]),
    ["--help", "prints this text"],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const separator = command.startsWith("npm ") ? " --" : "";
  const synopsis = [
    ...(operands === undefined ? [] : [` ${operands}`]),
    ...(named.length === 0 ? [] : [`${separator}${named.map((each) => ` [${each}]`).join("")}`]),
  ];
  return [
    `${command}${synopsis.join("")}`,
    what,
    rows.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`).join("\n"),
    ...(more === undefined ? [] : [more]),
  ].join("\n\n");
};

/**
 * @template {Record<string, Option>} T
 * @param {Program & { options?: T }} program
 * @returns {{ values: ReturnType<typeof parseArgs<{ options: T }>>["values"], operands: string[] }}
 */
export const readCommandLine = (program) => {
  const { options = {}, operands } = program;
  const read = () => {
    try {
      return parseArgs({
        options: { ...options, help: { type: "boolean" } },
        allowPositionals: true,
      });
    } catch (error) {
      // The first sentence repeats no value.
      return refuseCommandLine(program, error.message.split(/\n|\. /)[0]);
    }
  };
  const { values, positionals } = read();
  if (values.help) {
    console.log(describe(program, Object.entries(options)));
    process.exit(0);
  }
  const lost = findLost(Object.keys(options));
  if (lost !== undefined) {
    refuseCommandLine(
      program,
      `npm has kept --${lost} to itself: put -- before it, or '--' in Windows PowerShell`,
    );
  }
  if (operands === undefined && positionals.length > 0) {
    refuseCommandLine(program, "There is a value without a name");
  }
  return { values, operands: positionals };
};
