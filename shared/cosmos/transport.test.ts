import {
  createHttpHeaders,
  createPipelineRequest,
  type HttpClient,
  type HttpMethods,
  type PipelineRequest,
} from "@azure/core-rest-pipeline";
import { setTimeout as pause } from "node:timers/promises";
import { UnknownAccount } from "./account-watch";
import type { Usefulness } from "./regions";
import { failWith, makeReadable, noAnswer, withRegions } from "./transport";

const patienceMs = 100;

interface Answer {
  readonly status: number;
  readonly substatus?: number;
  readonly body?: string;
  readonly isForeign?: boolean;
}

const answering = ({ status, substatus, body = "{}", isForeign = false }: Answer): HttpClient => ({
  sendRequest: (request) =>
    Promise.resolve({
      request,
      status,
      headers: createHttpHeaders({
        ...(substatus === undefined ? {} : { "x-ms-substatus": String(substatus) }),
        ...(isForeign ? {} : { "x-ms-activity-id": "1" }),
      }),
      bodyAsText: body,
    }),
});

const failing = (error: (request: PipelineRequest) => Error, afterMs = 0): HttpClient => ({
  sendRequest: async (request) => {
    await pause(afterMs);
    throw error(request);
  },
});

const makeRequest = (method: HttpMethods = "GET", abortSignal?: AbortSignal): PipelineRequest =>
  createPipelineRequest({
    url: "https://account.test/dbs/cgn?one=1",
    method,
    ...(abortSignal === undefined ? {} : { abortSignal }),
  });

interface Situation {
  readonly ready?: () => Promise<void>;
  readonly writeRegion?: string | undefined;
}

/** Requests on their way to regions, and what is noted of these. */
const startRegions = (inner: HttpClient, { ready, ...situation }: Situation = {}) => {
  const noted: [string, boolean, Usefulness][] = [];
  let doubts = 0;
  const client = withRegions(
    {
      regions: {
        follow: () => undefined,
        failedWriteAt: () => undefined,
        forAccount: () => [],
        forRead: () => "https://read.test",
        countForRead: () => 1,
        forWrite: () => ("writeRegion" in situation ? situation.writeRegion : "https://write.test"),
        note: (endpoint, isWrite, usefulness) => noted.push([endpoint, isWrite, usefulness]),
      },
      watch: {
        ready: ready ?? (() => Promise.resolve()),
        doubt: () => {
          doubts += 1;
        },
        read: () => Promise.reject(new Error("not in this test")),
        stop: () => undefined,
      },
      patienceMs,
    },
    inner,
  );
  return { client, noted, doubts: () => doubts };
};

describe("an answer of a region", () => {
  it.each<[Usefulness, readonly Answer[]]>([
    ["useful", [200, 201, 207, 404, 409, 412, 413].map((status) => ({ status }))],
    ["passing", [{ status: 404, substatus: 1002 }, ...[408, 410, 429, 449].map((status) => ({ status }))]],
    [
      "useless",
      [
        ...[204, 302, 400, 401, 403, 500, 502, 503, 504].map((status) => ({ status })),
        ...[1003, 3].map((substatus) => ({ status: 404, substatus })),
        { status: 403, substatus: 5300 },
      ],
    ],
  ])("is %s by its status, and doubts the account only if it is useless", async (usefulness, answers) => {
    for (const answer of answers) {
      const { client, noted, doubts } = startRegions(answering(answer));
      expect((await client.sendRequest(makeRequest())).status).toBe(answer.status);
      expect([answer, noted]).toEqual([answer, [["https://read.test", false, usefulness]]]);
      expect([answer, doubts()]).toEqual([answer, usefulness === "useless" ? 1 : 0]);
    }
  });

  it.each([
    [3, "read-only"],
    [1008, "useless"],
  ] as const)("403/%s sends the request away, and doubts the account", async (substatus, usefulness) => {
    const { client, noted, doubts } = startRegions(answering({ status: 403, substatus }));
    await expect(client.sendRequest(makeRequest("POST"))).rejects.toMatchObject({ code: `403/${substatus}` });
    expect([noted, doubts()]).toEqual([[["https://write.test", true, usefulness]], 1]);
  });
});

