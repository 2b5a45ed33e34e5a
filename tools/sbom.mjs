/** What is in the deployed file, for a release. (`npm sbom --omit dev` leaves out what a tool needs as well, such as fp-ts.) */
import { readFileSync } from "node:fs";
import { readCommandLine } from "../local/command-line.mjs";

readCommandLine({
  command: "node tools/sbom.mjs",
  what: "Prints the packages of which the last build put something into dist/main.js, as CycloneDX 1.6.",
});

const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const { name, version, license } = read("package.json");
const { packages } = read("package-lock.json");
const { outputs } = read("build/main.meta.json");

const describe = (folder) => {
  const found = packages[folder];
  const full = folder.replace(/^.*node_modules\//, "");
  const purl = `pkg:npm/${full.replace("@", "%40")}@${found.version}`;
  const hash = /^sha512-(.+)$/.exec(found.integrity)?.[1];
  return {
    type: "library",
    "bom-ref": purl,
    name: full,
    version: found.version,
    purl,
    ...(found.license === undefined ? {} : { licenses: [{ license: { id: found.license } }] }),
    hashes: [{ alg: "SHA-512", content: Buffer.from(hash, "base64").toString("hex") }],
  };
};

const folders = Object.entries(outputs["dist/main.js"].inputs).flatMap(([file, { bytesInOutput }]) => {
  const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  return folder === undefined || bytesInOutput === 0 ? [] : [folder];
});
const bom = {
  $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
  bomFormat: "CycloneDX",
  specVersion: "1.6",
  version: 1,
  metadata: {
    component: {
      type: "application",
      "bom-ref": name,
      name,
      version,
      licenses: [{ license: { id: license } }],
    },
  },
  components: [...new Set(folders)].toSorted().map(describe),
};
console.log(JSON.stringify(bom, null, 2));
