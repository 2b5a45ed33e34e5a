/** `npm run load` against a real local host, and against fronts of it that lie, refuse, fail or die. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { close, listen } from "../../local/server";
import { problemTypeBase } from "../../shared/http/problem";
import { startProgram } from "../support/processes";
import type { Program } from "../support/processes";
import { readItems, startService } from "../support/service";
import type { Service } from "../support/service";

interface FrontRequest {
  readonly method: string;
  readonly path: string;
  readonly functionKey: string | undefined;
  readonly body: string;
  readonly isUse: boolean;
}

interface FrontAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a request itself, or forwards it and answers as it likes. */
type Decide = (
  request: FrontRequest,
  forward: () => Promise<FrontAnswer>,
) => Promise<FrontAnswer> | FrontAnswer;

interface Front {
  readonly origin: string;
  readonly server: Server;
  readonly requests: FrontRequest[];
}

const problem = (
  status: number,
  name: string,
  headers: Readonly<Record<string, string>> = {},
): FrontAnswer => ({
  status,
  headers,
  body: JSON.stringify({ type: problemTypeBase + name, title: "-", status, detail: "-" }),
});

let service: Service;
const fronts: Server[] = [];

const startFront = async (decide: Decide): Promise<Front> => {
  const requests: FrontRequest[] = [];
  const server = createServer((incoming, response) => {
    const handle = async (): Promise<void> => {
      const bytes = await buffer(incoming);
      const body = bytes.toString();
      const { method = "", url: requestPath = "", headers } = incoming;
      const request: FrontRequest = {
        method,
        path: requestPath,
        functionKey: headers["x-functions-key"]?.toString(),
        body,
        isUse: body.includes('"invalidate_otp":true'),
      };
      requests.push(request);
      const forward = async (): Promise<FrontAnswer> => {
        const kept = ["content-type", "ocp-apim-subscription-key", "idempotency-key"].flatMap((name) => {
          const value = headers[name];
          return typeof value === "string" ? [[name, value] as const] : [];
        });
        const answer = await fetch(service.baseUrl + requestPath, {
          method,
          headers: Object.fromEntries(kept),
          ...(bytes.length === 0 ? {} : { body }),
        });
        return { status: answer.status, body: await answer.text() };
      };
      const answer = await decide(request, forward);
      response.writeHead(answer.status, answer.headers).end(answer.body);
    };
    handle().catch(() => response.destroy());
  });
  fronts.push(server);
  return { origin: `http://127.0.0.1:${await listen(server, 0)}`, server, requests };
};

const startLoad = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Program =>
  startProgram(["build/load.js", ...args], environment);

const loadOf = (origin: string, ...args: string[]): string[] => [
  "--url",
  origin,
  "--seconds",
  "1",
  "--rate",
  "20",
  ...args,
];

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

const endOf = async (program: Program): Promise<Ended> => {
  const code = await program.ended;
  return { code, output: program.output(), errors: program.errors() };
};

