/** `npm run site`: writes the site to `build/site/`, as files that any host of static files can serve at its root. */
import { cp, rm } from "node:fs/promises";
import path from "node:path";
import { readCommandLine } from "../local/command-line.mjs";
import { buildSite } from "../local/site-build";

const folder = path.join("build", "site");

const run = async (): Promise<void> => {
  readCommandLine({
    command: "npm run site",
    what: `Writes the site to ${folder}, as files that any host of static files can serve at its root.`,
  });
  console.log("Building the pages …");
  const built = await buildSite();
  await rm(folder, { recursive: true, force: true });
  await cp(built, folder, { recursive: true });
  // A playground needs a service to call, which only the local host is. There the site begins with the first steps.
  await cp(path.join(built, "primi-passi", "index.html"), path.join(folder, "index.html"));
  await cp(path.join(built, "en", "get-started", "index.html"), path.join(folder, "en", "index.html"));
  console.log(`The site is in ${folder}.`);
};

void run();
