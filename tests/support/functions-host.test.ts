import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startFunctionsHost, type FunctionsHost } from "./functions-host";

const library = JSON.stringify(path.resolve("node_modules", "@azure", "functions"));
/** An app of one function. */
const serving = (handler: string): string =>
  `require(${library}).app.http("Greet", { route: "greet", methods: ["GET"], authLevel: "anonymous", handler: ${handler} });`;
const greet = serving('() => ({ body: "hello" })');

// If the stand-in hid a defect that the platform shows, the tests of the deployed file would prove nothing.
describe("the stand-in for the platform", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "cgn-otp-app-"));
    await writeFile(path.join(root, "package.json"), '{"main":"main.js"}');
  });
  afterEach(() => rm(root, { recursive: true }));

  const start = async (source: string, placeholder?: string): Promise<FunctionsHost> => {
    await writeFile(path.join(root, "main.js"), source);
    return startFunctionsHost({ folder: root, settings: { GREETING: "ciao" }, placeholder });
  };
  const get = async ({ baseUrl }: FunctionsHost): Promise<[number, string]> => {
    const response = await fetch(`${baseUrl}/greet`);
    return [response.status, await response.text()];
  };

  it.each([
    ["the body of an app without a defect", greet, [200, "hello"]],
    ["an empty 500 when a function throws", serving('() => { throw new Error("defect"); }'), [500, ""]],
    [
      "what an app gets that registers a function after the start",
      serving(`() => { try { ${greet} } catch (error) { return { body: error.message }; } }`),
      [200, "A function can only be registered during app startup."],
    ],
  ])("answers %s", async (_, source, answer) => {
    const host = await start(source);
    expect(await get(host)).toEqual(answer);
    await host.stop();
  });

  it.each([
    ["exports a class under `then`", `${greet} module.exports = { then: class {} };`, "without 'new'"],
    ["throws when it is loaded", `${greet} throw new Error("bad settings");`, "bad settings"],
    ["rejects when it is loaded", `${greet} module.exports = Promise.reject(new Error("later"));`, "later"],
    ["registers a function twice", greet + greet, "already been registered"],
    ["is not where package.json says", undefined, "File does not exist"],
  ])("answers an empty 404 for an app that %s", async (_, source, reason) => {
    if (source === undefined) {
      await writeFile(path.join(root, "package.json"), '{"main":"elsewhere.js"}');
    }
    const host = await start(source ?? greet);
    expect(host.printed()).toContain(`Worker was unable to load entry point`);
    expect(host.printed()).toContain(reason);
    expect(await get(host)).toEqual([404, ""]);
    await host.stop();
  });

  it("gives a specialized app its own environment and folder, and nothing of the placeholder's", async () => {
    const placeholder = await mkdtemp(path.join(tmpdir(), "cgn-otp-placeholder-"));
    const host = await start(
      `const { GREETING, WEBSITE_PLACEHOLDER_MODE } = process.env;
       ${serving("() => ({ jsonBody: [GREETING, WEBSITE_PLACEHOLDER_MODE ?? null, process.cwd()] })")}`,
      placeholder,
    );
    expect(await get(host)).toEqual([200, JSON.stringify(["ciao", null, root])]);
    await host.stop();
    await rm(placeholder, { recursive: true });
  });

  it("drops what is logged after the answer, and treats it as a failure", async () => {
    const host = await start(
      `let first; ${serving('(_, context) => { (first ??= context).log("a line"); return { body: "" }; }')}`,
    );
    expect([await get(host), await get(host)]).toEqual([
      [200, ""],
      [200, ""],
    ]);
    expect(host.log).toEqual([{ level: "information", text: "a line" }]);
    await expect(host.stop()).rejects.toThrow("a line");
  });

  it("ends on an unhandled rejection, and treats it as a failure", async () => {
    const host = await start(
      serving('() => { Promise.reject(new Error("nobody")); return new Promise(() => undefined); }'),
    );
    expect(await get(host)).toEqual([500, ""]);
    await expect(host.stop()).rejects.toThrow("exitCode");
    expect(host.printed()).toContain("Worker uncaught exception: Error: nobody");
  });
});
