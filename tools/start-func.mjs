/** `npm run start:func`: starts the service under Azure Functions Core Tools, or says what is missing. */
import { spawn } from "node:child_process";

// On Windows npm installs `func` as a command file, which only a shell runs.
const child = spawn("func", ["start", ...process.argv.slice(2)], {
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
