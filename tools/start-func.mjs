/** `npm run start:func`: starts the service under Azure Functions Core Tools, or says what is missing. */
import { spawn } from "node:child_process";
import { readCommandLine } from "../local/command-line.mjs";

const { operands } = readCommandLine({
  command: "npm run start:func",
  what: "Starts the service under Azure Functions Core Tools: func start.",
  operands: "[-- OPTION…]",
  more: "What follows two more hyphens is for func start, as npm run start:func -- -- --port 7072.",
});

// On Windows npm installs `func` as a command file, which only a shell runs.
const child = spawn("func", ["start", ...operands], {
  stdio: "inherit",
  shell: process.platform === "win32",
});
child.on("error", ({ code, message }) => {
  console.error(
    code === "ENOENT"
      ? "Azure Functions Core Tools are not installed: npm install --global azure-functions-core-tools@4 installs them, and npm start works without them."
      : message,
  );
  process.exitCode = 1;
});
child.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
