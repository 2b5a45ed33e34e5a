/** `npm run load` against a real local host, and against fronts of it that lie, refuse, fail or die. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { problemTypeBase } from "../../shared/http/problem";
import { startLyingFront } from "../support/lying-front";
import type { FrontReply, FrontRequest, Lie, LyingFront } from "../support/lying-front";
import { startProgram } from "../support/processes";
import type { Program } from "../support/processes";
import { readItems, startService } from "../support/service";
import type { Service } from "../support/service";
import { startSideBySide } from "../support/side-by-side";

type IsMeant = (request: FrontRequest) => boolean;
const isUse: IsMeant = ({ body }) => body.includes('"invalidate_otp":true');
const isAsk: IsMeant = ({ body }) => body.includes('"invalidate_otp":false');
const isGenerate: IsMeant = ({ path: address }) => address.startsWith("/api/v1/cgn/otp/");
const isInfo: IsMeant = ({ path: address }) => address.endsWith("/info");

const reply = (status: number, body = "", headers: Record<string, string> = {}): FrontReply => ({
  status,
  headers: new Headers(headers),
  body,
});
const problem = (status: number, name: string, headers?: Record<string, string>): FrontReply =>
  reply(status, JSON.stringify({ type: problemTypeBase + name, title: "-", status, detail: "-" }), headers);

/** Lies about the first such requests, and only then. */
const lieTimes = (times: number, isMeant: IsMeant, lie: Lie): Lie => {
  let lies = 0;
  return (request, passOn) => (isMeant(request) && lies++ < times ? lie(request, passOn) : passOn(request));
};

/** Grants a use that came second. */
const grantTwice = (): Lie => {
  let lies = 0;
  return async (request, passOn) => {
    const answered = await passOn(request);
    return isUse(request) && answered.body.includes("otp-already-used") && lies++ === 0
      ? reply(200, JSON.stringify({ expires_at: new Date().toISOString(), discount_id: "load" }))
      : answered;
  };
};

/** Gives every beneficiary the code of the first. */
const issueTwice = (): Lie => {
  let first: Promise<FrontReply> | undefined;
  return (request, passOn) => (isGenerate(request) ? (first ??= passOn(request)) : passOn(request));
};

const refuseLive = (isMeant: IsMeant, name: string): Lie =>
  lieTimes(1, isMeant, () => Promise.resolve(problem(404, name)));

const fail = (): Lie => {
  const asks = lieTimes(1, isAsk, () => Promise.resolve(reply(429)));
  const generates = lieTimes(1, isGenerate, () =>
    Promise.resolve(problem(503, "service-unavailable", { "retry-after": "7" })),
  );
  return (request, passOn) => asks(request, (passed) => generates(passed, passOn));
};

const lose = (): Lie =>
  lieTimes(10, isUse, async (request, passOn) => {
    await passOn(request);
    throw new Error("lost");
  });

const refuseKey: Lie = (request, passOn) => (isInfo(request) ? passOn(request) : Promise.resolve(reply(401)));

interface Run {
  readonly name: string;
  readonly lie: Lie;
  readonly args?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  readonly code: number;
  /** What it prints, to either stream. */
  readonly prints: readonly RegExp[];
}

const kept = /^No code was used twice, and no live code was refused\.$/m;
const used = /^BROKEN: 1 code [^]*^ {2}A code of load-\w+-\d+ was used twice [^]*^ {4}not linearizable: /m;
const wrong = /^ {2}A code of load-\w+-\d+ was answered wrongly /m;
const contested = (part: string): readonly string[] => ["--contested", part];

