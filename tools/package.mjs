/**
 * `npm run package`: puts the deployed files, and nothing else, into `build/cgn-otp.zip`, for
 * `az functionapp deployment source config-zip` or the portal, and into the folder `build/cgn-otp`, for `azd` (azure.yaml).
 * Another place than `build` can be named. `.funcignore` decides which files are deployed.
 */
import { cp, glob, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { zipSync } from "fflate";

const place = process.argv[2] ?? "build";
const archive = path.join(place, "cgn-otp.zip");
const folder = path.join(place, "cgn-otp");
const deployed = (await readFile(".funcignore", "utf8"))
  .split("\n")
  .filter((line) => line.startsWith("!/"))
  .map((line) => line.slice(2));
const names = [];
for await (const entry of glob(
  deployed.flatMap((name) => [name, `${name}/**`]),
  { withFileTypes: true },
)) {
  if (entry.isFile()) {
    names.push(path.relative(".", path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"));
  }
}

// The same content must give the same bytes, so no file carries its build time.
const mtime = new Date(2000, 0, 1);
const entries = await Promise.all(
  names.toSorted().map(async (name) => [name, [await readFile(name), { level: 9, mtime }]]),
);
await mkdir(place, { recursive: true });
await writeFile(archive, zipSync(Object.fromEntries(entries)));
// Nothing of an earlier version may stay in it.
await rm(folder, { recursive: true, force: true });
for (const name of names) {
  await cp(name, path.join(folder, name));
}
console.log(`${archive}: ${names.length} files, ${((await stat(archive)).size / 1000).toFixed(0)} kB`);
