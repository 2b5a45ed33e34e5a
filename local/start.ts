/** `npm start`: the service on loopback, with a store of its own unless the settings name another. */
import * as E from "fp-ts/Either";
import { makeFunctions } from "../functions";
import { decodeConfig } from "../shared/config";
import { makeCosmosStore } from "../shared/cosmos-store";
import { startEmbeddedCosmosDb } from "./embedded-cosmos-db";
import { makeHost } from "./host";
import { close, decodePort, describeListenError, fail, listen, untilStopped } from "./server";

const demoMerchantId = "demo-shop";
const demoDiscountId = "demo-discount";
const demoFiscalCode = "AAAAAA00A00A000A";

/** Three lines for a shell: generate an OTP, use it, and find it used. */
const demoCommands = (baseUrl: string, apiKey: string): string => {
  const curl = `curl -sS -w ' %{http_code}\\n' -H 'Content-Type: application/json'`;
  const generate = `${curl} -d '{"merchant_id":"${demoMerchantId}","discount_id":"${demoDiscountId}"}' ${baseUrl}/api/v1/cgn/otp/${demoFiscalCode}`;
  const use = `${curl} -H 'Ocp-Apim-Subscription-Key: ${apiKey}' -d '{"otp_code":"'$OTP'","invalidate_otp":true}' ${baseUrl}/api/v1/merchant/cgn/otp/validate`;
  return [`OTP=$(${generate}); echo "$OTP"; OTP=$(echo "$OTP" | grep -oE '[A-Z0-9]{11}')`, use, use].join(
    "\n",
  );
};

const createDemoApiKey = async (baseUrl: string): Promise<string> => {
  const response = await fetch(`${baseUrl}/api/v1/cgn/merchants/${demoMerchantId}/api-keys/primary`, {
    method: "POST",
  });
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
  const store = makeCosmosStore(config.right.cosmos, config.right.requestDeadlineMs);
  const host = makeHost(makeFunctions(config.right, store.connect));
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
    const commands = demoCommands(baseUrl, await createDemoApiKey(baseUrl));
    console.log(
      `Listening on ${baseUrl}\nOpen it in a browser to see the service work.\n\nPaste in order: generate, use (200), use again (404)\n\n${commands}\n`,
    );
    console.log("Ctrl-C stops it.");
    await untilStopped();
    await close(host);
  } finally {
    store.dispose();
    await closeStore();
  }
};

void run();
