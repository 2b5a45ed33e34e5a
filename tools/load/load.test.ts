/** `npm run load` against a real local host, and against fronts of it that lie, refuse, fail or die. */
import { parseArgs } from "node:util";
import { problemTypeBase } from "../../shared/http/problem";
import { right } from "../support/either";
import {
  askForFunctionKey,
  honest,
  isAsk,
  isGenerate,
  isUse,
  startLyingFront,
  type FrontReply,
  type FrontRequest,
  type Lie,
} from "../support/lying-front";
import { startProgram, type Program } from "../support/processes";
import { readItems, startService, type Service } from "../support/service";
import { startSideBySide } from "../support/side-by-side";
import { decodeOptions, program as ourProgram, type LoadArguments } from "./options";
import { describeResult, exitCodeOf } from "./report";
import { run } from "./run";

type IsMeant = (request: FrontRequest) => boolean;

const reply = (status: number, body = "", headers: Record<string, string> = {}): Promise<FrontReply> =>
  Promise.resolve({ status, headers: new Headers(headers), body });
const problem = (status: number, name: string, headers?: Record<string, string>): Promise<FrontReply> =>
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

const refuseLive = (isMeant: IsMeant, name: string): Lie => lieTimes(1, isMeant, () => problem(404, name));

const fail = (): Lie => {
  const asks = lieTimes(1, isAsk, () => reply(429));
  const generates = lieTimes(1, isGenerate, () =>
    problem(503, "service-unavailable", { "retry-after": "7" }),
  );
  return (request, passOn) => asks(request, (passed) => generates(passed, passOn));
};

const lose = (): Lie =>
  lieTimes(10, isUse, async (request, passOn) => {
    await passOn(request);
    throw new Error("lost");
  });

const closed = askForFunctionKey("a-key");

const kept = /^No code was used twice, and no live code was refused\.$/m;
const usedTwice =
  /^BROKEN: 1 codes [^]*^ {2}A code of load-\w+-\d+ was used twice [^]*^ {4}not linearizable: /m;
const wrong = /^ {2}A code of load-\w+-\d+ was answered wrongly /m;
const [allContested, noneContested] = [{ contested: "1" }, { contested: "0" }];

type Given = Partial<LoadArguments>;

/** What a run of a second sees: its exit code, and what it reports. */
const runs: readonly (readonly [
  sees: string,
  lie: Lie,
  given: Given,
  code: number,
  reports: readonly RegExp[],
  functionKey?: string,
])[] = [
  ["a code used twice at once", grantTwice(), allContested, 1, [usedTwice]],
  ["a code used twice at the end", grantTwice(), noneContested, 1, [usedTwice]],
  ["a live code that has expired", refuseLive(isAsk, "otp-expired"), {}, 1, [wrong]],
  ["a live code refused as used", refuseLive(isUse, "otp-already-used"), noneContested, 1, [wrong]],
  ["a code that two beneficiaries got", issueTwice(), { merchants: "1" }, 1, [/was issued twice\.$/m]],
  [
    "failures, by their problem and with the wait that was asked for, and no broken promise",
    ...([fail(), {}, 0] as const),
    [
      /generate: 503 service-unavailable, Retry-After up to 7 s +\d+$/m,
      /ask: 429 no problem of the contract +\d+$/m,
      kept,
    ],
  ],
  [
    "what became of a use whose answer was lost",
    ...([lose(), { contested: "0.5" }, 0, [/use: (UND_ERR_SOCKET|ECONNRESET) +\d+$/m, kept]] as const),
  ],
  ["a missing function key", closed, {}, 2, [/asks for its function key: set FUNCTION_KEY\.$/m]],
  ["a wrong function key", closed, {}, 2, [/^FUNCTION_KEY is not a function key/], "wrong-key"],
  ["an unwell service", () => problem(503, "service-unavailable"), {}, 2, [/says that it is unavailable/]],
  ["another service", () => reply(404, "<html>"), {}, 2, [/not this service: \/api\/v1\/info gave 404/]],
];

interface Seen {
  readonly code: number | null;
  readonly text: string;
}

const usual = { ...parseArgs({ options: ourProgram.options, args: [] }).values, seconds: "1" };

/** A run as the command makes it, without a process of its own. */
const runAt = async (origin: string, given: Given, functionKey?: string): Promise<Seen> => {
  const phases: string[] = [];
  const result = await run({
    ...{ origin, functionKey, options: right(decodeOptions({ ...usual, ...given })) },
    stop: new AbortController().signal,
    onProgress: () => undefined,
    onPhase: (phase) => phases.push(phase),
  });
  return "reason" in result
    ? { code: 2, text: result.reason }
    : { code: exitCodeOf(result), text: [...phases, describeResult(result)].join("\n") };
};

