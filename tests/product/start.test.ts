import { execFile, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { CosmosClient } from "@azure/cosmos";
import { close, decodePort, listen } from "../../local/server";
import { decodeConfig, settingNames } from "../../shared/config";
import { call, discountId, fiscalCode, makeApi } from "../../tools/support/api";
import { right } from "../../tools/support/either";
import { startTokenEndpoint } from "../support/token-endpoint";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { startHostProcess, startProgram } from "../../tools/support/processes";
import { readItems, startService } from "../../tools/support/service";

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
if (!hasCurl) {
  console.warn("curl is not installed: the printed commands are counted, but not run");
}

/** What a script prints. The store may run in this process, and must answer meanwhile. */
const runScript = async (script: string): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)("sh", ["-c", script]);
  expect(stderr).toBe("");
  return stdout;
};

/** Runs the printed `export` command, and asks about a test code with what it sets. */
const tryTestSettings = async (output: string): Promise<string> => {
  const [command = ""] = /^export .*$/m.exec(output) ?? [];
  const [baseUrl = "", apiKey = ""] = (await runScript(`${command}\necho "$CGN_URL $CGN_API_KEY"`))
    .trim()
    .split(" ");
  expect(apiKey).toMatch(/^cgn_test_demo-shop_[0-9a-f]{72}$/);
  expect((await makeApi(baseUrl).ask(apiKey, "TESTLIVE000")).status).toBe(200);
  return baseUrl;
};

