/** `npm run package`: puts the deployed files, and nothing else, into an archive and a folder. */
import { cp, glob, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { zipSync } from "fflate";
import { readCommandLine } from "../local/command-line.mjs";

const { values } = readCommandLine({
  command: "npm run package",
  what: `Puts the deployed files, and nothing else, into cgn-otp.zip, for "az functionapp deployment source config-zip" or the
portal, and into the folder cgn-otp, for azd (azure.yaml). .funcignore decides which files are deployed.`,
  options: {
    folder: { type: "string", default: "build", value: "FOLDER", help: "where they go" },
  },
});

const archive = path.join(values.folder, "cgn-otp.zip");
const folder = path.join(values.folder, "cgn-otp");
const deployed = (await readFile(".funcignore", "utf8"))
  .split(/\r?\n/)
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
const stop = (fault) => {
  console.error(`Nothing was packaged: ${fault}`);
  process.exit(1);
};

// Without one of these no function would be there, and Azure would not say why.
const missing = ["dist/main.js", "dist/main.js.map", "host.json", "package.json"].filter(
  (name) => !names.includes(name),
);
if (missing.length > 0) {
  stop(
    `${missing.join(", ")} would be missing. npm run build makes dist; .funcignore names what is deployed.`,
  );
}

// The folder is emptied, and a clone has its name.
const inFolder = await readdir(folder).catch(() => []);
if (inFolder.some((name) => [".git", "package-lock.json"].includes(name))) {
  stop("--folder holds a folder cgn-otp with sources. Name another.");
}

// The same content must give the same bytes, so no file carries its build time.
const mtime = new Date(2000, 0, 1);
const entries = await Promise.all(
  names.toSorted().map(async (name) => [name, [await readFile(name), { level: 9, mtime }]]),
);
try {
  await mkdir(values.folder, { recursive: true });
  await writeFile(archive, zipSync(Object.fromEntries(entries)));
} catch {
  stop("--folder names none that can be written.");
}
// Nothing of an earlier version may stay in it.
await rm(folder, { recursive: true, force: true });
for (const name of names) {
  await cp(name, path.join(folder, name));
}
console.log(`${archive}: ${names.length} files, ${((await stat(archive)).size / 1000).toFixed(0)} kB`);
