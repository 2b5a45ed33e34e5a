/** `npm run lint:infra` and `npm run build:infra`: the Bicep compiler, for whoever changes `infra/`. */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readCommandLine, refuseCommandLine } from "../local/command-line.mjs";

const program = {
  command: "node tools/bicep.mjs",
  what: `The Bicep compiler, for whoever changes infra/:

  lint   no warning, no rule broken, each file formatted
  build  formats each file and writes infra/main.json anew
  find   prints the command of the compiler that is there, and fails if none is`,
  operands: "lint|build|find",
  options: {
    required: { type: "boolean", default: false, help: "fails where there is no compiler" },
  },
  more: "lint and build restore it with the .NET SDK where it is missing. Without any they say so and change nothing.",
};
const { values, operands } = readCommandLine(program);
const [name] = operands;
if (operands.length !== 1 || !["lint", "build", "find"].includes(name)) {
  refuseCommandLine(program, "Expected one of lint, build, find");
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const folder = path.join(root, "infra");
const main = path.join(folder, "main.bicep");
const template = path.join(folder, "main.json");
const project = path.join(folder, "bicep.csproj");
const version = /Include="Azure\.Bicep[^"]*" Version="([^"]+)"/.exec(readFileSync(project, "utf8"))?.[1];
const restored = path.join(
  root,
  `build/bicep/packages/azure.bicep.commandline.linux-x64/${version}/tools/bicep`,
);

const run = ([command, ...first], args) =>
  spawnSync(command, [...first, ...args], { encoding: "utf8", maxBuffer: 2 ** 26 });

const works = (command, args) => run(command, args).status === 0;

/** The compiler of the project's version, else what the machine has. */
const find = () =>
  [
    { command: [restored], file: [] },
    { command: ["bicep"], file: [] },
    { command: ["az", "bicep"], file: ["--file"] },
  ].find(({ command, file }) => works(command, file.length === 0 ? ["--version"] : ["version"]));

const restore = () => {
  if (process.platform === "linux" && process.arch === "x64" && works(["dotnet"], ["--version"])) {
    const { status, stdout } = run(["dotnet"], ["restore", project]);
    if (status !== 0) {
      console.error(stdout);
    }
  }
};

/** What a command of the compiler prints, and whether all is well: a warning is none to it. */
const ask = ({ command, file }, name, source, ...options) => {
  const { status, stdout, stderr } = run(command, [name, ...file, source, ...options]);
  return { isWell: status === 0 && stderr.trim() === "", stdout, stderr: stderr.trim() };
};

let bicep = find();
if (bicep === undefined && name !== "find") {
  restore();
  bicep = find();
}
if (bicep === undefined) {
  const isRequired = name === "find" || values.required;
  console.error(
    `${isRequired ? "" : "SKIPPED: "}there is no Bicep compiler. Install the .NET SDK (on Linux, x64), Bicep, or the Azure CLI.`,
  );
  process.exit(isRequired ? 1 : 0);
}
if (name === "find") {
  console.log(JSON.stringify(bicep));
  process.exit();
}

const sources = globSync(path.join(folder, "**/*.bicep"));
const unformatted = sources.filter((source) => {
  const { stdout } = ask(bicep, "format", source, "--stdout");
  const isFormatted = stdout === readFileSync(source, "utf8");
  if (!isFormatted && name === "build") {
    writeFileSync(source, stdout);
  }
  return !isFormatted;
});
if (name === "build") {
  const { isWell, stdout, stderr } = ask(bicep, "build", main, "--stdout");
  if (!isWell) {
    console.error(stderr);
    process.exit(1);
  }
  writeFileSync(template, stdout.endsWith("\n") ? stdout : `${stdout}\n`);
  console.log(`${path.relative("", template)}: ${(stdout.length / 1000).toFixed(0)} kB`);
} else {
  const { isWell, stdout, stderr } = ask(bicep, "lint", main);
  const faults = [
    ...(isWell && stdout.trim() === "" ? [] : [`${stdout}${stderr}`.trim()]),
    ...unformatted.map(
      (source) => `${path.relative("", source)}: not formatted, npm run build:infra does it`,
    ),
  ];
  if (faults.length > 0) {
    console.error(faults.join("\n"));
    process.exit(1);
  }
  console.log(`${sources.length} files of Bicep: no warning`);
}
