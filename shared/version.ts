import { version as release } from "../package.json";

/** `tools/build.mjs` puts it into the deployed file. */
declare const COMMIT: string | undefined;

/** The release, and in a deployed file the commit as build metadata (Semantic Versioning 2.0.0, section 10). */
export const version = typeof COMMIT === "undefined" ? release : `${release}+${COMMIT}`;
