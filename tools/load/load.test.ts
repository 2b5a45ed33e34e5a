/** `npm run load` against a real local host, and against fronts of it that lie, refuse, fail or die. */
import { problemTypeBase } from "../../shared/http/problem";
import { startLyingFront, type FrontReply, type FrontRequest, type Lie } from "../support/lying-front";
import { startProgram, type Program } from "../support/processes";
import { readItems, startService, type Service } from "../support/service";
import { startSideBySide } from "../support/side-by-side";

type IsMeant = (request: FrontRequest) => boolean;
const isUse: IsMeant = ({ body }) => body.includes('"invalidate_otp":true');
const isAsk: IsMeant = ({ body }) => body.includes('"invalidate_otp":false');
const isGenerate: IsMeant = ({ path: address }) => address === "/api/v1/cgn/otp";
const isInfo: IsMeant = ({ path: address }) => address.endsWith("/info");

const honest: Lie = (request, passOn) => passOn(request);

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

const refuseKey: Lie = (request, passOn) => (isInfo(request) ? passOn(request) : reply(401));
const wrongKey = { FUNCTION_KEY: "wrong-key" };

const kept = /^No code was used twice, and no live code was refused\.$/m;
const usedTwice =
  /^BROKEN: 1 codes [^]*^ {2}A code of load-\w+-\d+ was used twice [^]*^ {4}not linearizable: /m;
const wrong = /^ {2}A code of load-\w+-\d+ was answered wrongly /m;
const [allContested, noneContested] = ["--contested 1", "--contested 0"];

/** What a run of a second sees: its exit code, and what it prints to either stream. */
const runs: readonly (readonly [
  sees: string,
  lie: Lie,
  args: string,
  code: number,
  prints: readonly RegExp[],
  settings?: Readonly<Record<string, string>>,
])[] = [
  ["a code used twice at once", grantTwice(), allContested, 1, [usedTwice]],
  ["a code used twice at the end", grantTwice(), noneContested, 1, [usedTwice]],
  ["a live code that has expired", refuseLive(isAsk, "otp-expired"), "", 1, [wrong]],
  ["a live code that is not found", refuseLive(isAsk, "otp-not-found"), "", 1, [wrong]],
  ["a live code refused as used", refuseLive(isUse, "otp-already-used"), noneContested, 1, [wrong]],
  ["a code that two beneficiaries got", issueTwice(), "--merchants 1", 1, [/was issued twice\.$/m]],
  [
    "failures, by their problem and with the wait that was asked for, and no broken promise",
    ...([fail(), "", 0] as const),
    [
      /generate: 503 service-unavailable, Retry-After up to 7 s +1$/m,
      /ask: 429 no problem of the contract +1$/m,
      kept,
    ],
  ],
  [
    "what became of a use whose answer was lost",
    ...([lose(), "--contested 0.5", 0, [/use: (UND_ERR_SOCKET|ECONNRESET) +\d+$/m, kept]] as const),
  ],
  ["a missing function key", refuseKey, "", 2, [/asks for its function key: set FUNCTION_KEY\.$/m]],
  ["a wrong function key", refuseKey, "", 2, [/FUNCTION_KEY is not a function key/], wrongKey],
  ["an unwell service", () => problem(503, "service-unavailable"), "", 2, [/says that it is unavailable/]],
  ["another service", () => reply(404, "<html>"), "", 2, [/not this service: \/api\/v1\/info gave 404/]],
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

const startLoad = (args: readonly string[], settings = {}): Program =>
  startProgram(["build/load.js", "--seconds", "1", "--rate", "20", ...args], settings);

describe("npm run load", () => {
  let service: Service;
  let ended: readonly Promise<Ended>[];
  /** Runs against a front, and does something at the first use. */
  const runThrough = async (
    lie: Lie,
    args: readonly string[],
    settings = {},
    atUse: (program: Program, stopFront: () => Promise<void>) => unknown = () => undefined,
  ): Promise<Ended> => {
    let isUsed = false;
    const front = await startLyingFront(service.baseUrl, (request, passOn) => {
      if (isUse(request) && !isUsed) {
        isUsed = true;
        atUse(program, () => front.stop());
      }
      return lie(request, passOn);
    });
    const program = startLoad(["--url", front.url, ...args], settings);
    return endOf(program).finally(() => front.stop().catch(() => undefined));
  };
  beforeAll(async () => {
    service = await startService();
    const tasks = runs.map(
      ([, lie, args, , , settings]) =>
        () =>
          runThrough(lie, args.split(" ").filter(Boolean), settings),
    );
    ended = startSideBySide(tasks, 4);
  });
  afterAll(async () => {
    await Promise.allSettled(ended);
    await service.stop();
  });

  it.each(runs.map(([sees, , , code, prints], index) => ({ sees, code, prints, index })))(
    "sees $sees",
    async ({ index, code, prints }) => {
      const run = await ended[index];
      expect(run).toMatchObject({ code });
      for (const text of prints) {
        expect(`${run?.output ?? ""}${run?.errors ?? ""}`).toMatch(text);
      }
      expect(run?.errors).not.toContain("wrong-key");
    },
  );

  it("starts a local host, finds every promise kept, and ends all of it", async () => {
    const { code, output } = await endOf(startLoad([]));
    expect(code).toBe(0);
    expect(output).toMatch(kept);
    expect(output).toMatch(/^generate +\d+ +0 +\d[^]*^ask +\d+ +0 +\d[^]*^use +\d+ +0 +\d/m);
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
    const { code, output, errors } = await runThrough(watch, args, { FUNCTION_KEY: "the-function-key" });
    expect(code).toBe(0);
    expect(output).toMatch(/^use from 6 sides +\d+ +0 +\d/m);
    expect(output).toMatch(/^The keys of the run's merchants are revoked\.$/m);
    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => (output + errors).includes(secret))).toEqual([]);
    expect(functionKeys).toEqual({ open: new Set([null]), closed: new Set(["the-function-key"]) });
    const items = (await readItems(service.apiKeys)).filter(({ id }) => merchantIds.has(id));
    expect(items).toHaveLength(3);
    expect(items.filter((item) => "primary" in item)).toEqual([]);
  });

  it("says which keys it left when the service dies", async () => {
    const args = ["--ramp", "0", "--merchants", "2"];
    const { code, output } = await runThrough(honest, args, {}, (_, stopFront) => void stopFront());
    expect(code).toBe(2);
    expect(output).toMatch(/generate: ECONNREFUSED +\d+$/m);
    expect(output).toMatch(/^Not revoked are the keys of load-\w+-1, load-\w+-2: /m);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("reports until %s, and revokes its keys", async (signal) => {
    const kill = ({ child }: Program): boolean => child.kill(signal);
    const { code, output } = await runThrough(honest, ["--seconds", "60"], {}, kill);
    expect(code).toBe(0);
    expect(output).toMatch(/It was ended early\.$/m);
    expect(output).toMatch(/^The keys of the run's merchants are revoked\.$/m);
  });

  it.each([
    [["--sides", "1"], /^--sides is malformed: [^]* \(npm run load -- --help\)\n$/],
    [["--url", "http://127.0.0.1:9"], /^Nothing answers at \S+ \(connection failed\)/m],
    [["--url", "https://cgn.example", "--merchants", "7"], /make 7 merchants there[^]*add --yes\.$/m],
  ])("does nothing, says why and ends with 2, with %j", async (args, text) => {
    const { code, output, errors } = await endOf(startLoad(args));
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(errors).toMatch(text);
  });
});
