import { spawnSync } from "node:child_process";
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { CosmosClient } from "@azure/cosmos";
import { close, decodePort, listen } from "../../local/server";
import { decodeConfig, settingNames } from "../../shared/config";
import { call, discountId, fiscalCode, makeApi } from "../../tools/support/api";
import { right } from "../../tools/support/either";
import {
  describeMissingPowerShell,
  hasPowerShell,
  paste,
  patienceMs,
  posix,
  powershell,
} from "../support/shells";
import { startTokenEndpoint } from "../support/token-endpoint";
import { startEmbeddedCosmosDb } from "../../local/embedded-cosmos-db";
import { startHostProcess, startProgram } from "../../tools/support/processes";
import { readItems, startService } from "../../tools/support/service";

/** Those into which the printed lines are pasted. */
const shells = [
  {
    ...{ name: "posix", shell: posix, echo: 'echo "$CGN_URL $CGN_API_KEY"' },
    isThere: spawnSync("curl", ["--version"]).status === 0,
    hint: "curl is not installed",
  },
  {
    ...{ name: "powershell", shell: powershell, echo: '"$env:CGN_URL $env:CGN_API_KEY"' },
    ...{ isThere: hasPowerShell(), hint: describeMissingPowerShell },
  },
  {
    ...{ name: "cmd", shell: { command: "cmd", args: ["/d", "/q"] }, echo: "echo %CGN_URL% %CGN_API_KEY%" },
    ...{ isThere: process.platform === "win32", hint: "there is cmd on Windows only" },
  },
] as const;

/** The lines that are printed for pasting, in order, and the one that sets the test key. */
const linesOf = (output: string): { readonly commands: string; readonly settings: string } => {
  const [, commands = "", settings = ""] =
    /^Paste in order: .*\n\n([^]*?)\n\nTo try every outcome, .*:\n\n(.*)\n\nCtrl-C stops it\.$/m.exec(
      output,
    ) ?? [];
  expect(settings).not.toBe("");
  return { commands, settings };
};

/** Pastes all lines, and asks about a test code with what they set. Resolves with what the calls printed. */
const tryLines = async ({ shell, echo }: (typeof shells)[number], output: string): Promise<string> => {
  const { commands, settings } = linesOf(output);
  const printed = await paste(shell, `${commands}\n${settings}\n${echo}`);
  const [, calls = "", baseUrl = "", apiKey = ""] = /^([^]*\n)(\S+) (\S+)\n$/.exec(printed) ?? [];
  expect(apiKey).toMatch(/^cgn_test_demo-shop_[0-9a-f]{72}$/);
  expect((await makeApi(baseUrl).ask(apiKey, "TESTLIVE000")).status).toBe(200);
  return calls;
};