describe("npm run load", () => {
  let service: Service;
  let seen: readonly Promise<Seen>[];
  /** Does something at a front, and something else at its first use. */
  const withFront = async <A>(
    lie: Lie,
    act: (url: string) => Promise<A>,
    atUse: (stopFront: () => Promise<void>) => unknown = () => undefined,
  ): Promise<A> => {
    let isUsed = false;
    const front = await startLyingFront(service.baseUrl, (request, passOn) => {
      if (isUse(request) && !isUsed) {
        isUsed = true;
        atUse(() => front.stop());
      }
      return lie(request, passOn);
    });
    return act(front.url).finally(() => front.stop().catch(() => undefined));
  };
  beforeAll(async () => {
    service = await startService();
    const tasks = runs.map(
      ([, lie, given, , , functionKey]) =>
        () =>
          withFront(lie, (url) => runAt(url, given, functionKey)),
    );
    seen = startSideBySide(tasks, 4);
  });
  afterAll(async () => {
    await Promise.allSettled(seen);
    await service.stop();
  });

  it.each(runs.map(([sees, , , code, reports], index) => ({ sees, code, reports, index })))(
    "sees $sees",
    async ({ index, code, reports }) => {
      const one = await seen[index];
      expect(one).toMatchObject({ code });
      for (const text of reports) {
        expect(one?.text).toMatch(text);
      }
    },
  );

  it("uses codes from several sides, revokes its keys, sends the function key only where it is asked for, and reports no secret", async () => {
    const secrets = ["the-function-key"];
    const merchantIds = new Set<string>();
    const functionKeys = { open: new Set<unknown>(), closed: new Set<unknown>() };
    const watch: Lie = async (request, passOn) => {
      const answered = await passOn(request);
      secrets.push(...(answered.body.match(/cgn_[\w-]+|(?<="code":")\w{11}/g) ?? []));
      secrets.push(...(/otp\/(\w{16})$/.exec(request.path)?.slice(1) ?? []));
      merchantIds.add(/merchants\/([\w-]+)/.exec(request.path)?.[1] ?? "");
      const isOpen = isUse(request) || isAsk(request) || request.path.endsWith("/info");
      functionKeys[isOpen ? "open" : "closed"].add(request.headers.get("x-functions-key"));
      return answered;
    };
    const given = { contested: "1", sides: "6", merchants: "3" };
    const { code, text } = await withFront(watch, (url) => runAt(url, given, "the-function-key"));
    expect(code).toBe(0);
    expect(text).toMatch(/^use from 6 sides +\d+ +\d+ +\d/m);
    expect(text).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    expect(functionKeys).toEqual({ open: new Set([null]), closed: new Set(["the-function-key"]) });
    const items = (await readItems(service.apiKeys)).filter(({ id }) => merchantIds.has(id));
    expect(items).toHaveLength(3);
    expect(items.filter((item) => "primary" in item)).toEqual([]);
  });

  it("says which keys it left when the service dies", async () => {
    const given = { ramp: "0", merchants: "2" };
    const { code, text } = await withFront(
      honest,
      (url) => runAt(url, given),
      (stopFront) => void stopFront(),
    );
    expect(code).toBe(2);
    expect(text).toMatch(/generate: ECONNREFUSED +\d+$/m);
    expect(text).toMatch(/^Not revoked are the keys of load-\w+-1, load-\w+-2: /m);
  });

  describe("on the command line", () => {
    const start = (args: readonly string[], settings = {}): Program =>
      startProgram(["build/load.js", ...args], settings);

    it("starts a local host, finds every promise kept, and ends all of it", async () => {
      const program = start(["--seconds", "1"]);
      expect(await program.ended).toBe(0);
      expect(program.output()).toMatch(kept);
      expect(program.output()).toMatch(/^generate( +[\d.]+){7}\nask( +[\d.]+){7}\nuse( +[\d.]+){7}$/m);
    });

    it("takes the function key from the environment, reports until Ctrl-C, and revokes its keys", async () => {
      let kill = (): unknown => undefined;
      const run60 = async (url: string): Promise<Seen> => {
        const program = start(["--url", url, "--seconds", "60"], { FUNCTION_KEY: "a-key" });
        kill = () => program.child.kill("SIGINT");
        return { code: await program.ended, text: program.output() };
      };
      const { code, text } = await withFront(closed, run60, () => kill());
      expect(code).toBe(0);
      expect(text).toMatch(/It was ended early\.$/m);
      expect(text).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    });

    it.each([
      [["--sides", "1"], /^--sides is malformed: [^]* \(npm run load -- --help\)\n$/],
      [["--url", "http://127.0.0.1:9"], /^Nothing answers at \S+ \(connection failed\)/m],
      [["--url", "https://cgn.example", "--merchants", "7"], /make 7 merchants there[^]*add --yes\.$/m],
    ])("does nothing, says why and ends with 2, with %j", async (args, text) => {
      const program = start(args);
      expect([await program.ended, program.output()]).toEqual([2, ""]);
      expect(program.errors()).toMatch(text);
    });
  });
});
