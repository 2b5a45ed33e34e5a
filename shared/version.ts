import { version as release } from "../package.json";

/** The commit that the deployed file was built from. `tools/build.mjs` puts it there; nothing else does. */
declare const COMMIT: string | undefined;

/** Which version runs: the release, and in a deployed file the commit as build metadata (Semantic Versioning 2.0.0, section 10). */
export const version = typeof COMMIT === "undefined" ? release : `${release}+${COMMIT}`;