describe("npm start", () => {
  for (const shell of shells) {
    const itThere = shell.isThere ? it : it.skip;
    const why = shell.isThere ? "" : ` (${shell.hint})`;

    itThere(
      `prints lines for ${shell.name} that give 200, 200 and 404, and set the test key${why}`,
      async () => {
        const program = startProgram(["build/start.js", "--shell", shell.name], { PORT: "0" });
        await program.waitFor(/Ctrl-C/);
        const printed = await tryLines(shell, program.output());
        expect(printed).toMatch(
          shell.name === "cmd" ? /^[A-Z0-9]{11}$/m : /^\{"code":"[A-Z0-9]{11}",.*\} 200\n/,
        );
        expect(printed).toMatch(/^\{"expires_at".*\} 200\n\{.*otp-already-used.*\} 404\n$/m);
        // Windows knows no signals.
        expect(await program.stop("SIGINT")).toBe(process.platform === "win32" ? null : 0);
        expect(program.errors()).toBe("");
      },
      patienceMs,
    );

    itThere(
      `makes no key in a store that the settings name, and first prints for ${shell.name} a line that makes one${why}`,
      async () => {
        const service = await startService();
        const program = startProgram(["build/start.js", "--shell", shell.name], {
          ...{ PORT: "0", ...service.settings },
        });
        await program.waitFor(/Ctrl-C/);
        expect(await readItems(service.apiKeys)).toEqual([]);
        expect(program.output()).not.toContain("cgn_demo-shop_");
        expect(program.output()).toContain("makes no key there before you ask for one");
        const printed = await tryLines(shell, program.output());
        expect(printed).toMatch(/cgn_demo-shop_[0-9a-f]{72}/);
        expect(printed).toMatch(/^\{"expires_at".*\} 200\n\{.*otp-already-used.*\} 404\n$/m);
        expect(await readItems(service.apiKeys)).toHaveLength(1);
        expect(await program.stop("SIGINT")).toBe(0);
        expect(program.errors()).toBe("");
        await service.stop();
      },
      patienceMs,
    );
  }

  it("listens on loopback only, with a store of its own", async () => {
    const host = await startHostProcess({});
    expect((await call(`${host.baseUrl}/playground/store.json`)).json).toMatchObject({ store: "own" });
    const { port } = new URL(host.baseUrl);
    await expect(fetch(`http://[::1]:${port}/api/v1/info`)).rejects.toThrow("fetch failed");
    await host.program.stop();
  });

  it("takes settings that follow it, before those of the environment", async () => {
    const args = ["build/start.js", "OTP_TTL_IN_SECONDS=7", "PORT=0"];
    const program = startProgram(args, { PORT: "1", OTP_TTL_IN_SECONDS: "8" });
    const [, baseUrl = ""] = await program.waitFor(/^Listening on (\S+)$/m);
    expect((await makeApi(baseUrl).generate(fiscalCode)).json).toMatchObject({ ttl: 7 });
    await program.stop();
  });

  it("answers a call under another Host only where ALLOWED_HOSTS names it, on the address that LISTEN_ADDRESS names", async () => {
    const host = await startHostProcess({
      ALLOWED_HOSTS: "Host.Docker.Internal, shop-net",
      LISTEN_ADDRESS: "127.0.0.2",
    });
    const { hostname, port } = new URL(host.baseUrl);
    expect(hostname).toBe("127.0.0.2");
    await expect(fetch(`http://127.0.0.1:${port}/api/v1/info`)).rejects.toThrow("fetch failed");
    const statusUnder = async (headers: OutgoingHttpHeaders): Promise<number | undefined> => {
      const sent = request(`${host.baseUrl}/api/v1/info`, { headers, agent: false }).end();
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        sent.once("response", resolve).once("error", reject);
      });
      answer.resume();
      return answer.statusCode;
    };
    expect(await statusUnder({ host: `host.docker.internal:${port}` })).toBe(200);
    expect(await statusUnder({ host: "shop-net" })).toBe(200);
    expect(await statusUnder({ host: "other-net" })).toBe(403);
    expect(await statusUnder({ host: "shop-net", origin: "http://shop.example" })).toBe(403);
    await host.program.stop();
  });

  it("calls itself directly where the environment names a proxy that drops connections", async () => {
    let connections = 0;
    const proxy = createSocketServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    const proxyUrl = `http://127.0.0.1:${await listen(proxy, 0)}`;
    const host = await startHostProcess({
      ...{ NODE_USE_ENV_PROXY: "1", HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl, NO_PROXY: "example.org" },
    });
    expect(await host.newCode()).toMatch(/^[A-Z0-9]{11}$/);
    expect(await host.program.stop()).toBe(0);
    expect(connections).toBe(0);
    proxy.close();
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
        { LISTEN_ADDRESS: "nonsense", ALLOWED_HOSTS: "a,*.nonsense" },
        /^LISTEN_ADDRESS is malformed: .*\nALLOWED_HOSTS is malformed: .*\n$(?<!nonsense[^]*)/,
      ],
      [{ PORT: "0", LISTEN_ADDRESS: "192.0.2.1" }, /^This machine has no address 192\.0\.2\.1\. .*\n$/],
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
