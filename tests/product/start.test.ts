import { spawnSync } from "node:child_process";
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { CosmosClient } from "@azure/cosmos";
import { close, listen } from "../../local/server";
import { makeApi } from "../../tools/support/api";
import { makeInAdvance } from "../support/in-advance";
import { describeMissingPowerShell, hasPowerShell, paste, posix, powershell } from "../support/shells";
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

/** Those of a store with a key, but for its address. */
const storeSettings = {
  COSMOSDB_KEY: "a2V5",
  COSMOSDB_SINGLE_COPY: "true",
  OTP_SECRET: Buffer.alloc(32).toString("base64"),
};

// Each program mostly starts: more of them than there are cores would only wait for each other.
const lanes = 4;

// A workflow runs only these on other systems, where those below would not end well.
describe("npm start in a shell", () => {
  const { itInAdvance } = makeInAdvance(lanes);
  for (const shell of shells) {
    const why = shell.isThere ? "" : ` (${shell.hint})`;
    /** Pastes what the program prints, and expects a new code, its use, and the refusal of the next one. */
    const tryIn = async (
      settings: Readonly<Record<string, string>>,
      look: (output: string) => Promise<unknown> = () => Promise.resolve(),
    ): Promise<void> => {
      const program = startProgram(["build/start.js", "--shell", shell.name], { PORT: "0", ...settings });
      await program.waitFor(/Ctrl-C/);
      await look(program.output());
      expect(await tryLines(shell, program.output())).toMatch(
        /^(?:[A-Z0-9]{11}|\{"code":"[A-Z0-9]{11}",.*\} 200)\n\{"expires_at".*\} 200\n\{.*otp-already-used.*\} 404\n$/m,
      );
      // Windows knows no signals.
      expect(await program.stop("SIGINT")).toBe(process.platform === "win32" ? null : 0);
      expect(program.errors()).toBe("");
    };

    itInAdvance(
      `prints lines for ${shell.name} that give 200, 200 and 404, and set the test key${why}`,
      () => tryIn({}),
      shell.isThere,
    );

    itInAdvance(
      `makes no key in a store that the settings name, and first prints for ${shell.name} a line that makes one${why}`,
      async () => {
        const service = await startService();
        await tryIn(service.settings, async (output) => {
          expect(await readItems(service.apiKeys)).toEqual([]);
          expect(output).not.toContain("cgn_demo-shop_");
          expect(output).toContain("makes no key there before you ask for one");
        });
        expect(await readItems(service.apiKeys)).toHaveLength(1);
        await service.stop();
      },
      shell.isThere,
    );
  }
});

