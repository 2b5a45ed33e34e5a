import { guessShell, writeDemo, type Demo } from "./shell";

const system = String.raw`C:\Program Files\WindowsPowerShell\Modules;C:\WINDOWS\system32\WindowsPowerShell\v1.0\Modules`;
const demo: Demo = {
  baseUrl: "http://127.0.0.1:7071",
  merchantId: "demo-shop",
  discountId: "demo-discount",
  fiscalCode: "AAAAAA00A00A000A",
  apiKey: undefined,
  testApiKey: undefined,
};

describe("the shell", () => {
  it.each([
    ["linux", {}, "posix"],
    ["darwin", { SHELL: "/bin/zsh" }, "posix"],
    ["linux", { PSModulePath: "/home/a/.local/share/powershell/Modules" }, "powershell"],
    ["win32", {}, "cmd"],
    ["win32", { PSModulePath: system }, "cmd"],
    ["win32", { PSModulePath: `C:\\Tools\\Modules;${system}` }, "cmd"],
    [
      "win32",
      { PSModulePath: String.raw`C:\Users\a\Documents\WindowsPowerShell\Modules;${system}` },
      "powershell",
    ],
    ["win32", { PSModulePath: String.raw`D:\OneDrive\Documenti\PowerShell\Modules;${system}` }, "powershell"],
    ["win32", { PSModulePath: system, SHELL: "/usr/bin/bash", MSYSTEM: "MINGW64" }, "posix"],
  ] as const)("on %s with %j is taken for %s", (platform, environment, expected) => {
    expect(guessShell(platform, environment)).toBe(expected);
  });
});

describe("the lines", () => {
  it("for cmd take what stands between the right double quotes of an answer", () => {
    const answers = {
      KEY: '{"merchant_id":"demo-shop","key_type":"primary","api_key":"THE KEY","created_at":"2026-03-01T10:00:00.000Z"}',
      OTP: '{"code":"THE OTP","expires_at":"2026-03-01T10:10:00.000Z","ttl":600}',
    };
    const taken = writeDemo("cmd", demo).commands.flatMap((line) => {
      const [, quote, name] =
        /^for \/f tokens\^=(\d+)\^ delims\^=\^" %i in \('.*'\) do @set (\w+)=%i$/.exec(line) ?? [];
      const answer = Object.entries(answers).find(([each]) => each === name)?.[1];
      // As cmd does, take several double quotes together for one, and none at the beginning.
      return answer === undefined ? [] : [answer.split(/"+/)[Number(quote) - 1]];
    });
    expect(taken).toEqual(["THE KEY", "THE OTP"]);
  });

  it("for cmd hide from it what it takes for its own: the rest of a line is between double quotes", () => {
    const [, , generate = ""] = writeDemo("cmd", demo).commands;
    const outside = generate.replace(/^.* in \('(.*)'\) do .*$/, "$1").replaceAll(/"[^"]*"/g, "");
    expect(outside).not.toMatch(/[,;&|<>^=]/);
  });
});
