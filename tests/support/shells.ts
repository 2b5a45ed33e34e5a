/** Shells into which a person pastes commands. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

export interface Shell {
  readonly command: string;
  readonly args: readonly string[];
}

export const posix: Shell = { command: "sh", args: ["-s"] };

const pwsh = ["tool", "run", "pwsh", "--"] as const;

/** What `dotnet tool restore` brings. */
export const powershell: Shell = {
  command: "dotnet",
  args: [...pwsh, "-NoProfile", "-NonInteractive", "-Command", "-"],
};

/** Takes some seconds to find out. */
export const hasPowerShell = (): boolean => spawnSync("dotnet", [...pwsh, "--version"]).status === 0;

export const describeMissingPowerShell = "dotnet tool restore has not brought PowerShell";

/** A shell may start slowly. */
const patienceMs = 110_000;

/** What these lines print when they are pasted. The store may run in this process, and must answer meanwhile. */
export const paste = async ({ command, args }: Shell, lines: string): Promise<string> => {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], timeout: patienceMs });
  child.stdin.end(`${lines}\n`);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  expect(errors).toBe("");
  // PowerShell switches the keys of a terminal that is not there.
  return output.replaceAll(/\x1b\[\?1[hl]|\r/g, "");
};
