/** The archive that is deployed, unpacked into an empty folder. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { unzipSync } from "fflate";
import { startProgram } from "../../tools/support/processes";

export interface UnpackedArchive {
  /** No node_modules here, nor in any folder above. */
  readonly folder: string;
  /** A folder with nothing to load, for a worker that starts as a placeholder. */
  readonly placeholder: string;
  readonly remove: () => Promise<void>;
}

/** Packs the output of `npm run build`. */
export const unpackArchive = async (): Promise<UnpackedArchive> => {
  const root = await mkdtemp(path.join(tmpdir(), "cgn-otp-"));
  const packaged = path.join(root, "packaged");
  const packaging = startProgram(["tools/package.mjs", "--folder", packaged], {});
  expect({ code: await packaging.ended, errors: packaging.errors() }).toEqual({ code: 0, errors: "" });
  const folder = path.join(root, "app");
  for (const [name, content] of Object.entries(
    unzipSync(await readFile(path.join(packaged, "cgn-otp.zip"))),
  )) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const placeholder = path.join(root, "placeholder");
  await mkdir(placeholder);
  await writeFile(path.join(placeholder, "host.json"), '{"version":"2.0"}');
  return { folder, placeholder, remove: () => rm(root, { recursive: true }) };
};
