import { readFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import path from "node:path";
import { createPipelineRequest } from "@azure/core-rest-pipeline";
import { close, listen } from "../../local/server";
import { watchConnections, type Connections } from "../../tests/support/connections";
import { makePooledHttpClient, maxConnections, type PooledHttpClient } from "./http-client";

describe("the HTTP client", () => {
  let client: PooledHttpClient;
  let servers: Server[];
  beforeEach(() => {
    client = makePooledHttpClient();
    servers = [];
  });
  afterEach(async () => {
    client.close();
    await Promise.all(servers.map(close));
  });

  const start = async (answer: RequestListener): Promise<{ url: string; connections: Connections }> => {
    const server = createServer(answer);
    // Only the client may close a connection.
    server.keepAliveTimeout = 0;
    servers.push(server);
    return { connections: watchConnections(server), url: `http://127.0.0.1:${await listen(server, 0)}/` };
  };

  const get = async (url: string, abortSignal = new AbortController().signal): Promise<number> => {
    // No authority that Node.js trusts signed the certificate.
    const requestOverrides = { rejectUnauthorized: false };
    const request = createPipelineRequest({
      url,
      allowInsecureConnection: true,
      abortSignal,
      requestOverrides,
    });
    return (await client.sendRequest(request)).status;
  };
  const getMany = (count: number, url: string, signal?: AbortSignal): Promise<number>[] =>
    Array.from({ length: count }, () => get(url, signal));

  it("opens connections up to its limit, and reuses them", async () => {
    const { url, connections } = await start((_, response) => setTimeout(() => response.end(), 5));
    for (let wave = 0; wave < 2; wave += 1) {
      const statuses = await Promise.all(getMany(3 * maxConnections, url));
      expect(statuses).toEqual(statuses.map(() => 200));
    }
    // An instance has 128 ports to one address.
    expect(maxConnections).toBe(100);
    expect(connections).toMatchObject({ opened: 100, mostOpen: 100, open: 100 });
  });

  it("drops a waiting request when its signal aborts, and never sends it", async () => {
    let arrived = 0;
    const { url, connections } = await start(() => {
      arrived += 1;
    });
    const ending = new AbortController();
    const busy = getMany(maxConnections, url, ending.signal);
    const waiting = new AbortController();
    const late = get(url, waiting.signal);
    waiting.abort();
    await expect(late).rejects.toMatchObject({ name: "AbortError" });
    while (arrived < maxConnections) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    ending.abort();
    expect((await Promise.allSettled(busy)).map(({ status }) => status)).toEqual(busy.map(() => "rejected"));
    expect(arrived).toBe(maxConnections);
    expect(connections.mostOpen).toBe(maxConnections);
  });

  it("reaches one origin while another hangs with all its connections taken, and that one once it recovers", async () => {
    let isHanging = true;
    const hanging = await start((_, response) => {
      if (!isHanging) {
        response.end();
      }
    });
    const healthy = await start((_, response) => response.end());
    const ending = new AbortController();
    const lost = getMany(3 * maxConnections, hanging.url, ending.signal);
    expect(await Promise.all(getMany(maxConnections, healthy.url))).toHaveLength(maxConnections);
    ending.abort();
    await Promise.allSettled(lost);
    isHanging = false;
    expect(await Promise.all(getMany(maxConnections, hanging.url))).toHaveLength(maxConnections);
  });

  it("keeps its limit over HTTPS too, and reuses its connections", async () => {
    const folder = path.join("node_modules", "@vercel", "cosmosdb-server");
    const [cert, key] = await Promise.all(
      ["cert.pem", "key.pem"].map((name) => readFile(path.join(folder, name))),
    );
    const server = createSecureServer({ cert, key }, (_, response) => setTimeout(() => response.end(), 5));
    servers.push(server);
    const connections = watchConnections(server);
    const url = `https://127.0.0.1:${await listen(server, 0)}/`;
    const statuses = await Promise.all(getMany(2 * maxConnections, url));
    expect(statuses).toEqual(statuses.map(() => 200));
    expect(connections).toMatchObject({ opened: 100, mostOpen: 100, open: 100 });
  });

  it("closes its connections when the service closes it", async () => {
    const { url, connections } = await start((_, response) => response.end());
    await get(url);
    expect(connections.open).toBe(1);
    client.close();
    while (connections.open > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
