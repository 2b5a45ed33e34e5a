/**
 * Builds the site when its sources changed. Each state of the sources has a folder of its own, so two builds at a time,
 * or a build beside a host that serves the site, do not disturb each other.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { glob, mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { setPriority } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";

const built = path.join("build", "pages");

/** Somebody may still serve what was built before, so it stays this long after somebody wanted it. */
const keptForMs = 86_400_000;

const sources = [
  "site/**/*.{ts,mjs,astro,css,svg,md,json}",
  "docs/**/*.{md,png}",
  "openapi.yaml",
  "publiccode.yml",
  "package-lock.json",
];

const hashSources = async (): Promise<string> => {
  const names: string[] = [];
  for await (const name of glob(sources)) {
    names.push(name);
  }
  const hash = createHash("sha256");
  for (const name of names.toSorted()) {
    hash.update(`${name}\0`).update(await readFile(name));
  }
  return hash.digest("hex").slice(0, 16);
};

/** Resolves with the folder of the built site. @throws with what the builder printed, if it failed. */
export const buildSite = async (signal?: AbortSignal): Promise<string> => {
  const folder = path.join(built, await hashSources());
  if (existsSync(folder)) {
    await utimes(folder, new Date(), new Date());
    return folder;
  }
  const working = path.join(built, `${process.pid}-${Date.now()}.new`);
  await mkdir(working, { recursive: true });
  const child = spawn(
    process.execPath,
    [path.join("node_modules", "astro", "bin", "astro.mjs"), "build", "--root", "site", "--silent"],
    {
      env: {
        ...process.env,
        // Where a test runs this it is another, and the search would be left out.
        NODE_ENV: "production",
        // Otherwise it would send data to its vendor.
        ASTRO_TELEMETRY_DISABLED: "1",
        SITE_BUILD_FOLDER: path.resolve(working),
      },
      stdio: ["ignore", "ignore", "pipe"],
      ...(signal && { signal }),
    },
  );
  // Calls of the service come first.
  if (child.pid !== undefined) {
    setPriority(child.pid, 10);
  }
  const [errors] = await Promise.all([text(child.stderr), once(child, "close")]);
  if (child.exitCode !== 0) {
    await rm(working, { recursive: true, force: true });
    throw new Error(`The site cannot be built:\n${errors}`);
  }
  // Another build of the same sources may have been faster.
  await rename(path.join(working, "site"), folder).catch(() => undefined);
  await rm(working, { recursive: true, force: true });
  for (const name of await readdir(built)) {
    const each = path.join(built, name);
    // Another build may remove it meanwhile.
    const wanted = await stat(each).catch(() => undefined);
    if (wanted !== undefined && Date.now() - wanted.mtimeMs > keptForMs) {
      await rm(each, { recursive: true, force: true });
    }
  }
  return folder;
};
