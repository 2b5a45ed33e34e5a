/** `npm run site`: writes the site to `build/site/`, as files that any host of static files can serve. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { renderSite } from "../site/pages";

const folder = path.join("build", "site");

const run = async (): Promise<void> => {
  await rm(folder, { recursive: true, force: true });
  const files = await renderSite();
  for (const [name, content] of files) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  console.log(`${folder}: ${files.size} files`);
};

void run();
