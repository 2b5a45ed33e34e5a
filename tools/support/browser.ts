/** A real browser: the Chromium of the machine, if it has one. */
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

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

/** The path of Chromium: `CHROMIUM_PATH` or, without that setting, the first of the usual paths that exists. */
export const findChromium = (): string | undefined => {
  const named = process.env["CHROMIUM_PATH"];
  return (named ? [named] : usualPlaces).find((place) => existsSync(place));
};

export const describeMissingChromium = (): string => {
  const named = process.env["CHROMIUM_PATH"];
  return named
    ? `CHROMIUM_PATH says ${named}, where there is nothing`
    : "Chromium is not installed, and CHROMIUM_PATH names none";
};

export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    // Its sandbox does not start for root.
    chromiumSandbox: process.getuid?.() !== 0,
    // Otherwise it would send requests to its vendor at the start.
    args: [
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-quic",
      "--no-first-run",
    ],
  });