describe("npm start", () => {
  it("prints its address, three commands that give 200, 200 and 404, and one that sets the test key", async () => {
    const program = startProgram(["build/start.js"], { PORT: "0" });
    await program.waitFor(/Ctrl-C/);
    const commands = program.output().match(/^(OTP=|curl ).*$/gm) ?? [];
    expect(commands).toHaveLength(3);
    if (hasCurl) {
      expect(await runScript(commands.join("\n"))).toMatch(
        /^\{"code":"[A-Z0-9]{11}",.*\} 200\n\{"expires_at".*\} 200\n\{.*otp-already-used.*\} 404\n$/,
      );
    }
    const baseUrl = await tryTestSettings(program.output());
    expect((await call(`${baseUrl}/playground/store.json`)).json).toMatchObject({ store: "own" });
    // It listens on loopback only.
    await expect(fetch(`http://[::1]:${new URL(baseUrl).port}/api/v1/info`)).rejects.toThrow("fetch failed");
    expect(await program.stop("SIGINT")).toBe(0);
    expect(program.errors()).toBe("");
  });

  it("ends on a signal with open connections, and prints nothing", async () => {
    const ends = (["SIGINT", "SIGTERM"] as const).map(async (signal) => {
      const host = await startHostProcess({});
      await Promise.all([host.info(), host.info(), host.info()]);
      expect(await host.program.stop(signal)).toBe(0);
      expect(host.program.errors()).toBe("");
      await expect(host.info()).rejects.toThrow("fetch failed");
    });
    await Promise.all(ends);
  });

  it("says why it does not start, and prints no value of a setting", async () => {
    const other = createServer();
    const port = String(await listen(other, 0));
    const runs: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
      [{ PORT: port }, new RegExp(`^Port ${port} is already in use\\. .*\n$`)],
      [{ PORT: "65536" }, /^PORT is malformed: .*\n$/],
      [
        { PORT: "0", OTP_TTL_IN_SECONDS: "nonsense", OTP_RETENTION_IN_SECONDS: "nonsense" },
        /^(?=[^]*OTP_TTL_IN_SECONDS is malformed)(?=[^]*OTP_RETENTION_IN_SECONDS is malformed)(?![^]*nonsense)/,
      ],
      [
        { PORT: "0", COSMOSDB_ENDPOINT: "http://127.0.0.1:9" },
        /^(?=[^]*COSMOSDB_KEY is missing)(?=[^]*OTP_SECRET is missing)/,
      ],
      [
        {
          PORT: "0",
          COSMOSDB_ENDPOINT: "http://127.0.0.1:9",
          COSMOSDB_KEY: "a2V5",
          COSMOSDB_SINGLE_COPY: "true",
          OTP_SECRET: Buffer.alloc(32).toString("base64"),
        },
        /^The store that COSMOSDB_ENDPOINT names cannot be used \(.*\)\.\n$/,
      ],
    ];
    await Promise.all(
      runs.map(async ([settings, expected]) => {
        const program = startProgram(["build/start.js"], settings);
        expect(await program.ended).toBe(1);
        expect(program.errors()).toMatch(expected);
        expect(program.output()).toBe("");
      }),
    );
    expect(["x", "-1", "7071 "].map((each) => decodePort(each, 7071))).toEqual(Array(3).fill(undefined));
    await close(other);
  });

  it("uses the store that the settings name", async () => {
    const service = await startService();
    const host = await startHostProcess(service.settings);
    const code = await host.newCode();
    expect((await host.ask(await service.newApiKey(), code)).json).toMatchObject({ discount_id: discountId });
    expect((await host.call(`${host.baseUrl}/playground/store.json`)).json).toMatchObject({ store: "named" });
    await host.program.stop();
    await service.stop();
  });

  it("creates nothing by a managed identity, and says in one line what is missing", async () => {
    const tokens = await startTokenEndpoint();
    const embedded = await startEmbeddedCosmosDb();
    const settings = { PORT: "0", ...embedded.settings, ...tokens.settings };
    const client = new CosmosClient({
      endpoint: embedded.settings["COSMOSDB_ENDPOINT"] ?? "",
      // The embedded store takes any.
      key: "a2V5",
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    const expectMissing = async (name: string): Promise<void> => {
      const program = startProgram(["build/start.js"], settings);
      expect(await program.ended).toBe(1);
      expect(program.errors()).toBe(
        `The store that COSMOSDB_ENDPOINT names cannot be used (${name} is missing, and a managed identity cannot create it).\n`,
      );
    };
    await expectMissing("the database cgn");
    await client.databases.create({ id: "cgn" });
    await expectMissing("the container otps");
    for (const id of ["otps", "api-keys"]) {
      await client.database("cgn").containers.create({ id, partitionKey: "/id" });
      if (id === "otps") {
        await expectMissing("the container api-keys");
      }
    }
    client.dispose();
    const host = await startHostProcess(settings);
    await host.program.stop();
    await close(embedded.server);
    await tokens.close();
  });

  it("makes no key in a store that the settings name, and first prints a command that makes one", async () => {
    const service = await startService();
    const program = startProgram(["build/start.js"], { PORT: "0", ...service.settings });
    await program.waitFor(/Ctrl-C/);
    expect(await readItems(service.apiKeys)).toEqual([]);
    expect(program.output()).not.toContain("cgn_demo-shop_");
    expect(program.output()).toContain("makes no key there before you ask for one");
    const commands = program.output().match(/^(KEY=|OTP=|curl ).*$/gm) ?? [];
    expect(commands.map((command) => command.slice(0, 4))).toEqual(["KEY=", "OTP=", "curl", "curl"]);
    if (hasCurl) {
      expect(await runScript(commands.join("\n"))).toMatch(
        /^\{.*"api_key":"cgn_demo-shop_[0-9a-f]{72}".*\}\n\{"code".*\} 200\n\{"expires_at".*\} 200\n\{.*otp-already-used.*\} 404\n$/,
      );
      expect(await readItems(service.apiKeys)).toHaveLength(1);
      await tryTestSettings(program.output());
    }
    expect(await program.stop("SIGINT")).toBe(0);
    expect(program.errors()).toBe("");
    await service.stop();
  });
});

describe("npm run start:store", () => {
  it("offers the embedded store, with its containers, to a service in another process", async () => {
    const program = startProgram(["build/start-store.js"], { PORT: "0" });
    const [, endpoint = ""] = await program.waitFor(/^COSMOSDB_ENDPOINT=(\S+)$/m);
    const settings = {
      COSMOSDB_ENDPOINT: endpoint,
      COSMOSDB_KEY: "a2V5",
      COSMOSDB_SINGLE_COPY: "true",
      OTP_SECRET: Buffer.alloc(32).toString("base64"),
    };
    expect(settingNames).toEqual(expect.arrayContaining(Object.keys(settings)));
    right(decodeConfig(settings));
    const host = await startHostProcess(settings);
    expect((await makeApi(host.baseUrl).generate(fiscalCode)).status).toBe(200);
    await host.program.stop();
    expect(await program.stop("SIGINT")).toBe(0);
    expect(program.errors()).toBe("");
  });
});

describe("npm run start:func", () => {
  it("says in one sentence what to install where there are no Core Tools", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["tools/start-func.mjs"], {
      env: { PATH: "" },
      encoding: "utf8",
    });
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^Azure Functions Core Tools are not installed: .*\bazure-functions-core-tools@4 .*\.\n$/,
    );
  });
});
