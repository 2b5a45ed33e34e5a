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
  const get = async ({ baseUrl }: FunctionsHost, name: string): Promise<[number, string]> => {
    const response = await fetch(`${baseUrl}/${name}`);
    return [response.status, await response.text()];
  };

  it("serves an app without a defect", async () => {
    const host = await start(greet);
    expect(host.startError).toBeUndefined();
    expect(await get(host, "greet")).toEqual([200, "hello"]);
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
    expect(await get(host, "greet")).toEqual([404, ""]);
    await host.stop();
  });

  it("does not know a function that is registered after the start", async () => {
    const host = await start(
      `setTimeout(() => { try { ${greet} } catch (error) { console.log(error.message); } }, 100);`,
    );
    expect(await get(host, "greet")).toEqual([404, ""]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(host.printed()).toContain("A function can only be registered during app startup.");
    await host.stop();
  });

  it("gives a specialized app its own environment and folder, and nothing of the placeholder's", async () => {
    const placeholder = await mkdtemp(path.join(tmpdir(), "cgn-otp-placeholder-"));
    const host = await start(
      `const { GREETING, WEBSITE_PLACEHOLDER_MODE } = process.env;
       ${serving("() => ({ jsonBody: [GREETING, WEBSITE_PLACEHOLDER_MODE ?? null, process.cwd()] })")}`,
      placeholder,
    );
    expect(JSON.parse((await get(host, "greet"))[1])).toEqual(["ciao", null, root]);
    await host.stop();
    await rm(placeholder, { recursive: true });
  });

  it("drops what is logged after the answer, and treats it as a failure", async () => {
    const host = await start(
      serving(`(_, context) => {
        context.log("in time");
        setTimeout(() => context.log("late"), 50);
        return { body: "" };
      }`),
    );
    expect(await get(host, "greet")).toEqual([200, ""]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(host.log).toEqual([{ level: "information", text: "in time" }]);
    expect(host.lateLog).toEqual([{ level: "information", text: "late" }]);
    await expect(host.stop()).rejects.toThrow("late");
  });

  it("answers an empty 500 when a function throws", async () => {
    const host = await start(serving('() => { throw new Error("defect"); }'));
    expect(await get(host, "greet")).toEqual([500, ""]);
    await host.stop();
  });

  it("ends on an unhandled rejection, and treats it as a failure", async () => {
    const host = await start(`${greet} setTimeout(() => Promise.reject(new Error("nobody")), 50);`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await get(host, "greet")).toEqual([500, ""]);
    await expect(host.stop()).rejects.toThrow("exitCode");
    expect(host.printed()).toContain("Worker uncaught exception: Error: nobody");
  });
});
