/** `npm run verify` holds with the service, and with no front that breaks a promise. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { ApiKeyBody } from "../../shared/http/bodies";
import { contractChecks } from "./contract-checks";
import { approach, verify, type Options, type Verdict } from "./verification";
import { decode } from "../support/either";
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
import { startInstance, startService, type Instance, type Service } from "../support/service";

const isValidate = (request: FrontRequest): boolean => isAsk(request) || isUse(request);
const isKeys = ({ path }: FrontRequest): boolean => path.includes("/api-keys");
const isRegenerate = (request: FrontRequest): boolean => request.method === "POST" && isKeys(request);
const codeOf = ({ body }: FrontRequest): string => /"otp_code":"(\w*)"/.exec(body)?.[1] ?? "";

const with_ = (request: FrontRequest, header: string, value: string | undefined): FrontRequest => {
  const headers = new Headers(request.headers);
  if (value === undefined) {
    headers.delete(header);
  } else {
    headers.set(header, value);
  }
  return { ...request, headers };
};
const validation = (request: FrontRequest, code: string, invalidate: boolean): FrontRequest => ({
  ...request,
  body: JSON.stringify({ otp_code: code, invalidate_otp: invalidate }),
});
const apiKeyHeader = "ocp-apim-subscription-key";

const asking =
  (change: (request: FrontRequest) => FrontRequest): Lie =>
  (request, passOn) =>
    passOn(change(request));
const answering =
  (change: (request: FrontRequest, reply: FrontReply) => FrontReply): Lie =>
  async (request, passOn) =>
    change(request, await passOn(request));
const rewrite = (reply: FrontReply, from: string | RegExp, to: string): FrontReply => ({
  ...reply,
  body: reply.body.replace(from, to),
});
/** Tells another code than the live one. */
const tellAnotherCode = (isMeant: (request: FrontRequest) => boolean): Lie =>
  answering((request, reply) =>
    isGenerate(request) && isMeant(request) && reply.status === 409
      ? rewrite(reply, /"code":"[A-Z0-9]{11}"/, '"code":"AAAAAAAAAAA"')
      : reply,
  );
/** Answers a request as it answered the first with the same `name` while that was under way. */
const shareAnswers = (name: (request: FrontRequest) => string | undefined): Lie => {
  const underWay = new Map<string, Promise<FrontReply>>();
  return (request, passOn) => {
    const of = name(request);
    const shared = underWay.get(of ?? "") ?? passOn(request).finally(() => underWay.delete(of ?? ""));
    if (of !== undefined) {
      underWay.set(of, shared);
    }
    return shared;
  };
};

