/** What tests in a real browser share. */
import axe from "axe-core";
import * as t from "io-ts";
import type { Browser, Page } from "playwright-core";
import { describeMissingChromium, findChromium, launchChromium } from "../../tools/support/browser";
import { decode } from "../../tools/support/either";

/** Describes what needs a browser. On a machine without one, the tests are skipped and say why. */
export const describeInBrowser = (name: string, define: (browser: () => Browser) => void): void => {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    it.skip(`${name} (${describeMissingChromium()})`, () => undefined);
    return;
  }
  describe(name, () => {
    let browser: Browser | undefined;
    beforeAll(async () => {
      browser = await launchChromium(executablePath);
    });
    afterAll(() => browser?.close());
    define(() => {
      if (browser === undefined) {
        throw new Error("The browser runs only during a test");
      }
      return browser;
    });
  });
};

const Violations = t.array(t.type({ id: t.string, nodes: t.array(t.type({ html: t.string })) }));

/** Shows a page in a scheme and at a width, and returns what axe finds wrong then, and whether the page scrolls sideways. */
export const findFaults = async (
  page: Page,
  theme: "light" | "dark",
  width: number,
): Promise<readonly string[]> => {
  await page.setViewportSize({ width, height: 740 });
  const violations = decode(
    Violations,
    await page.evaluate(`document.documentElement.dataset.theme = "${theme}"; if (!("axe" in window)) { ${axe.source} }
      axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)`),
  );
  const scrollWidth = await page.evaluate("document.documentElement.scrollWidth");
  return [
    ...violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`),
    ...(scrollWidth === width ? [] : [`is ${String(scrollWidth)} px wide at ${width} px`]),
  ];
};
