// Gives a test what esbuild's `text` loader gives the bundle: the text of the file.
module.exports = {
  process: (text) => ({
    code: `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = ${JSON.stringify(text)};`,
  }),
};