/** For each promise, a front that breaks it. Most are mistakes that a gateway, a cache or a rewrite could make. */
const lies: Readonly<Record<string, () => Lie>> = {
  "GenerateOtp issues a code, and tells the live one to whoever asks again": () =>
    tellAnotherCode(({ path }) => path.endsWith("/otp")),
  "GenerateOtp with the fiscal code in the path is the same call, or does not exist": () =>
    tellAnotherCode(({ path }) => !path.endsWith("/otp")),
  "GenerateOtp refuses a bad fiscal code, a bad body and a large one": () =>
    asking((request) =>
      isGenerate(request) && request.body.length > 4096 ? { ...request, body: "{}" } : request,
    ),
  "ValidateOtp answers a question without using the code": () => async (request, passOn) => {
    const reply = await passOn(request);
    if (isAsk(request) && reply.status === 200) {
      await passOn(validation(request, codeOf(request), true));
    }
    return reply;
  },
  "ValidateOtp uses a code once, and says when": () => {
    const used = new Map<string, FrontReply>();
    return answering((request, reply) => {
      if (isUse(request) && reply.status === 200) {
        used.set(codeOf(request), reply);
      }
      return isUse(request) ? (used.get(codeOf(request)) ?? reply) : reply;
    });
  },
  "ValidateOtp repeats its answer to the same Idempotency-Key, and to no other": () =>
    asking((request) => (isValidate(request) ? with_(request, "idempotency-key", undefined) : request)),
  "ValidateOtp cannot be told whether a code is another merchant's": () => {
    const codes = new Set<string>();
    return answering((request, reply) => {
      if (isGenerate(request)) {
        codes.add(/[A-Z0-9]{11}/.exec(reply.body)?.[0] ?? "");
      }
      return isAsk(request) && reply.status === 404 && codes.has(codeOf(request))
        ? rewrite(reply, '"detail":"', '"detail":"Attenzione. ')
        : reply;
    });
  },
  "ValidateOtp refuses a bad code, a bad body and a large one": () =>
    asking((request) =>
      isValidate(request) && codeOf(request) === "short"
        ? validation(request, "AAAAAAAAAAA", false)
        : request,
    ),
  "ValidateOtp refuses a key that is missing, malformed or unknown, with a challenge": () => {
    let apiKey: string | undefined;
    return async (request, passOn) => {
      const reply = await passOn(isValidate(request) ? with_(request, apiKeyHeader, apiKey) : request);
      if (isRegenerate(request) && reply.status === 200) {
        apiKey = decode(ApiKeyBody, JSON.parse(reply.body)).api_key;
      }
      return reply;
    };
  },
  "ValidateOtp answers the test codes to a test key, uses none up, and keeps them from the others": () => {
    const used = new Set<string>();
    return asking((request) => {
      const isTest = isValidate(request) && codeOf(request) === "TESTLIVE000";
      const key = request.headers.get(apiKeyHeader) ?? "";
      const isOver = isTest && used.has(key);
      if (isTest && isUse(request)) {
        used.add(key);
      }
      return isOver ? validation(request, "TESTUSED000", false) : request;
    });
  },
  "RegenerateApiKey replaces one key at once, and leaves the others": () => {
    // An answer about a key that is kept for a while.
    const answers = new Map<string, FrontReply>();
    return answering((request, reply) => {
      const name = `${request.headers.get(apiKeyHeader) ?? ""} ${request.body}`;
      if (isAsk(request) && reply.status === 404) {
        answers.set(name, reply);
      }
      return isAsk(request) ? (answers.get(name) ?? reply) : reply;
    });
  },
  "RegenerateApiKey tells the same call again its key, and refuses it once that is over": () =>
    asking((request) => (isRegenerate(request) ? with_(request, "idempotency-key", undefined) : request)),
  "ListApiKeys tells which keys are in force, in order, and none of them": () =>
    answering((request, reply) =>
      request.method === "GET" && isKeys(request)
        ? rewrite(reply, /"hint":"[0-9a-f]{4}"/, '"hint":"0000"')
        : reply,
    ),
  "RevokeApiKey refuses a key at once, whether or not there is one, and leaves the other": () =>
    asking((request) =>
      request.method === "DELETE" ? { ...request, path: request.path.replace("primary", "test") } : request,
    ),
  "problems are told in Italian, and in English where it is preferred": () =>
    asking((request) => with_(request, "accept-language", "it")),
  "of 50 simultaneous uses one is answered 200": () =>
    shareAnswers((request) => (isUse(request) ? codeOf(request) : undefined)),
  "of 50 simultaneous generates one is answered 200, and the others tell its code": () =>
    shareAnswers((request) => (isGenerate(request) ? request.path + request.body : undefined)),
  "of both keys of a merchant, regenerated at once, none is lost": () => {
    let underWay = 0;
    return async (request, passOn) => {
      underWay += isRegenerate(request) ? 1 : 0;
      const isRace = underWay > 1;
      const reply = await passOn(request);
      underWay -= isRegenerate(request) ? 1 : 0;
      if (isRegenerate(request) && isRace) {
        await passOn({ ...request, method: "DELETE" });
      }
      return reply;
    };
  },
  "an OTP expires, and the next one is there at once": () =>
    answering((request, reply) =>
      isUse(request) && reply.body.includes("otp-expired")
        ? {
            status: 200,
            headers: new Headers({ "Content-Type": "application/json" }),
            body: JSON.stringify({ expires_at: new Date().toISOString(), discount_id: "discount-1" }),
          }
        : reply,
    ),
  "Info, Status and the document are answered, and nothing else is there": () =>
    asking((request) => (request.path === "/api/v1/infos" ? { ...request, path: "/api/v1/info" } : request)),
};

/**
 * A stand-in for the gateway of infra/: what infra/policies/service.xml and infra/modules/gateway.bicep say, and what API
 * Management does with it. The limits have a fifth of their time and of their calls, so that the test reaches them soon.
 */