describe("npm start", () => {
  const { itInAdvance } = makeInAdvance(lanes);
  itInAdvance(
    "listens on loopback only, with a store of its own, and ends on Ctrl-C with open connections, silently",
    async () => {
      const host = await startHostProcess({});
      const storeUrl = `${host.baseUrl}/playground/store.json`;
      const replies = await Promise.all([host.call(storeUrl), host.info(), host.info()]);
      expect(replies[0].json).toMatchObject({ store: "own" });
      const { port } = new URL(host.baseUrl);
      await expect(fetch(`http://[::1]:${port}/api/v1/info`)).rejects.toThrow("fetch failed");
      expect([await host.program.stop("SIGINT"), host.program.errors()]).toEqual([0, ""]);
      await expect(host.info()).rejects.toThrow("fetch failed");
    },
  );

  itInAdvance(
    "takes settings that follow it, before those of the environment, and calls itself past the environment's proxy",
    async () => {
      let connections = 0;
      const proxy = createSocketServer((socket) => {
        connections += 1;
        socket.destroy();
      });
      const proxyUrl = `http://127.0.0.1:${await listen(proxy, 0)}`;
      const program = startProgram(["build/start.js", "OTP_TTL_IN_SECONDS=7", "PORT=0"], {
        ...{ PORT: "1", OTP_TTL_IN_SECONDS: "8" },
        ...{ NODE_USE_ENV_PROXY: "1", HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl, NO_PROXY: "example.org" },
      });
      const [, baseUrl = ""] = await program.waitFor(/^Listening on (\S+)$/m);
      expect((await makeApi(baseUrl).generate()).json).toMatchObject({ ttl: 7 });
      expect(await program.stop("SIGTERM")).toBe(0);
      expect(connections).toBe(0);
      proxy.close();
    },
  );

  itInAdvance(
    "answers a call under another Host only where ALLOWED_HOSTS names it, on the address that LISTEN_ADDRESS names",
    async () => {
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
    },
  );

  const reasons: readonly (readonly [what: string, Readonly<Record<string, string>>, RegExp])[] = [
    [
      "what is malformed of the host",
      { PORT: "65536", LISTEN_ADDRESS: "nonsense", ALLOWED_HOSTS: "a,*.nonsense" },
      /^PORT is malformed: .*\nLISTEN_ADDRESS is malformed: .*\nALLOWED_HOSTS is malformed: .*\n$/,
    ],
    [
      "what is malformed or missing of the service",
      { PORT: "0", COSMOSDB_ENDPOINT: "http://127.0.0.1:9", OTP_TTL_IN_SECONDS: "nonsense" },
      /^(?=[^]*OTP_TTL_IN_SECONDS is malformed)(?=[^]*COSMOSDB_KEY is missing)(?=[^]*OTP_SECRET is missing)/,
    ],
    [
      "that the machine has no such address",
      { PORT: "0", LISTEN_ADDRESS: "192.0.2.1" },
      /^This machine has no address 192\.0\.2\.1\. .*\n$/,
    ],
    [
      "that the store does not answer",
      { ...storeSettings, PORT: "0", COSMOSDB_ENDPOINT: "http://127.0.0.1:9" },
      /^The store that COSMOSDB_ENDPOINT names cannot be used \(.*\)\.\n$/,
    ],
  ];
  const expectRefusal = async (
    settings: Readonly<Record<string, string>>,
    expected: RegExp,
  ): Promise<void> => {
    const program = startProgram(["build/start.js"], settings);
    expect([await program.ended, program.output()]).toEqual([1, ""]);
    expect(program.errors()).toMatch(expected);
    expect(program.errors()).not.toContain("nonsense");
  };
  for (const [what, settings, expected] of reasons) {
    itInAdvance(`does not start, prints no value of a setting, and says ${what}`, () =>
      expectRefusal(settings, expected),
    );
  }

  itInAdvance("says that its port is in use", async () => {
    const other = createServer();
    const port = String(await listen(other, 0));
    await expectRefusal({ PORT: port }, new RegExp(`^Port ${port} is already in use\\. .*\n$`));
    await close(other);
  });

  itInAdvance("creates nothing by a managed identity, and says in one line what is missing", async () => {
    const tokens = await startTokenEndpoint();
    const embedded = await startEmbeddedCosmosDb();
    const settings = { PORT: "0", ...embedded.settings, ...tokens.settings };
    const client = new CosmosClient({
      endpoint: embedded.settings["COSMOSDB_ENDPOINT"] ?? "",
      // The embedded store takes any.
      key: "a2V5",
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    await client.databases.create({ id: "cgn" });
    await client.database("cgn").containers.create({ id: "otps", partitionKey: "/id" });
    await expectRefusal(
      settings,
      /^The store .* cannot be used \(the container api-keys is missing, and a managed identity cannot create it\)\.\n$/,
    );
    await client.database("cgn").containers.create({ id: "api-keys", partitionKey: "/id" });
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
    const settings = { ...storeSettings, COSMOSDB_ENDPOINT: endpoint };
    const host = await startHostProcess(settings);
    expect((await host.generate()).status).toBe(200);
    const { json } = await host.call(`${host.baseUrl}/playground/store.json`);
    expect(json).toMatchObject({ store: "named" });
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
