// Imports a file as its text in tests, as esbuild's `text` loader does in the bundle.
module.exports = {
  process: (text) => ({
    code: `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = ${JSON.stringify(text)};`,
  }),
};