const makeGateway = (): { readonly pass: Lie; readonly refused: () => number } => {
  const find = (file: string, pattern: RegExp): string => pattern.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  const calls = Number(find("infra/main.bicep", /param gatewayCallsIn10Seconds int = (\d+)/)) / 5;
  const seconds = Number(find("infra/policies/service.xml", /renewal-period="(\d+)"/)) / 5;
  const ownKeyHeader = find(
    "infra/modules/gateway.bicep",
    /subscriptionKeyParameterNames: \{\s+header: '([^']+)'/,
  );
  const path = find("infra/modules/gateway.bicep", /resource service 'apis'[^]*?path: '([^']*)'/);
  const keyHeader = find("infra/policies/service.xml", /GetValueOrDefault\(&quot;([^&]+)&quot;/);
  const windows = new Map<string, { readonly endsAtMs: number; calls: number }>();
  let refused = 0;
  /** How many seconds to wait, or 0. */
  const count = (counter: string): number => {
    const now = performance.now();
    const open = windows.get(counter);
    // The first window lasts until it refuses, so that a slow machine meets the limit, too.
    const isOpen = open !== undefined && (open.endsAtMs > now || refused === 0);
    const window = isOpen ? open : { endsAtMs: now + seconds * 1000, calls: 0 };
    windows.set(counter, window);
    window.calls += 1;
    return window.calls > calls ? Math.max(1, Math.ceil((window.endsAtMs - now) / 1000)) : 0;
  };
  const answer = (status: number, headers = {}): FrontReply => ({
    status,
    headers: new Headers(headers),
    body: "",
  });
  return {
    refused: () => refused,
    pass: async (request, passOn) => {
      // A key in this header would be the gateway's own, and it knows none.
      if (request.headers.has(ownKeyHeader)) {
        return answer(401);
      }
      const apiKey = request.headers.get(keyHeader);
      const waits = [...(apiKey === null ? [] : [count(`key ${apiKey}`)]), count("address")];
      const wait = Math.max(...waits);
      if (wait > 0) {
        refused += 1;
        return answer(429, { "Retry-After": String(wait) });
      }
      return request.path.startsWith(`/${path}/`) ? passOn(request) : answer(404);
    },
  };
};

const secretKey = "the-secret-key";
const closed = askForFunctionKey(secretKey);

/** Answers as others do, and notes each key that was made. */
const noteKeys =
  (keys: Set<string>, lie: Lie): Lie =>
  async (request, passOn) => {
    const reply = await lie(request, passOn);
    if (isRegenerate(request) && reply.status === 200) {
      keys.add(decode(ApiKeyBody, JSON.parse(reply.body)).api_key);
    }
    return reply;
  };