/** Runs of a second, side by side. */
const runs: readonly Run[] = [
  {
    name: "sees a code used twice at once",
    lie: grantTwice(),
    args: contested("1"),
    code: 1,
    prints: [used],
  },
  {
    name: "sees a code used twice at the end",
    lie: grantTwice(),
    args: contested("0"),
    code: 1,
    prints: [used],
  },
  {
    name: "sees a live code that has expired",
    lie: refuseLive(isAsk, "otp-expired"),
    code: 1,
    prints: [wrong],
  },
  {
    name: "sees a live code that is not found",
    lie: refuseLive(isAsk, "otp-not-found"),
    code: 1,
    prints: [wrong],
  },
  {
    name: "sees a live code that nobody can have used refused as used",
    ...{ lie: refuseLive(isUse, "otp-already-used"), args: contested("0"), code: 1, prints: [wrong] },
  },
  {
    name: "sees a code that two beneficiaries got",
    ...{ lie: issueTwice(), args: ["--merchants", "1"], code: 1, prints: [/was issued twice\.$/m] },
  },
  {
    name: "names failures by their problem, with the wait that was asked for, and does not call them broken promises",
    ...{ lie: fail(), code: 0 },
    prints: [
      /generate: 503 service-unavailable, Retry-After up to 7 s +1$/m,
      /ask: 429 no problem of the contract +1$/m,
      kept,
    ],
  },
  {
    name: "finds out what became of a use whose answer was lost",
    ...{
      lie: lose(),
      args: contested("0.5"),
      code: 0,
      prints: [/use: (UND_ERR_SOCKET|ECONNRESET) +\d+$/m, kept],
    },
  },
  {
    name: "asks for the function key of a deployed service",
    ...{ lie: refuseKey, code: 2, prints: [/asks for its function key: set FUNCTION_KEY\.$/m] },
  },
  {
    name: "says that the function key is a wrong one",
    ...{ lie: refuseKey, settings: { FUNCTION_KEY: "wrong-key" }, code: 2 },
    prints: [/FUNCTION_KEY is not a function key of this service\.$/m],
  },
  {
    name: "says that the service is unwell",
    lie: () => Promise.resolve(problem(503, "service-unavailable")),
    ...{ code: 2, prints: [/says that it is unavailable/] },
  },
  {
    name: "says that something else answers",
    lie: () => Promise.resolve(reply(404, "<html>")),
    ...{ code: 2, prints: [/is not this service: \/api\/v1\/info gave 404/] },
  },
];

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

interface Endings {
  readonly dead: Ended;
  readonly stopped: readonly Ended[];
}

const endOf = async (program: Program): Promise<Ended> => {
  const code = await program.ended;
  return { code, output: program.output(), errors: program.errors() };
};

const startLoad = (args: readonly string[], settings = {}): Program =>
  startProgram(["build/load.js", "--seconds", "1", "--rate", "20", ...args], settings);

