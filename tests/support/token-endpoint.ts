/** What the platform is to an app with a managed identity: an endpoint on loopback that hands out tokens. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { close, listen } from "../../local/server";
import type { Fault, StoreRequest } from "../../tools/support/fault-proxy";

export interface TokenEndpoint {
  readonly endpoint: string;
  readonly header: string;
  /** What the platform sets in the environment of the app, and no key. */
  readonly settings: Readonly<Record<string, string>>;
  readonly requests: readonly { readonly url: URL; readonly headers: IncomingHttpHeaders }[];
  /** All that it gave out so far, and what only the app and it know. */
  readonly secrets: readonly string[];
  /** From now on the next token is another one, and those before it are refused. */
  readonly revoke: () => void;
  /** What it does from now on; undefined: it hands out tokens. */
  readonly behave: (answer: ((response: ServerResponse) => void) | undefined) => void;
  readonly slowDown: (ms: number) => void;
  /** For a fault proxy: refuses a request whose token is not in force. */
  readonly guard: (refusal: Fault) => (request: StoreRequest) => Fault | undefined;
  readonly close: () => Promise<void>;
}

const lifetimeSeconds = 86_400;

export const startTokenEndpoint = async (): Promise<TokenEndpoint> => {
  const header = randomBytes(16).toString("hex");
  const secrets = [header];
  let inForce: string | undefined;
  const requests: { url: URL; headers: IncomingHttpHeaders }[] = [];
  let behaviour: ((response: ServerResponse) => void) | undefined;
  let delayMs = 0;

  const server = createServer(({ url: path = "", headers }, response) => {
    const url = new URL(path, "http://127.0.0.1");
    const resource = url.searchParams.get("resource");
    requests.push({ url, headers });
    if (behaviour !== undefined) {
      behaviour(response);
      return;
    }
    setTimeout(answer, delayMs, response, resource, headers["x-identity-header"]);
  });

  const answer = (response: ServerResponse, resource: string | null, presented: unknown): void => {
    if (presented !== header) {
      response.writeHead(401).end();
      return;
    }
    // As the platform, it keeps a token for the next who ask.
    if (inForce === undefined) {
      inForce = `${randomBytes(24).toString("base64url")}.e30.${randomBytes(24).toString("base64url")}`;
      secrets.push(inForce);
    }
    response.writeHead(200, { "content-type": "application/json" }).end(
      JSON.stringify({
        access_token: inForce,
        expires_on: String(Math.floor(Date.now() / 1000) + lifetimeSeconds),
        resource,
        token_type: "Bearer",
        client_id: "00000000-0000-0000-0000-000000000000",
      }),
    );
  };
  const endpoint = `http://127.0.0.1:${await listen(server, 0)}/msi/token`;
  return {
    endpoint,
    header,
    settings: { COSMOSDB_KEY: "", IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header },
    requests,
    secrets,
    revoke: () => {
      inForce = undefined;
    },
    behave: (answer) => {
      behaviour = answer;
    },
    slowDown: (ms) => {
      delayMs = ms;
    },
    guard:
      (refusal) =>
      ({ headers }) => {
        const [, token] =
          /^type%3Daad%26ver%3D1\.0%26sig%3D([\w.-]+)$/.exec(headers.authorization ?? "") ?? [];
        return token !== undefined && token === inForce ? undefined : refusal;
      },
    close: () => close(server),
  };
};
