/** `npm start`: the service on loopback. It starts a store of its own unless the settings name one. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { makeFunctions } from "../functions";
import { decodeConfig, settingNames } from "../shared/config";
import { makeCosmosStore } from "../shared/cosmos/cosmos-store";
import type { KeyType } from "../shared/domain/api-key";
import { isLoopback } from "../shared/loopback";
import { readCommandLine, refuseCommandLine } from "./command-line.mjs";
import { callLoopbackDirectly } from "./direct-calls.mjs";
import { startEmbeddedCosmosDb } from "./embedded-cosmos-db";
import { makeHost } from "./host";
import { decodeHostSettings, hostSettings, isUnspecified, originOf } from "./host-settings";
import { makePlaygroundStore } from "../playground/playground-store";
import { makeSite, type DemoShop } from "./site";
import { buildSite } from "./site-build";
import { close, describeListenError, fail, listen, untilStopped } from "./server";
import { guessShell, shells, writeDemo } from "./shell";

const demoMerchantId = "demo-shop";
const demoDiscountId = "demo-discount";
const demoFiscalCode = "AAAAAA00A00A000A";

const program = {
  command: "npm start",
  what: "Runs the service on this machine, with a store of its own unless the settings name one.",
  operands: "[NAME=VALUE…]",
  options: {
    shell: {
      type: "string",
      value: "SHELL",
      help: `prints lines for this shell: ${shells.join(", ")}; without it, for the one that npm seems to run in`,
    },
  },
  more: `NAME=VALUE is a setting, and overrides the environment's: npm start OTP_TTL_IN_SECONDS=5 PORT=7072. docs/settings.md lists
all. Of the local host alone are ${Object.keys(hostSettings).join(", ")}.`,
} as const;

/** The settings that follow the command. A fault repeats no value. */
const decodeOperands = (operands: readonly string[]): Either<string, Readonly<Record<string, string>>> => {
  const names: readonly string[] = [...settingNames, ...Object.keys(hostSettings)];
  const pairs = operands.map((each) => /^([A-Z_]+)=(.*)$/s.exec(each) ?? [each, "", ""]);
  const unknown = pairs.find(([, name = ""]) => !names.includes(name));
  return unknown === undefined
    ? E.right(Object.fromEntries(pairs.map(([, name = "", value = ""]) => [name, value])))
    : E.left(
        unknown[1] ? `There is no setting ${unknown[1]}` : "What follows is no setting: expected NAME=VALUE",
      );
};

const createDemoApiKey = async (baseUrl: string, keyType: KeyType): Promise<string> => {
  const response = await fetch(`${baseUrl}/api/v1/cgn/merchants/${demoMerchantId}/api-keys/${keyType}`, {
    method: "POST",
  });
  const body: unknown = await response.json();
  return typeof body === "object" && body !== null && "api_key" in body ? String(body.api_key) : "";
};

const run = async (): Promise<void> => {
  const { values, operands } = readCommandLine(program);
  const given = decodeOperands(operands);
  if (E.isLeft(given)) {
    refuseCommandLine(program, given.left);
  }
  const shell =
    values.shell === undefined
      ? guessShell(process.platform, process.env)
      : shells.find((each) => each === values.shell);
  if (shell === undefined) {
    refuseCommandLine(program, `--shell is malformed: expected one of ${shells.join(", ")}`);
  }
  const settings = { ...process.env, ...given.right };
  const hosting = decodeHostSettings(settings);
  if (E.isLeft(hosting)) {
    fail(hosting.left);
    return;
  }
  const { port: wantedPort, address, allowedHosts } = hosting.right;
  callLoopbackDirectly();
  const embedded = settings["COSMOSDB_ENDPOINT"] ? undefined : await startEmbeddedCosmosDb();
  const closeStore = async (): Promise<void> => {
    await (embedded && close(embedded.server));
  };
  const config = decodeConfig({ ...embedded?.settings, ...settings });
  if (E.isLeft(config)) {
    fail(config.left.message);
    await closeStore();
    return;
  }
  const store = makeCosmosStore(config.right);
  let demoShop: DemoShop | undefined;
  const stopped = new AbortController();
  let built: Promise<string> | undefined;
  const build = (): Promise<string> => (built ??= buildSite(stopped.signal));
  const host = makeHost(
    [
      ...makeFunctions(config.right, store.forCall),
      makePlaygroundStore(embedded === undefined ? "named" : "own"),
    ],
    undefined,
    { demoShop: () => demoShop, allowedHosts, site: makeSite(build) },
  );
  try {
    const created = await store.createContainers();
    if (E.isLeft(created)) {
      fail(`The store that COSMOSDB_ENDPOINT names cannot be used (${created.left.cause}).`);
      return;
    }
    const port = await listen(host, wantedPort, address).catch((error: unknown) => {
      fail(describeListenError(error, wantedPort, address));
    });
    if (port === undefined) {
      return;
    }
    const baseUrl = originOf(address, port);
    // Beside the service: a page waits for the site, a call does not.
    build().catch((error: unknown) => {
      if (!stopped.signal.aborted) {
        console.error(String(error));
      }
    });
    // In a store that the settings name, somebody may be using a key of the demo shop.
    const create = async (keyType: KeyType): Promise<string | undefined> =>
      embedded === undefined ? undefined : createDemoApiKey(baseUrl, keyType);
    const [apiKey, testApiKey] = [await create("primary"), await create("test")];
    demoShop = apiKey && testApiKey ? { merchantId: demoMerchantId, apiKey, testApiKey } : undefined;
    const { commands, testSettings } = writeDemo(shell, {
      ...{ baseUrl, apiKey, testApiKey },
      ...{ merchantId: demoMerchantId, discountId: demoDiscountId, fiscalCode: demoFiscalCode },
    });
    const lines = [
      `Listening on ${baseUrl}`,
      ...(isLoopback(new URL(baseUrl).hostname) && !isUnspecified(address)
        ? []
        : [`It listens on ${address}: whoever reaches this machine there can make keys and codes.`]),
      "Open it in a browser to see the service work.",
      "",
      ...(apiKey === undefined
        ? [
            "It uses the store that COSMOSDB_ENDPOINT names, and makes no key there before you ask for one.",
            `The first call makes the primary key of ${demoMerchantId}. A key that it already has stops working.`,
            "",
            "Paste in order: make a key, generate, use (200), use again (404)",
          ]
        : ["Paste in order: generate, use (200), use again (404)"]),
      "",
      ...commands,
      "",
      testApiKey === undefined
        ? `To try every outcome, as the guide for merchants says, make the test key of ${demoMerchantId} (one that it already has stops working):`
        : `To try every outcome, as the guide for merchants says, set the address and the test key of ${demoMerchantId}:`,
      "",
      testSettings,
      "",
      "Ctrl-C stops it.",
    ];
    console.log(lines.join("\n"));
    await untilStopped();
    await close(host);
  } finally {
    stopped.abort();
    store.dispose();
    await closeStore();
  }
};

void run();
