/** The first steps of the guides in PowerShell do what they do in a POSIX shell. */
import { readFileSync } from "node:fs";
import { merchantId } from "../../tools/support/api";
import { startService, type Service } from "../../tools/support/service";
import { blocksOf, testKeyToFill } from "../support/guides";
import { describeMissingPowerShell, hasPowerShell, paste, patienceMs, powershell } from "../support/shells";

/** A page of one language is tried on a service of its own, which knows no code yet. */
const pages = [
  [
    "docs/get-started.md",
    "docs/merchant-integration.md",
    "docs/portal-integration.md",
    "docs/io-integration.md",
  ],
  [
    "docs/primi-passi.md",
    "docs/integrazione-operatori.md",
    "docs/integrazione-portale.md",
    "docs/integrazione-io.md",
  ],
];

const isThere = hasPowerShell();
const itThere = isThere ? it : it.skip;
const why = isThere ? "" : ` (${describeMissingPowerShell})`;

/** What differs each time. */
const normalise = (printed: string): string =>
  printed.replaceAll(/"[A-Z0-9]{11}"/g, '"…"').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "…");

describe("the guides' first steps", () => {
  let services: readonly Service[];
  beforeAll(async () => {
    services = [await startService(), await startService()];
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  itThere(
    `print in PowerShell what the page shows${why}`,
    async () => {
      const scripts: string[] = [];
      const shown: string[] = [];
      for (const [index, service] of services.entries()) {
        const testKey = await service.newApiKey(merchantId, "test");
        for (const page of pages[index] ?? []) {
          const text = readFileSync(page, "utf8");
          const [call = "", start] = blocksOf(text, "powershell");
          const [answer = ""] = blocksOf(text, "text");
          scripts.push(
            `"${page}"`,
            call.replace("http://127.0.0.1:7071", service.baseUrl).replace(testKeyToFill, testKey),
          );
          shown.push(`${page}\n`, answer);
          if (start !== undefined) {
            const [posix = ""] = blocksOf(text, "sh").slice(-1);
            const [, otp = "", cart = ""] = /CGN_OTP=(\S+)\n.*CGN_CART=(\S+)/.exec(posix) ?? [];
            scripts.push(start.replace(/^php .*$/m, '"$env:CGN_OTP $env:CGN_CART"'));
            shown.push(`${otp} ${cart}\n`);
          }
        }
      }
      expect(normalise(await paste(powershell, scripts.join("\n")))).toBe(normalise(shown.join("")));
    },
    patienceMs,
  );

  it("are in both shells, the same in both languages", () => {
    const [english = [], italian = []] = pages.map((files) =>
      files.map((file) => blocksOf(readFileSync(file, "utf8"), "powershell")),
    );
    expect(english.map((blocks) => blocks.length)).toEqual([2, 1, 1, 1]);
    const withoutComments = (blocks: readonly string[]): string => blocks.join("").replaceAll(/#.*$/gm, "");
    const inEnglish = (text: string): string =>
      text.replaceAll("demo-shop_LA-TUA-CHIAVE", "demo-shop_YOUR-KEY");
    expect(italian.map(withoutComments).map(inEnglish)).toEqual(english.map(withoutComments));
  });
});
