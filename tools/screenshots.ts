/** `npm run screenshots`: the pictures of the playground in `docs/`. */
import { readCommandLine } from "../local/command-line.mjs";
import { buildSite } from "../local/site-build";
import { describeMissingChromium, findChromium, launchChromium } from "./support/browser";
import { startHostProcess } from "./support/processes";

const widths = [1440, 360];

const run = async (): Promise<void> => {
  readCommandLine({
    command: "npm run screenshots",
    what: "Takes the pictures of the playground in docs. It needs Chromium: CHROMIUM_PATH in the environment says where it is.",
  });
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error(describeMissingChromium());
  }
  // The browser's clock is stopped: a page that waits for the site would wait for ever.
  await buildSite();
  const browser = await launchChromium(executablePath);
  for (const width of widths) {
    const host = await startHostProcess({});
    const page = await browser.newPage({ viewport: { width, height: 900 }, reducedMotion: "reduce" });
    await page.clock.install();
    await page.goto(host.baseUrl);
    for (const name of ["Genera codice", "Usalo al checkout", "Applica"]) {
      await page.getByRole("button", { name }).click();
    }
    await page.locator(".reduction").waitFor();
    // Wait, so that part of the code's life is over.
    await page.clock.fastForward("02:18");
    await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)");
    const path = `docs/playground-${width}.png`;
    await page.screenshot({ path, fullPage: true });
    console.log(path);
    await page.close();
    await host.program.stop();
  }
  await browser.close();
};

void run();
