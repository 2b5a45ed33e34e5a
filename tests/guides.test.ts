import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startBehindFaults, startService } from "./support";
import type { Service } from "./support";

const guides = ["docs/merchant-integration.md", "docs/integrazione-operatori.md"] as const;

/** How the programs of the guides are run, by the language that their fences name. */
const languages = [
  ["sh", "example.sh", "sh"],
  ["js", "example.mjs", process.execPath],
  ["php", "example.php", "php"],
  ["python", "example.py", "python3"],
] as const;

const blocksOf = (guide: string, language: string): string[] =>
  [...readFileSync(guide, "utf8").matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(
    ([, block = ""]) => block,
  );

const isThere = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;

describe.each(languages)("the guides' program in %s", (language, file, command) => {
  const [program = "", ...others] = blocksOf(guides[0], language);

  it("is one, and the same in both guides", () => {
    expect(program).not.toBe("");
    expect(others).toEqual([]);
    expect(blocksOf(guides[1], language)).toEqual([program]);
  });

  const interpreter = language === "sh" ? "curl" : command;
  if (!isThere(interpreter)) {
    it("is not run", () => {
      console.warn(`${interpreter} is not installed: the guides' program in ${language} is not run`);
      expect(program).toContain("CGN_OTP");
    });
    return;
  }

  describe("run against the service", () => {
    let service: Service;
    let folder: string;
    let apiKey: string;
    beforeAll(async () => {
      service = await startService();
      apiKey = await service.newApiKey();
      folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
      await writeFile(path.join(folder, file), program);
    });
    afterAll(async () => {
      await rm(folder, { recursive: true });
      await service.stop();
    });

    const run = async (
      code: string,
      cart: string,
      baseUrl = service.baseUrl,
      key = apiKey,
    ): Promise<{ code: number | null; output: string }> => {
      const child = spawn(command, [path.join(folder, file)], {
        env: { PATH: process.env["PATH"], CGN_URL: baseUrl, CGN_API_KEY: key, CGN_OTP: code, CGN_CART: cart },
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 60_000,
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      await once(child, "close");
      return { code: child.exitCode, output };
    };

    it("asks for a code and uses it up", async () => {
      const code = await service.newCode();
      expect(await run(code, "cart-1")).toEqual({
        code: 0,
        output: "ask 200 discount-1\nuse 200 discount-1\n",
      });
      expect((await service.use(apiKey, code)).status).toBe(404);
    });

    it("is refused a code that is used, and tells which problem it is", async () => {
      const code = await service.newCode();
      await service.use(apiKey, code);
      expect(await run(code, "cart-2")).toEqual({ code: 1, output: "ask 404 otp-already-used\n" });
    });

    it("is refused with a key that is not in force", async () => {
      expect(await run("AAAAAAAAAAA", "cart-3", service.baseUrl, "no key")).toEqual({
        code: 1,
        output: "ask 401 unauthorized\n",
      });
    });

    it("repeats a use whose answer was lost, and is granted it", async () => {
      const code = await service.newCode();
      const { proxy, instance, stop } = await startBehindFaults(service, 300);
      let isAway = false;
      // The use is applied, its answer lost, and the store away until the call's deadline has passed.
      proxy.script(({ operation }) => {
        if (operation === "replace") {
          isAway = true;
          setTimeout(() => {
            proxy.script(() => undefined);
          }, 400);
          return { kind: "reset-after" };
        }
        return isAway ? { kind: "reset-before" } : undefined;
      });
      const { code: exitCode, output } = await run(code, "cart-4", instance.baseUrl);
      expect({ exitCode, output }).toEqual({
        exitCode: 0,
        output: "ask 200 discount-1\nuse 200 discount-1\n",
      });
      await stop();
    });
  });
});
