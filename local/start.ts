/** `npm start`: the service on loopback. It starts a store of its own unless the settings name one. */
import * as E from "fp-ts/Either";
import { makeFunctions } from "../functions";
import { decodeConfig } from "../shared/config";
import { makeCosmosStore } from "../shared/cosmos/cosmos-store";
import type { KeyType } from "../shared/domain/api-key";
import { startEmbeddedCosmosDb } from "./embedded-cosmos-db";
import { makeHost } from "./host";
import { makePlaygroundStore } from "../playground/playground-store";
import { makeSite, type DemoShop } from "./site";
import { buildSite } from "./site-build";
import { close, decodePort, describeListenError, fail, listen, untilStopped } from "./server";

const demoMerchantId = "demo-shop";
const demoDiscountId = "demo-discount";
const demoFiscalCode = "AAAAAA00A00A000A";

const demoKeyPath = (keyType: KeyType): string =>
  `/api/v1/cgn/merchants/${demoMerchantId}/api-keys/${keyType}`;

/** Shell commands: generate an OTP, use it, and find it used. Without a key, the first command makes one. */
const demoCommands = (baseUrl: string, apiKey: string | undefined): readonly string[] => {
  const curl = `curl -sS -w ' %{http_code}\\n' -H 'Content-Type: application/json'`;
  const generate = `${curl} -d '{"fiscal_code":"${demoFiscalCode}","merchant_id":"${demoMerchantId}","discount_id":"${demoDiscountId}"}' ${baseUrl}/api/v1/cgn/otp`;
  const use = `${curl} -H "Ocp-Apim-Subscription-Key: ${apiKey ?? "$KEY"}" -d '{"otp_code":"'$OTP'","invalidate_otp":true}' ${baseUrl}/api/v1/merchant/cgn/otp/validate`;
  return [
    ...(apiKey === undefined
      ? [
          `KEY=$(curl -sS -X POST ${baseUrl}${demoKeyPath("primary")}); echo "$KEY"; KEY=$(echo "$KEY" | grep -oE 'cgn_[A-Za-z0-9_-]+')`,
        ]
      : []),
    `OTP=$(${generate}); echo "$OTP"; OTP=$(echo "$OTP" | grep -oE '[A-Z0-9]{11}')`,
    use,
    use,
  ];
};

/** A shell command that says where the service is, and the test key: what the guides' commands and programs read. */
const testSettings = (baseUrl: string, testApiKey: string | undefined): string =>
  `export CGN_URL=${baseUrl} CGN_API_KEY=${
    testApiKey ?? `$(curl -sS -X POST ${baseUrl}${demoKeyPath("test")} | grep -oE 'cgn_test_[A-Za-z0-9_-]+')`
  }`;

const createDemoApiKey = async (baseUrl: string, keyType: KeyType): Promise<string> => {
  const response = await fetch(baseUrl + demoKeyPath(keyType), { method: "POST" });
  const body: unknown = await response.json();
  return typeof body === "object" && body !== null && "api_key" in body ? String(body.api_key) : "";
};

const run = async (): Promise<void> => {
  const wantedPort = decodePort(process.env["PORT"], 7071);
  if (wantedPort === undefined) {
    fail("PORT is malformed: expected a whole number from 0 to 65535");
    return;
  }
  const embedded = process.env["COSMOSDB_ENDPOINT"] ? undefined : await startEmbeddedCosmosDb();
  const closeStore = async (): Promise<void> => {
    await (embedded && close(embedded.server));
  };
  const config = decodeConfig({ ...embedded?.settings, ...process.env });
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
    { demoShop: () => demoShop, site: makeSite(build) },
  );
  try {
    const created = await store.createContainers();
    if (E.isLeft(created)) {
      fail(`The store that COSMOSDB_ENDPOINT names cannot be used (${created.left.cause}).`);
      return;
    }
    const port = await listen(host, wantedPort).catch((error: unknown) => {
      fail(describeListenError(error, wantedPort));
    });
    if (port === undefined) {
      return;
    }
    const baseUrl = `http://127.0.0.1:${port}`;
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
    const lines = [
      `Listening on ${baseUrl}`,
      "Open it in a browser to see the service work.",
      "",
      ...(apiKey === undefined
        ? [
            "It uses the store that COSMOSDB_ENDPOINT names, and makes no key there before you ask for one.",
            `The first command makes the primary key of ${demoMerchantId}. A key that it already has stops working.`,
            "",
            "Paste in order: make a key, generate, use (200), use again (404)",
          ]
        : ["Paste in order: generate, use (200), use again (404)"]),
      "",
      ...demoCommands(baseUrl, apiKey),
      "",
      testApiKey === undefined
        ? `To try every outcome, as the guide for merchants says, make the test key of ${demoMerchantId} (one that it already has stops working):`
        : `To try every outcome, as the guide for merchants says, set the address and the test key of ${demoMerchantId}:`,
      "",
      testSettings(baseUrl, testApiKey),
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