describe("a request", () => {
  it.each([
    ["GET", "https://read.test/dbs/cgn?one=1"],
    ["PUT", "https://write.test/dbs/cgn?one=1"],
  ] as const)("%s goes to its region, with its path and query", async (method, url) => {
    const { client } = startRegions(answering({ status: 200 }));
    expect((await client.sendRequest(makeRequest(method))).request.url).toBe(url);
  });

  it("that writes is not sent while several regions may take it", async () => {
    const inner = { sendRequest: jest.fn() };
    const { client, noted } = startRegions(inner, { writeRegion: undefined });
    await expect(client.sendRequest(makeRequest("POST"))).rejects.toMatchObject({
      code: "several write regions",
    });
    expect([inner.sendRequest.mock.calls, noted]).toEqual([[], []]);
  });

  it.each<[string, () => Promise<void>]>([
    ["the account (no answer in time)", () => Promise.reject(new UnknownAccount(undefined))],
    ["the account (429)", () => Promise.reject(new UnknownAccount({ code: 429 }))],
    ["the account (no answer in time)", () => Promise.reject(new Error("aborted"))],
  ])("is not sent without a description of the account: %s", async (code, ready) => {
    const { client, noted } = startRegions(answering({ status: 200 }), { ready });
    await expect(client.sendRequest(makeRequest())).rejects.toMatchObject({ code });
    expect(noted).toEqual([]);
  });

  it("that is not answered is the region's fault", async () => {
    const lost = failing((request) => failWith("ECONNRESET", request));
    const { client, noted, doubts } = startRegions(lost);
    await expect(client.sendRequest(makeRequest())).rejects.toMatchObject({ code: "ECONNRESET" });
    expect([noted, doubts()]).toEqual([[["https://read.test", false, "useless"]], 1]);
  });

  it.each([
    [0, 0],
    [0.8 * patienceMs, 1],
  ])("that its caller gave up after %s ms is noted %s times", async (afterMs, times) => {
    const { client, noted } = startRegions(failing(() => new Error("aborted"), afterMs));
    await expect(client.sendRequest(makeRequest("GET", AbortSignal.abort()))).rejects.toThrow("aborted");
    expect(noted).toHaveLength(times);
  });
});

describe("what the SDK is given to read", () => {
  const read = (answer: Answer) => makeReadable(answering(answer)).sendRequest(makeRequest());

  it.each([200, 204, 302, 404])("is no %s of another program", async (status) => {
    await expect(read({ status, isForeign: true })).rejects.toMatchObject({
      code: `${status} of another program`,
    });
    expect((await read({ status, body: "" })).status).toBe(status);
  });

  it.each([400, 401, 403, 429, 500, 503])("is the %s of any program", async (status) => {
    expect((await read({ status, isForeign: true })).status).toBe(status);
  });

  it.each(["", "<html>", "null", "1", '"text"'])(
    "is an object, where an error has the body %j",
    async (body) => {
      expect((await read({ status: 400, body })).bodyAsText).toBe("{}");
      expect((await read({ status: 200, body })).bodyAsText).toBe(body);
    },
  );

  it("is the body of an error that is an object", async () => {
    expect((await read({ status: 400, body: '{"code":1}' })).bodyAsText).toBe('{"code":1}');
  });

  it.each([
    ["ECONNRESET", "lost connection (ECONNRESET)"],
    ["EPIPE", "lost connection (EPIPE)"],
    ["ENOTFOUND", "no address (ENOTFOUND)"],
    ["ECONNREFUSED", "ECONNREFUSED"],
  ])("is not %s, which it would send again, but in our words", async (code, words) => {
    const client = makeReadable(failing((request) => failWith(code, request)));
    await expect(client.sendRequest(makeRequest())).rejects.toMatchObject({ code: words });
  });

  it("is in our words that the request was given up, and any other error as it is", async () => {
    const aborted = makeReadable(failing(() => Object.assign(new Error("aborted"), { name: "AbortError" })));
    await expect(aborted.sendRequest(makeRequest())).rejects.toMatchObject({ code: noAnswer });
    const broken = makeReadable(failing(() => new TypeError("a bug")));
    await expect(broken.sendRequest(makeRequest())).rejects.toThrow(TypeError);
  });
});
