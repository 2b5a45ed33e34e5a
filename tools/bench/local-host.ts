import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import autocannon from "autocannon";
import { makeFunctions } from "../../functions";
import { makeHost } from "../../local/host";
import { close, listen } from "../../local/server";
import { decodeConfig } from "../../shared/config";
import { makeCosmosStore } from "../../shared/cosmos/cosmos-store";
import { right } from "../support/either";
import { interleave, ratioOf } from "./statistics";
import type { Spread } from "./statistics";

const rounds = 3;
const seconds = 1;

/** The local host's throughput divided by that of Node's own server, which gives the same answers. */
export const measureHost = async (settings: Readonly<Record<string, string>>): Promise<Spread> => {
  const config = right(decodeConfig(settings));
  const store = makeCosmosStore(config);
  // A call without a key, because the service refuses it without asking the store.
  const path = "/api/v1/merchant/cgn/otp/validate";
  const body = JSON.stringify({ otp_code: "AAAAAAAAAAA" });
  const host = makeHost(makeFunctions(config, store.forCall), () => undefined);
  const hostUrl = `http://127.0.0.1:${await listen(host, 0)}${path}`;
  const answer = await fetch(hostUrl, { method: "POST", body });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const bare = createServer((request, response) => {
    void buffer(request).then(() => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(bytes);
    });
  });
  const bareUrl = `http://127.0.0.1:${await listen(bare, 0)}${path}`;

  const load = (url: string) => async (): Promise<number> => {
    const result = await autocannon({
      url,
      method: "POST",
      body,
      connections: 50,
      duration: seconds,
      workers: 1,
    });
    if (result.errors > 0 || result["4xx"] === 0) {
      throw new Error(`${url}: ${result.errors} errors, ${result["4xx"]} answers`);
    }
    return result.requests.average;
  };
  const [hosted, bared] = await interleave(rounds, [load(hostUrl), load(bareUrl)]);
  await close(host);
  await close(bare);
  store.dispose();
  return ratioOf(hosted, bared);
};
