/** A server before the service that passes requests on, and may lie. */
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { close, listen } from "../../local/server";
import { functionKeyHeader } from "./document";

export interface FrontRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

export interface FrontReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export type PassOn = (request: FrontRequest) => Promise<FrontReply>;

/** Answers a request, by passing it on or otherwise. */
export type Lie = (request: FrontRequest, passOn: PassOn) => Promise<FrontReply>;

export const honest: Lie = (request, passOn) => passOn(request);

// The bodies are those that `makeApi` sends.
export const isAsk = ({ body }: FrontRequest): boolean => body.includes('"invalidate_otp":false');
export const isUse = ({ body }: FrontRequest): boolean => body.includes('"invalidate_otp":true');
export const isGenerate = ({ path }: FrontRequest): boolean => path.startsWith("/api/v1/cgn/otp");

/** A host that asks for a function key, as the platform does. */
export const askForFunctionKey =
  (functionKey: string, mayPass: (request: FrontRequest) => boolean = () => false): Lie =>
  async (request, passOn) =>
    request.path.startsWith("/api/v1/cgn/") &&
    request.headers.get(functionKeyHeader) !== functionKey &&
    !mayPass(request)
      ? { status: 401, headers: new Headers(), body: "" }
      : passOn(request);

export interface LyingFront {
  readonly url: string;
  stop(): Promise<void>;
}

export const startLyingFront = async (serviceUrl: string, lie: Lie): Promise<LyingFront> => {
  const passOn: PassOn = async ({ method, path, headers, body }) => {
    const response = await fetch(serviceUrl + path, { method, headers, ...(body === "" ? {} : { body }) });
    return { status: response.status, headers: response.headers, body: await response.text() };
  };
  const server = createServer((incoming, outgoing) => {
    const answer = async (): Promise<void> => {
      const headers = new Headers();
      for (const [name, value] of Object.entries(incoming.headers)) {
        if (typeof value === "string" && !/^(host|connection|content-length|accept-encoding)$/.test(name)) {
          headers.set(name, value);
        }
      }
      const body = (await buffer(incoming)).toString();
      const { method = "GET", url: path = "/" } = incoming;
      const reply = await lie({ method, path, headers, body }, passOn);
      const passedOn = [...reply.headers].filter(
        ([name]) => !/^(content-length|connection|keep-alive|transfer-encoding)$/.test(name),
      );
      outgoing.writeHead(reply.status, Object.fromEntries(passedOn)).end(reply.body);
    };
    answer().catch(() => outgoing.destroy());
  });
  return { url: `http://127.0.0.1:${await listen(server, 0)}`, stop: () => close(server) };
};