describe("npm run load", () => {
  beforeAll(async () => {
    service = await startService();
  });
  afterEach(async () => {
    for (const server of fronts.splice(0).filter(({ listening }) => listening)) {
      await close(server);
    }
  });
  afterAll(async () => {
    await service.stop();
  });

  it("starts a local host, finds every promise kept, draws a plot, and ends all of it", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-load-"));
    const svg = path.join(folder, "plot.svg");
    const ended = await endOf(startLoad(["--seconds", "2", "--rate", "20", "--svg", svg]));
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.output).toMatch(/^No code was used twice, and no live code was refused\.$/m);
    expect(ended.output).toMatch(/^generate +\d+ +0 +\d/m);
    expect(ended.output).toMatch(/^ask +\d+ +0 +\d/m);
    expect(ended.output).toMatch(/^use +\d+ +0 +\d/m);
    expect(ended.output).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    expect(await readFile(svg, "utf8")).toMatch(/^<svg [^]*<polyline [^]*<\/svg>\n$/);
    await rm(folder, { recursive: true });
  });

  it("uses codes from several sides, revokes its keys, and prints no code, key or fiscal code", async () => {
    const secrets: string[] = [];
    const front = await startFront(async (request, forward) => {
      const answer = await forward();
      secrets.push(...(answer.body.match(/cgn_[\w-]+|"code":"\w{11}/g) ?? []));
      secrets.push(...(/otp\/(\w{16})$/.exec(request.path)?.slice(1) ?? []));
      return answer;
    });
    const ended = await endOf(
      startLoad(loadOf(front.origin, "--contested", "1", "--sides", "6", "--merchants", "3")),
    );
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.output).toMatch(/^use from 6 sides +\d+ +0 +\d/m);
    expect(secrets.length).toBeGreaterThan(10);
    expect(
      secrets.filter((secret) => (ended.output + ended.errors).includes(secret.replace(/^"code":"/, ""))),
    ).toEqual([]);
    const kept = await readItems(service.apiKeys);
    expect(kept.filter(({ id }) => id.startsWith("load-")).length).toBeGreaterThanOrEqual(3);
    expect(kept.filter((item) => "primary" in item)).toEqual([]);
  });

  it.each([
    ["one of several sides came second", ["--contested", "1"]],
    ["it is used once more at the end", ["--contested", "0"]],
  ])("sees a code used twice when %s, and ends with 1", async (_, args) => {
    let lies = 0;
    const front = await startFront(async (request, forward) => {
      const answer = await forward();
      if (request.isUse && answer.body.includes("otp-already-used") && lies === 0) {
        lies += 1;
        return {
          status: 200,
          body: JSON.stringify({ expires_at: new Date().toISOString(), discount_id: "load" }),
        };
      }
      return answer;
    });
    const ended = await endOf(startLoad(loadOf(front.origin, ...args)));
    expect({ code: ended.code, lies }).toEqual({ code: 1, lies: 1 });
    expect(ended.output).toMatch(/^BROKEN: 1 code /m);
    expect(ended.output).toMatch(
      /^ {2}A code of load-\w+-\d+ was used twice, [\d.]+ s after the start: answered 200, 200\.$/m,
    );
  });

  it.each([
    ["asked about", false, "otp-expired"],
    ["asked about", false, "otp-not-found"],
    ["used", true, "otp-already-used"],
  ])("sees a live code refused when it is %s, and ends with 1", async (_, isUse, name) => {
    let lies = 0;
    const front = await startFront((request, forward) => {
      if (request.path.endsWith("/validate") && request.isUse === isUse && lies === 0) {
        lies += 1;
        return problem(404, name);
      }
      return forward();
    });
    const ended = await endOf(startLoad(loadOf(front.origin, "--contested", "0")));
    expect({ code: ended.code, lies }).toEqual({ code: 1, lies: 1 });
    expect(ended.output).toMatch(new RegExp(`was refused while it was live, .* answered ${name}\\.$`, "m"));
  });

  it("sees a code that two beneficiaries got, and ends with 1", async () => {
    let first: FrontAnswer | undefined;
    const front = await startFront(async (request, forward) =>
      request.path.includes("/cgn/otp/") && !request.path.includes("merchant")
        ? (first ??= await forward())
        : forward(),
    );
    const ended = await endOf(startLoad(loadOf(front.origin, "--merchants", "1")));
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(/was issued twice/);
  });

  it("names failures by their problem, with the wait that was asked for, and does not call them broken promises", async () => {
    let generates = 0;
    let asks = 0;
    const front = await startFront((request, forward) => {
      if (/\/api-keys|\/info$/.test(request.path) || request.isUse) {
        return forward();
      }
      if (request.path.endsWith("/validate")) {
        asks += 1;
        return asks === 2 ? { status: 429, body: "" } : forward();
      }
      generates += 1;
      return generates === 3 ? problem(503, "service-unavailable", { "retry-after": "7" }) : forward();
    });
    const ended = await endOf(startLoad(loadOf(front.origin)));
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.output).toMatch(/generate: 503 service-unavailable, Retry-After up to 7 s +1$/m);
    expect(ended.output).toMatch(/ask: 429 no problem of the contract +1$/m);
    expect(ended.output).toMatch(/^No code was used twice, and no live code was refused\.$/m);
  });

  it("finds out what became of a use whose answer was lost", async () => {
    let lost = 0;
    const front = await startFront(async (request, forward) => {
      const answer = await forward();
      if (request.isUse && lost < 10) {
        lost += 1;
        throw new Error("lost");
      }
      return answer;
    });
    const ended = await endOf(startLoad(loadOf(front.origin, "--contested", "0.5")));
    expect({ code: ended.code, lost }).toEqual({ code: 0, lost: 10 });
    expect(ended.output).toMatch(/use: ECONNRESET +\d+$/m);
    expect(ended.output).not.toContain("Not known");
  });

  it("ends by itself when the service dies, says what is not known, and ends with 2", async () => {
    const front = await startFront((_, forward) => forward());
    const program = startLoad([
      "--url",
      front.origin,
      "--seconds",
      "60",
      "--rate",
      "40",
      "--ramp",
      "0",
      "--merchants",
      "2",
    ]);
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (front.requests.filter(({ isUse }) => isUse).length > 20) {
          clearInterval(look);
          resolve();
        }
      }, 20);
    });
    await close(front.server);
    const ended = await endOf(program);
    expect(ended.code).toBe(2);
    expect(ended.output).toMatch(/^It ended early, .* because nothing answered any more\.$/m);
    expect(ended.output).toMatch(/generate: ECONNREFUSED +\d+$/m);
    expect(ended.output).toMatch(/^Not revoked are the keys of load-\w+-1, load-\w+-2: /m);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "reports what happened until %s, and revokes its keys",
    async (signal) => {
      const front = await startFront((_, forward) => forward());
      const program = startLoad(["--url", front.origin, "--seconds", "600", "--rate", "20"]);
      await new Promise<void>((resolve) => {
        const look = setInterval(() => {
          if (front.requests.some(({ isUse }) => isUse)) {
            clearInterval(look);
            resolve();
          }
        }, 20);
      });
      program.child.kill(signal);
      const ended = await endOf(program);
      expect(ended).toMatchObject({ code: 0 });
      expect(ended.output).toMatch(/^It was ended early, after [\d.]+ s\.$/m);
      expect(ended.output).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    },
  );

  it("sends FUNCTION_KEY where a function key is asked for, and nowhere else", async () => {
    const front = await startFront((_, forward) => forward());
    const ended = await endOf(startLoad(loadOf(front.origin), { FUNCTION_KEY: "the-function-key" }));
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.output + ended.errors).not.toContain("the-function-key");
    const isPublic = (request: FrontRequest): boolean => /\/(validate|info)$/.test(request.path);
    for (const request of front.requests) {
      expect(request.functionKey).toBe(isPublic(request) ? undefined : "the-function-key");
    }
  });

  it.each([
    ["no function key", {}, /asks for its function key: set FUNCTION_KEY\.$/m],
    ["a wrong one", { FUNCTION_KEY: "wrong-key" }, /FUNCTION_KEY is not a function key of this service\.$/m],
  ])(
    "says what to do when a deployed service refuses it with %s, and ends with 2",
    async (_, environment, text) => {
      const front = await startFront((request, forward) =>
        request.path.endsWith("/info") ? forward() : { status: 401, body: "" },
      );
      const ended = await endOf(startLoad(loadOf(front.origin), environment));
      expect(ended.code).toBe(2);
      expect(ended.errors).toMatch(text);
      expect(ended.errors).not.toContain("wrong-key");
    },
  );

  it("says that nothing is there, that it is unwell or that it is something else, and ends with 2", async () => {
    const front = await startFront(() => problem(503, "service-unavailable"));
    expect((await endOf(startLoad(loadOf(front.origin)))).errors).toMatch(/says that it is unavailable/);
    const other = await startFront(() => ({ status: 404, body: "<html>" }));
    const ended = await endOf(startLoad(loadOf(other.origin)));
    expect(ended.errors).toMatch(/is not this service: \/api\/v1\/info gave 404/);
    await close(other.server);
    const unanswered = await endOf(startLoad(loadOf(other.origin)));
    expect(unanswered).toMatchObject({ code: 2, output: "" });
    expect(unanswered.errors).toMatch(/^Nothing answers at \S+ \(ECONNREFUSED\)/);
  });

  it("does nothing to a service on another machine before it is asked twice", async () => {
    const ended = await endOf(startLoad(["--url", "https://cgn.example", "--merchants", "7"]));
    expect(ended).toMatchObject({ code: 2, output: "" });
    expect(ended.errors).toMatch(/^- make 7 merchants there/m);
    expect(ended.errors).toMatch(/add --yes\.$/m);
  });
});
