/** `npm run lint:infra` and `npm run build:infra`: the Bicep compiler, for whoever changes `infra/`. */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readCommandLine, refuseCommandLine } from "../local/command-line.mjs";

const program = {
  command: "node tools/bicep.mjs",
  what: `The Bicep compiler, for whoever changes infra/:

  lint   no warning, no rule broken, each file formatted, infra/main.json up to date
  build  formats each file and writes infra/main.json anew`,
  operands: "lint|build",
  options: {
    required: { type: "boolean", default: false, help: "fails where there is no compiler" },
  },
  more: "Both restore it with the .NET SDK where it is missing. Without any they say so and change nothing.",
};
const { values, operands } = readCommandLine(program);
const [name] = operands;
if (operands.length !== 1 || !["lint", "build"].includes(name)) {
  refuseCommandLine(program, "Expected one of lint, build");
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

let bicep = find();
if (bicep === undefined) {
  restore();
  bicep = find();
}
if (bicep === undefined) {
  console.error(
    `${values.required ? "" : "SKIPPED: "}there is no Bicep compiler. Install the .NET SDK (on Linux, x64), Bicep, or the Azure CLI.`,
  );
  process.exit(values.required ? 1 : 0);
}

/** What a command of the compiler prints. */
const ask = (command, source) => run(bicep.command, [command, ...bicep.file, source, "--stdout"]);

/** Any version of the compiler may have made it. */
const withoutGenerator = (text) => text.replaceAll(/"_generator": \{[^}]*\}/g, "").trim();

const sources = globSync(path.join(folder, "**/*.bicep"));
const formatted = sources.map((source) => [source, ask("format", source).stdout]);
const unformatted = formatted.filter(([source, text]) => text !== readFileSync(source, "utf8"));
// It says with the rules of infra/bicepconfig.json what is wrong. A warning is a fault here, and none to it.
const { stdout: built, stderr, status } = ask("build", main);
const faults = status === 0 && stderr.trim() === "" ? [] : [stderr.trim()];
if (name === "build") {
  unformatted.forEach(([source, text]) => {
    writeFileSync(source, text);
  });
  if (faults.length === 0) {
    writeFileSync(template, `${built.trimEnd()}\n`);
  }
} else {
  const isCurrent = withoutGenerator(built) === withoutGenerator(readFileSync(template, "utf8"));
  faults.push(
    ...unformatted.map(
      ([source]) => `${path.relative("", source)}: not formatted, npm run build:infra does it`,
    ),
    ...(isCurrent ? [] : ["infra/main.json: not up to date, npm run build:infra makes it"]),
  );
}
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
console.log(
  `${sources.length} files of Bicep, ${(built.length / 1000).toFixed(0)} kB of template: no warning`,
);
