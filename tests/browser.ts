/** A real browser: the Chromium of the machine, if it has one. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
];

/** Where Chromium is: what `CHROMIUM_PATH` says or else, of the usual places, the first where there is one. */
export const findChromium = (): string | undefined =>
  [process.env["CHROMIUM_PATH"] ?? "", ...usualPlaces].find((place) => place !== "" && existsSync(place));

export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    // Its sandbox does not start for root.
    chromiumSandbox: process.getuid?.() !== 0,
    // It would call home at its start.
    args: [
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-quic",
      "--no-first-run",
    ],
  });