describe("npm run load", () => {
  let service: Service;
  let ended: readonly Promise<Ended>[];
  let endings: Promise<Endings>;
  const withFront = async <A>(lie: Lie, run: (front: LyingFront) => Promise<A>): Promise<A> => {
    const front = await startLyingFront(service.baseUrl, lie);
    return run(front).finally(() => front.stop());
  };
  /** Long runs: the service dies under one, and signals end the others. */
  const endEarly = async (): Promise<Endings> => {
    const begin = async (...args: string[]): Promise<{ front: LyingFront; program: Program }> => {
      const requests: FrontRequest[] = [];
      const front = await startLyingFront(service.baseUrl, (request, passOn) => {
        requests.push(request);
        return passOn(request);
      });
      const program = startLoad(["--url", front.url, "--seconds", "60", ...args]);
      while (!requests.some(isUse)) {
        await pause(20);
      }
      return { front, program };
    };
    const dying = await begin("--ramp", "0", "--merchants", "2");
    await dying.front.stop();
    const stopped: Ended[] = [];
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const { program, front } = await begin();
      program.child.kill(signal);
      stopped.push(await endOf(program));
      await front.stop();
    }
    return { dead: await endOf(dying.program), stopped };
  };
  beforeAll(async () => {
    service = await startService();
    const tasks = runs.map(
      ({ lie, args = [], settings }) =>
        () =>
          withFront(lie, ({ url }) => endOf(startLoad(["--url", url, ...args], settings))),
    );
    ended = startSideBySide(tasks, 4);
    endings = endEarly();
    // The tests that look at it fail. Until then nobody does.
    endings.catch(() => undefined);
  });
  afterAll(async () => {
    await Promise.allSettled([...ended, endings]);
    await service.stop();
  });

  it.each(runs.map((run, index) => ({ ...run, index })))("$name", async ({ index, code, prints }) => {
    const run = await ended[index];
    expect(run).toMatchObject({ code });
    for (const text of prints) {
      expect(`${run?.output ?? ""}${run?.errors ?? ""}`).toMatch(text);
    }
    expect(run?.errors).not.toContain("wrong-key");
  });

  it("starts a local host, finds every promise kept, draws a plot, and ends all of it", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "cgn-otp-load-"));
    const svg = path.join(folder, "plot.svg");
    const { code, output } = await endOf(startLoad(["--svg", svg]));
    expect(code).toBe(0);
    expect(output).toMatch(kept);
    expect(output).toMatch(/^generate +\d+ +0 +\d[^]*^ask +\d+ +0 +\d[^]*^use +\d+ +0 +\d/m);
    expect(output).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    const drawn = await readFile(svg, "utf8");
    expect(drawn).toMatch(/^<svg [^]*purchases due[^]*p99[^]*90 %[^]*http:\/\/127[^]*<\/svg>$/);
    expect(drawn).not.toMatch(/NaN|undefined/);
    await rm(folder, { recursive: true });
  });

  it("uses codes from several sides, revokes its keys, sends FUNCTION_KEY only where it is asked for, and prints no secret", async () => {
    const secrets = ["the-function-key"];
    const merchantIds = new Set<string>();
    const functionKeys = { open: new Set<unknown>(), closed: new Set<unknown>() };
    const watch: Lie = async (request, passOn) => {
      const answered = await passOn(request);
      secrets.push(...(answered.body.match(/cgn_[\w-]+|(?<="code":")\w{11}/g) ?? []));
      secrets.push(...(/otp\/(\w{16})$/.exec(request.path)?.slice(1) ?? []));
      merchantIds.add(/merchants\/([\w-]+)/.exec(request.path)?.[1] ?? "");
      const isOpen = isUse(request) || isAsk(request) || isInfo(request);
      functionKeys[isOpen ? "open" : "closed"].add(request.headers.get("x-functions-key"));
      return answered;
    };
    const args = ["--contested", "1", "--sides", "6", "--merchants", "3"];
    const settings = { FUNCTION_KEY: "the-function-key" };
    const { code, output, errors } = await withFront(watch, ({ url }) =>
      endOf(startLoad(["--url", url, ...args], settings)),
    );
    expect(code).toBe(0);
    expect(output).toMatch(/^use from 6 sides +\d+ +0 +\d/m);
    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => (output + errors).includes(secret))).toEqual([]);
    expect(functionKeys).toEqual({ open: new Set([null]), closed: new Set(["the-function-key"]) });
    const items = (await readItems(service.apiKeys)).filter(({ id }) => merchantIds.has(id));
    expect(items).toHaveLength(3);
    expect(items.filter((item) => "primary" in item)).toEqual([]);
  });

  it("ends by itself when the service dies", async () => {
    const { code, output } = (await endings).dead;
    expect(code).toBe(2);
    expect(output).toMatch(/^It ended early, .* because nothing answered any more\.$/m);
    expect(output).toMatch(/generate: ECONNREFUSED +\d+$/m);
    expect(output).toMatch(/^Not revoked are the keys of load-\w+-1, load-\w+-2: /m);
  });

  it("reports what happened until SIGINT or SIGTERM, and revokes its keys", async () => {
    const { stopped } = await endings;
    for (const { code, output } of stopped) {
      expect(code).toBe(0);
      expect(output).toMatch(/^It was ended early, after [\d.]+ s\.$/m);
      expect(output).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    }
  });

  it.each([
    [["--users", "5"], /^Unknown option '--users' \(npm run load -- --help\)\n$/],
    [["--url", "http://127.0.0.1:9"], /^Nothing answers at \S+ \(connection failed\)/m],
    [["--url", "https://cgn.example", "--merchants", "7"], /^- make 7 merchants there[^]*add --yes\.$/m],
  ])("does nothing, says why and ends with 2, with %j", async (args, text) => {
    const { code, output, errors } = await endOf(startLoad(args));
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(errors).toMatch(text);
  });
});
