import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build, stop } from "esbuild";
import { startProgram } from "../../tools/support/processes";

/** For a test that generates and compiles: that takes half a minute on a small machine at rest, and longer on a busy one. */
export const compilingTimeoutMs = 300_000;

/** For the service that such a test calls: a busy machine must not make it answer 503. */
export const patience = { REQUEST_DEADLINE_IN_MS: "30000" };

/** Runs one of the project's tools as a merchant's developer would: in a folder without this project's settings. */
export const runTool = async (folder: string, tool: string, ...args: string[]): Promise<void> => {
  const program = startProgram([path.resolve("node_modules", tool), ...args], {}, folder, compilingTimeoutMs);
  const code = await program.ended;
  expect({ code, output: code === 0 ? "" : program.output() + program.errors() }).toEqual({
    code: 0,
    output: "",
  });
};

/** Compiles a program under `strict`, beside the client that was generated into the folder, and bundles it for Node.js. */
export const compile = async (folder: string, program: string): Promise<string> => {
  mkdirSync(folder, { recursive: true });
  const source = path.join(folder, "client.ts");
  const outfile = path.join(folder, "client.js");
  writeFileSync(source, program);
  await runTool(
    folder,
    "typescript/bin/tsc",
    ...["--noEmit", "--strict", "--target", "es2023", "--lib", "es2023,dom", "--module", "preserve"],
    ...["--types", "node", "--skipLibCheck", "--ignoreConfig", path.basename(source)],
  );
  await build({ entryPoints: [source], bundle: true, platform: "node", outfile });
  return outfile;
};

export const stopCompiling = (): Promise<void> => stop();
