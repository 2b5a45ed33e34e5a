/** Why there is no Node.js of a version that the scripts need, though npm installs it, and what to do. */
import { existsSync } from "node:fs";

/**
 * @typedef {object} Facts
 * @property {string} platform
 * @property {boolean} hasGlibc which the Node.js that npm installs needs on Linux
 * @property {boolean} isInstalled whether npm's install script brought it
 */

/**
 * @param {string} file the program that npm's install script brings
 * @returns {Facts}
 */
export const readFacts = (file) => {
  const isLinux = process.platform === "linux";
  // It would look up the names of connections.
  process.report.excludeNetwork = true;
  return {
    platform: process.platform,
    hasGlibc: isLinux && process.report.getReport().header.glibcVersionRuntime !== undefined,
    isInstalled: existsSync(file),
  };
};

/**
 * @param {number} version
 * @param {Facts} facts
 */
export const explainRuntime = (version, { platform, hasGlibc, isInstalled }) => {
  const missing = `Node.js ${version} is not there`;
  if (platform === "linux" && !hasGlibc) {
    return `${missing}: the one that npm installs needs glibc, and this system has musl, as Alpine has. Take an image that has Node.js ${version}, as node:${version}-alpine.`;
  }
  return isInstalled
    ? `${missing}: the one that npm installs does not run here. npm ci installs it again.`
    : `${missing}: an install script brings it, and npm ran none. Run npm ci without --ignore-scripts.`;
};