describe("the acceptance test of a deployment", () => {
  let service: Service;
  let instance: Instance;
  /** Its OTPs expire soon. */
  let hasty: Instance;
  beforeAll(async () => {
    service = await startService();
    const start = (settings = {}): Promise<Instance> =>
      startInstance({ ...service.settings, ...settings }, () => new Date());
    instance = await start();
    hasty = await start({ OTP_TTL_IN_SECONDS: "2" });
    service.stopFirst(() => instance.stop());
    service.stopFirst(() => hasty.stop());
  });
  afterAll(() => service.stop());

  const withFront = async <A>(lie: Lie, run: (url: string) => Promise<A>, behind = instance): Promise<A> => {
    const front = await startLyingFront(behind.baseUrl, lie);
    return run(front.url).finally(() => front.stop());
  };
  const judge = (lie: Lie, options: Partial<Options>, functionKey?: string): Promise<readonly Verdict[]> => {
    const behind = options.checks?.some(({ takesLifetime }) => takesLifetime) ? hasty : instance;
    const run = async (url: string): Promise<readonly Verdict[]> => {
      const { ttlSeconds } = behind.config.otpLifetime;
      const all = { skipSlow: false, deadlineMs: 30_000, ...options };
      const verdicts: Verdict[] = [];
      for await (const verdict of verify({ url, functionKey, ttlSeconds }, all)) {
        verdicts.push(verdict);
      }
      return verdicts;
    };
    return withFront(lie, run, behind);
  };
  const broken = (verdicts: readonly Verdict[]): readonly string[] =>
    verdicts.filter(({ outcome }) => outcome === "BROKEN").map(({ promise }) => promise);
  const expectRevoked = async (keys: ReadonlySet<string>): Promise<void> => {
    const replies = await Promise.all([...keys].map((apiKey) => instance.ask(apiKey, "AAAAAAAAAAA")));
    expect(replies.filter(({ status }) => status !== 401)).toEqual([]);
  };

  it("knows a lie for each promise", () => {
    expect(Object.keys(lies)).toEqual(contractChecks.map(({ promise }) => promise));
  });

  it.each(contractChecks)("breaks where a front breaks the promise: $promise", async (check) => {
    const verdicts = await judge(lies[check.promise]?.() ?? honest, { checks: [check] });
    expect(broken(verdicts)).toEqual([check.promise]);
    expect(JSON.stringify(verdicts)).not.toMatch(/cgn_\w|"[A-Z0-9]{11}"/);
  });

  it("holds when it waits for the end of an OTP", async () => {
    const slow = contractChecks.filter(({ takesLifetime }) => takesLifetime);
    expect(slow).toHaveLength(1);
    expect(broken(await judge(honest, { checks: slow }))).toEqual([]);
  });

  const quick = contractChecks.slice(0, 1);

  it("breaks where an answer lacks what the document describes", async () => {
    const cached = answering((_, reply) => ({
      ...reply,
      headers: new Headers({ "Cache-Control": "public" }),
    }));
    expect(broken(await judge(cached, { checks: quick }))).toContain(quick[0]?.promise);
  });

  it("breaks where one answer is late", async () => {
    const late: Lie = async (request, passOn) => {
      await pause(isAsk(request) ? 0 : 300);
      return passOn(request);
    };
    expect(broken(await judge(late, { checks: quick, deadlineMs: 200 }))).toEqual([
      expect.stringMatching(/^Each of \d+ calls is answered within 200 ms$/),
    ]);
  });

  it.each(["GET", "POST", "DELETE"])("breaks where %s needs no function key", async (method) => {
    const open = askForFunctionKey(secretKey, (request) => request.method === method && isKeys(request));
    expect(broken(await judge(open, { checks: [] }, secretKey))).toEqual([
      "GenerateOtp and the portal's calls are refused without the function key",
    ]);
  });

  it("breaks where its keys cannot be revoked, and names them", async () => {
    const stuck: Lie = (request, passOn) =>
      passOn(request.method === "DELETE" ? { ...request, method: "GET", path: "/api/v1/nowhere" } : request);
    const verdicts = await judge(stuck, { checks: quick });
    expect(broken(verdicts)).toEqual([
      expect.stringMatching(/^The \d+ keys that were made here are revoked$/),
    ]);
    expect(verdicts.at(-1)?.reason).toMatch(/DELETE http:.*\/verify-[0-9a-f-]+\/api-keys\/primary$/);
  });

  it("revokes the key of a call that was under way when it was stopped", async () => {
    const stopping = new AbortController();
    const keys = new Set<string>();
    const stopAtKey: Lie = async (request, passOn) => {
      if (isRegenerate(request)) {
        stopping.abort();
        await pause(200);
      }
      return passOn(request);
    };
    const verdicts = await judge(noteKeys(keys, stopAtKey), { signal: stopping.signal });
    expect(verdicts.map(({ outcome }) => outcome).slice(0, -1)).not.toContain("held");
    expect(verdicts.at(-1)).toMatchObject({ outcome: "held" });
    expect(keys.size).toBeGreaterThan(0);
    await expectRevoked(keys);
  });

  it("says that nobody answers, that something else does, and that a function key is asked for", async () => {
    const gone = await withFront(honest, (url) => Promise.resolve(url));
    expect(await approach(gone, undefined)).toEqual({
      tag: "failed",
      reason: "Nobody answers there (fetch failed: ECONNREFUSED).",
    });
    const other: Lie = () => Promise.resolve({ status: 200, headers: new Headers(), body: "<p>Hello</p>" });
    await withFront(other, async (url) => {
      expect(await approach(url, undefined)).toMatchObject({ tag: "failed" });
    });
    await withFront(closed, async (url) => {
      expect(await approach(url, undefined)).toEqual({ tag: "function key" });
      expect(await approach(url, "another")).toEqual({ tag: "function key" });
    });
  });

  describe("on the command line", () => {
    const start = (args: readonly string[], settings = {}): Program =>
      startProgram(["build/verify.js", ...args], settings);

    it("holds through the template's gateway: under another name, with its limits, its headers and its 429", async () => {
      const gateway = makeGateway();
      const keys = new Set<string>();
      const behind = noteKeys(keys, closed);
      const through: Lie = (request, passOn) => gateway.pass(request, (passed) => behind(passed, passOn));
      await withFront(through, async (address) => {
        const url = address.replace("127.0.0.1", "localhost");
        const args = ["--url", url, "--skip-slow", "--deadline-ms", "30000"];
        const program = start(args, { FUNCTION_KEY: secretKey });
        await program.ended;
        expect(program.output()).not.toMatch(/^BROKEN/m);
        expect([program.child.exitCode, program.errors()]).toEqual([0, ""]);
        for (const { promise, takesLifetime } of contractChecks) {
          const outcome = takesLifetime ? "left out" : "held    ";
          expect(program.output()).toContain(`\n${outcome}  ${promise}\n`);
        }
        expect(program.output()).toMatch(/^\d+ held, 0 broken, 1 left out\n$/m);
      });
      expect(gateway.refused()).toBeGreaterThan(0);
      expect(keys.size).toBeGreaterThan(30);
      await expectRevoked(keys);
    });

    it("names the promises that are broken, and ends with 1", async () => {
      let calls = 0;
      // Its first calls ask whether the service is there.
      const failing: Lie = async (request, passOn) => {
        const reply = await passOn(request);
        return ++calls > 2 ? { ...reply, status: 500 } : reply;
      };
      await withFront(failing, async (url) => {
        const program = start(["--url", url, "--skip-slow"]);
        expect(await program.ended).toBe(1);
        expect(program.output()).toMatch(/^BROKEN {4}problems are told in Italian[^]*\n {10}\S/m);
        expect(program.output()).toMatch(/^\d+ held, [1-9]\d* broken, 2 left out\n$/m);
      });
    });

    it.each([
      [{}, /FUNCTION_KEY/],
      [{ FUNCTION_KEY: "another" }, /refuses/],
    ])("ends with 2 where another function key is asked for than in %j", async (settings, reason) => {
      await withFront(closed, async (url) => {
        const program = start(["--url", url], settings);
        expect([await program.ended, program.output()]).toEqual([2, ""]);
        expect(program.errors()).toMatch(reason);
      });
    });

    it.each([
      [["--url", "http://example.com"], /^--url is plain HTTP/],
      [["--deadline-ms", "0"], /^--deadline-ms is malformed/],
      [["--url", "http://127.0.0.1:9"], /^Nobody answers there/],
    ])("ends with 2 and says why, with %j", async (args, reason) => {
      const program = start(args);
      expect([await program.ended, program.output()]).toEqual([2, ""]);
      expect(program.errors()).toMatch(reason);
    });

    const hasScript = spawnSync("script", ["--version"]).status === 0;
    const itOnTerminal = hasScript ? it : it.skip;
    const why = hasScript ? "" : " (script, which makes a terminal, is not installed)";

    itOnTerminal(`asks for the function key on a terminal, and does not show it${why}`, async () => {
      await withFront(closed, async (url) => {
        const command = `"${process.execPath}" build/verify.js --skip-slow --url ${url}`;
        const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
          stdio: ["pipe", "pipe", "inherit"],
          timeout: 60_000,
        });
        let shown = "";
        let isStopped = false;
        terminal.stdout.setEncoding("utf8").on("data", (chunk: string) => {
          shown += chunk;
          if (chunk.includes("not shown")) {
            terminal.stdin.write(`${secretKey}\n`);
          }
          // Ctrl-C, once and as soon as a promise was held: the rest is tried elsewhere.
          if (/^held/m.test(chunk) && !isStopped) {
            isStopped = true;
            terminal.stdin.write("\x03");
          }
        });
        await text(terminal.stdout).catch(() => "");
        expect(shown).toMatch(/[1-9]\d* held, 0 broken/);
        expect(shown).not.toContain(secretKey);
      });
    });

    it("is stopped at once while it waits for the end of an OTP, says how to wait less, and revokes its keys", async () => {
      const program = start(["--url", instance.baseUrl]);
      const waits = /^Waiting \d+ s for the end of an OTP\. --skip-slow leaves this out, Ctrl-C stops it\.$/m;
      while (!waits.test(program.errors()) && program.child.exitCode === null) {
        await pause(50);
      }
      await program.stop("SIGINT");
      expect(program.errors()).toMatch(/\nStopping\. The keys that were made are revoked first\.\n$/);
      expect(program.output()).toMatch(/^left out {2}an OTP expires[^]*\n {10}stopped\n/m);
      expect(program.output()).toMatch(/^held {6}The [1-9]\d* keys that were made here are revoked\n/m);
      expect(program.child.exitCode).toBe(1);
    });
  });
});
