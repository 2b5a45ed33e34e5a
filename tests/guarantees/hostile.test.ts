import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { problemTypeBase } from "../../shared/http/problem";
import { startService, type Service } from "../../tools/support/service";
import { hostileRequests, type HostileRequest } from "./hostile-requests";

/** A host to ask instead of the local one: `HOSTILE_URL=http://127.0.0.1:… npx jest tests/guarantees/hostile`. */
const otherHost = process.env["HOSTILE_URL"];

/** Node's parser refuses these with 400. The platform does not, but no client sends them by mistake. */
const differences = ["a method in small letters", "an unknown method"];

describe("a hostile request", () => {
  let service: Service;
  let answers: ReadonlyMap<string, readonly string[]>;
  beforeAll(async () => {
    service = await startService();
    const url = new URL(otherHost ?? service.baseUrl);
    answers = new Map(
      await Promise.all(
        hostileRequests.map(async (request) => [request.name, await send(url, request)] as const),
      ),
    );
  });
  afterAll(async () => {
    await service.stop();
  });

  it.each(hostileRequests)(
    "$name: the local host answers as the platform does, unless Node's parser refuses it",
    ({ name, answers: recorded }) => {
      if (otherHost === undefined && differences.includes(name)) {
        expect(answers.get(name)).not.toEqual(recorded);
      } else {
        expect(answers.get(name)).toEqual(recorded);
      }
    },
  );

  it("has a unique name", () => {
    expect(answers.size).toBe(hostileRequests.length);
    expect(differences.filter((name) => !answers.has(name))).toEqual([]);
  });

  it("leaves nothing of itself in the log", () => {
    expect(service.log.map(({ text }) => text).join("\n")).not.toMatch(
      /negozio|AAAAAAAAAAA|AAAAAA00A00A000A/,
    );
  });

  it("apart: an idle connection stays open as long as on Kestrel", async () => {
    const { headers } = await service.info();
    expect(headers.get("keep-alive")).toBe("timeout=130");
  });
});

/** A connection that nobody closes is a finding too, so the test waits no longer than this. */
const patienceMs = 15_000;

/** Writes a request to a socket of its own, and reads the answers: none if the host closed the connection without one. */
const send = async (
  baseUrl: URL,
  { name, parts: [first = "", second] }: HostileRequest,
): Promise<readonly string[]> => {
  const socket = connect({ port: Number(baseUrl.port), host: baseUrl.hostname });
  await once(socket, "connect");
  const received = receive(socket, name);
  await new Promise((resolve) => socket.write(first, "latin1", resolve));
  if (second !== undefined) {
    await Promise.race([once(socket, "data"), received]);
    socket.write(second, "latin1");
  }
  return readAnswers(await received);
};

/** Resolves when the other side has ended, even by a reset: all that it answered comes before the reset. */
const receive = (socket: Socket, name: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`${name}: the connection is still open after ${patienceMs} ms`));
    }, patienceMs);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
  });

const readAnswers = (received: Buffer): readonly string[] => {
  const answers: string[] = [];
  let rest = received.toString("latin1");
  // An HTTP/2 frame begins with the first byte of its length. That is no answer for a client that speaks HTTP/1.1.
  while (rest !== "" && !rest.startsWith("\0")) {
    const [, head, behind] = /^([^]*?\r\n)\r\n([^]*)$/.exec(rest) ?? [];
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head ?? "")?.[1]);
    if (head === undefined || behind === undefined || Number.isNaN(status)) {
      throw new Error(`not an answer: ${JSON.stringify(rest.slice(0, 200))}`);
    }
    const { body, length } = status < 200 ? { body: "", length: 0 } : readBody(head, behind);
    rest = behind.slice(length);
    const [, problem] = new RegExp(`"type":"${problemTypeBase}([a-z-]+)"`).exec(body) ?? [];
    const parts = [status, readHeader(head, "content-type"), problem, body === "" && "empty"];
    answers.push(parts.filter(Boolean).join(" "));
  }
  return answers;
};

const readHeader = (head: string, name: string): string | null =>
  new RegExp(`\\r\\n${name}: *(.*)\\r\\n`, "i").exec(head)?.[1] ?? null;

/** The body of an answer, and how many bytes it takes. */
const readBody = (head: string, behind: string): { readonly body: string; readonly length: number } => {
  if (readHeader(head, "transfer-encoding") === null) {
    const length = Number(readHeader(head, "content-length") ?? behind.length);
    return { body: behind.slice(0, length), length };
  }
  let body = "";
  for (let at = 0; ;) {
    const end = behind.indexOf("\r\n", at);
    const size = parseInt(behind.slice(at, end), 16);
    if (end === -1 || Number.isNaN(size)) {
      throw new Error("an answer's chunks are cut off");
    }
    at = end + 2 + size + 2;
    body += behind.slice(end + 2, end + 2 + size);
    if (size === 0) {
      return { body, length: at };
    }
  }
};
