/** Several processes hammer a few OTPs through a store that fails. This records and judges what their clients saw. */
import { setTimeout as pause } from "node:timers/promises";
import * as A from "fp-ts/Array";
import fc from "fast-check";
import { OtpBody } from "../../shared/http/bodies";
import { fiscalCode, merchantId, type Api, type Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import type { Fault } from "../../tools/support/fault-proxy";
import { startHostProcess, type HostProcess } from "../../tools/support/processes";
import {
  startRegionalAccount,
  type Door,
  type Region,
  type RegionalAccount,
  type RegionalRequest,
} from "../support/regional-account";
import { patience, startInstance, startService } from "../../tools/support/service";
import { describeOperation } from "../../tools/support/linearizability";
import { interpret, judgeUses, type IssuedOtp, type Shown } from "../../tools/support/single-use";
import { passingFaults } from "./faults";

/** How long OTPs are hammered side by side; `npm run test:soak` asks for 60. */
const seconds = Number(process.env["HISTORY_SECONDS"] ?? 6);
/** So much longer at most, one OTP at a time, until the clients have seen enough: a busy machine answers little to many at once. */
const longerAtMost = 20;
/** Determines what the clients do and which faults the store's requests meet, but not how these interleave. */
const seed = Number(process.env["HISTORY_SEED"] ?? Date.now() % 2 ** 31);
const processes = 3;

/** How many OTPs are hammered at the same time. */
const lanes = 6;
const clientsPerOtp = 6;
const stepsPerClient = 4;

/** The service waits for the store for a third of this. It is short, so that hanging faults cost little time. */
const deadlineMs = 1000;

/** Every third OTP ends while it is hammered. */
const isShort = (number: number): boolean => number % 3 === 0;
const shortTtlSeconds = 1;
/** Its clients start so long before its end. */
const hammeredBeforeEndMs = 150;

/** A client's next step. It may go to any instance, because every instance must recognise a retry. */
interface Step {
  readonly operation: "use" | "ask";
  readonly idempotencyKey?: string | undefined;
  /** Modulo the number of instances. */
  readonly instance: number;
  readonly pauseMs: number;
}

/** What a client did and what it was answered. Without a reply, its connection broke. */
interface Observation {
  readonly step: Step;
  readonly start: number;
  readonly end: number;
  readonly reply: Reply | undefined;
}

/** Everything that happened to one OTP. */
interface OtpRecord {
  readonly otp: IssuedOtp;
  readonly observations: readonly Observation[];
  /** The answers at the end, without faults, of an instance that took no part. */
  readonly probes: readonly Observation[];
}

const weighted = <T>(...choices: readonly (readonly [number, fc.Arbitrary<T>])[]): fc.Arbitrary<T> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));

const fault: fc.Arbitrary<Fault> = weighted<Fault>(
  [6, fc.integer({ min: 1, max: 60 }).map((ms): Fault => ({ kind: "delay", ms }))],
  [25, fc.constantFrom(...passingFaults)],
  [1, fc.constant<Fault>({ kind: "hang" })],
  [1, fc.constant<Fault>({ kind: "hang-after" })],
  // The longest delays exceed the service's time for one request, and its deadline.
  [1, fc.integer({ min: 20, max: 1500 }).map((ms): Fault => ({ kind: "late", ms }))],
);

/** The fault for a request, if it reads and if it writes. Writes are few, but they are what can go wrong. */
interface Fate {
  readonly ofRead: Fault | undefined;
  readonly ofWrite: Fault | undefined;
  /** How long the item is unreachable after a write. If longer than the call, the call never learns what it did. */
  readonly outageMs: number;
}

const fateWith = (percentOfReads: number, percentOfWrites: number): fc.Arbitrary<Fate> => {
  const atRate = (percent: number): fc.Arbitrary<Fault | undefined> =>
    weighted<Fault | undefined>([percent, fault], [100 - percent, fc.constant(undefined)]);
  return fc.record({
    ofRead: atRate(percentOfReads),
    ofWrite: atRate(percentOfWrites),
    outageMs: weighted([9, fc.constant(0)], [1, fc.integer({ min: 100, max: 1500 })]),
  });
};

/**
 * A calm phase and a storm, in order of arrival. An outcome stays unknown only when many faults fill a good part of a
 * call's time.
 */
const weather: fc.Arbitrary<Fate[]> = fc
  .tuple(
    fc.array(fateWith(8, 40), { minLength: 200, maxLength: 600, size: "max" }),
    fc.array(fateWith(80, 80), { minLength: 40, maxLength: 120, size: "max" }),
  )
  .map((spells) => spells.flat());

function* makeFates(): Generator<Fate, never> {
  for (let chunk = 0; ; chunk++) {
    yield* fc.sample(weather, { seed: seed + chunk, numRuns: 1 }).flat();
  }
}

const keys = ["cart 1", "cart 2", "cart 3"];

const anyStep: fc.Arbitrary<Step & { readonly repeats: boolean }> = fc.record({
  operation: weighted<Step["operation"]>([3, fc.constant("use")], [1, fc.constant("ask")]),
  idempotencyKey: weighted<string | undefined>([3, fc.constantFrom(...keys)], [2, fc.constant(undefined)]),
  repeats: weighted([1, fc.constant(true)], [2, fc.constant(false)]),
  instance: fc.nat(1000),
  pauseMs: fc.integer({ min: 0, max: 20 }),
});

/** The steps of one client. Some retry its last use with a key. All clients start nearly together. */
const client: fc.Arbitrary<readonly Step[]> = fc
  .array(anyStep, { minLength: stepsPerClient, maxLength: stepsPerClient })
  .map((steps) =>
    steps.map(({ repeats, ...own }, index) => {
      const last = steps.slice(0, index).findLast((one) => one.operation === "use" && one.idempotencyKey);
      const repetition: Partial<Step> =
        repeats && last ? { operation: "use", idempotencyKey: last.idempotencyKey } : {};
      return { ...own, ...repetition, ...(index === 0 ? { pauseMs: own.pauseMs / 10 } : {}) };
    }),
  );

/** What the clients of one OTP do. */
const plan = fc.array(client, { minLength: clientsPerOtp, maxLength: clientsPerOtp });

/** What happens to a region, for a while, or to the account. Sometimes the other region takes over. */
interface RegionalEvent {
  /** After the last one. */
  readonly afterMs: number;
  readonly away: { readonly region: Region; readonly fault: Fault; readonly ms: number } | undefined;
  readonly failsOver: boolean;
  /** These go on describing the account as it was before. */
  readonly stale: readonly Door[];
}

const regionalEvents: fc.Arbitrary<RegionalEvent[]> = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 500, max: 1500 }),
    away: fc.option(
      fc.record({
        region: fc.constantFrom<Region>("A", "B"),
        fault: fc.constantFrom<Fault>({ kind: "hang" }, ...passingFaults),
        ms: fc.integer({ min: 100, max: 700 }),
      }),
      { nil: undefined, freq: 3 },
    ),
    failsOver: fc.boolean(),
    stale: weighted<readonly Door[]>(
      [6, fc.constant([])],
      [2, fc.constantFrom<readonly Door[]>(["account"], ["account", "A"], ["account", "B"])],
    ),
  }),
  { minLength: 300, maxLength: 300, size: "max" },
);

/** Decides what happens to each request, in order of arrival. */
const makeScript = (
  account: RegionalAccount,
  onFailOver: () => void,
): ((request: RegionalRequest) => Fault | undefined) => {
  const fates = makeFates();
  const events = fc.sample(regionalEvents, { seed, numRuns: 1 }).flat();
  let [event] = events;
  let nextEventAt = performance.now();
  const outages = new Map<string, number>();
  return (request) => {
    const { operation, path } = request;
    const now = performance.now();
    if (now >= nextEventAt) {
      event = events.shift();
      nextEventAt = now + (event?.afterMs ?? Infinity);
      if (event?.failsOver === true) {
        account.failOver(event.stale);
        onFailOver();
      }
    }
    const away = event?.away;
    if (away !== undefined && now > nextEventAt - away.ms && account.isFor(request, away.region)) {
      return away.fault;
    }
    if (now < (outages.get(path) ?? 0)) {
      return { kind: "hang" };
    }
    const { ofRead, ofWrite, outageMs } = fates.next().value;
    if (operation === "read") {
      return ofRead;
    }
    outages.set(path, now + outageMs);
    return ofWrite;
  };
};

/** Asks, uses with each key, and asks. After this the OTP is used or has expired, and the user is known. */
const probeSteps: readonly Step[] = [
  { operation: "ask", instance: 0, pauseMs: 0 },
  ...keys.map((idempotencyKey): Step => ({ operation: "use", idempotencyKey, instance: 0, pauseMs: 0 })),
  { operation: "ask", instance: 0, pauseMs: 0 },
];

/** One client: its steps, one after another. */
const walk = async (
  { code }: IssuedOtp,
  steps: readonly Step[],
  apiKey: string,
  instances: readonly Api[],
): Promise<Observation[]> => {
  const observations: Observation[] = [];
  for (const step of steps) {
    const { operation, idempotencyKey, instance, pauseMs } = step;
    await pause(pauseMs);
    const start = performance.now();
    const api = instances[instance % instances.length];
    const called = operation === "ask" ? api?.ask(apiKey, code) : api?.use(apiKey, code, idempotencyKey);
    const reply = await called?.catch(() => undefined);
    observations.push({ step, start, end: performance.now(), reply });
  }
  return observations;
};

const showAll = ({ otp, observations }: Omit<OtpRecord, "probes">): readonly Shown[] =>
  observations.map(({ step, start, end, reply }) => interpret({ ...step, start, end }, reply, otp));

/** What the clients must have seen for a meaningful test, and have not. */
const unseenIn = (hammered: readonly Omit<OtpRecord, "probes">[]): readonly string[] => {
  const operations = hammered.map((each) => A.rights([...showAll(each)]));
  const seen = new Set(operations.flat().map(({ operation, outcome }) => `${operation} ${outcome}`));
  const isRepeated = operations.some(
    (each) => each.filter(({ outcome }) => outcome === "granted").length > 1,
  );
  return [
    ...["granted", "already-used", "unknown", "expired"].map((outcome) => `use ${outcome}`),
    ...["live", "already-used"].map((outcome) => `ask ${outcome}`),
    "a repetition",
  ].filter((each) => (each === "a repetition" ? !isRepeated : !seen.has(each)));
};

/** What is wrong in the history of an OTP. Empty if the guarantees hold. */
const judge = ({ otp, observations, probes }: OtpRecord): readonly string[] => {
  const sorted = [...observations, ...probes].toSorted((a, b) => a.start - b.start);
  const shown = showAll({ otp, observations: sorted });
  // At the end there were no faults that could excuse this.
  const unanswered = probes.filter(({ reply }) => reply === undefined || reply.status === 503);
  const reasons = [
    ...unanswered.map(({ reply }) => `a probe was answered ${reply?.status ?? "nothing"}`),
    ...judgeUses(shown),
  ];
  const history = A.rights([...shown]).map(describeOperation);
  return reasons.length === 0 ? [] : [[otp.discountId, ...reasons, ...history].join("\n").slice(0, 5000)];
};

/**
 * Clients use OTPs at instances in processes of their own, over an account whose regions fail. A few clients hammer each OTP at
 * the same time. Each OTP is for another discount, so that none is replaced by a newer one.
 */
it(
  "clients of three processes, on a store that fails, see every OTP used at most once and never lost, and the same answer to retries",
  async () => {
    const service = await startService(patience);
    const account = await startRegionalAccount(service.config.cosmos.endpoint);
    // These must use the same clock as the processes. An OTP's life is that of its issuer.
    const direct = await startInstance(service.settings, () => new Date());
    const short = await startInstance(
      { ...service.settings, OTP_TTL_IN_SECONDS: String(shortTtlSeconds) },
      () => new Date(),
    );
    const hosts: HostProcess[] = [];
    try {
      // Start one after another. If all started at once, the store would be slow, which would already be a fault.
      while (hosts.length < processes) {
        const started = await startHostProcess({
          ...service.settings,
          COSMOSDB_ENDPOINT: account.endpoint,
          COSMOSDB_SINGLE_COPY: "false",
          REQUEST_DEADLINE_IN_MS: String(deadlineMs),
        }).catch(() => undefined);
        // On a busy machine the store may not answer a process in time, which then ends.
        hosts.push(...(started === undefined ? [] : [started]));
      }
      const apiKey = await direct.newApiKey();
      const befallen = new Set<string>();
      const decide = makeScript(account, () => befallen.add("failover"));
      account.script((request) => {
        const befalling = decide(request);
        if (befalling !== undefined) {
          befallen.add("status" in befalling ? `${befalling.kind} ${befalling.status}` : befalling.kind);
        }
        return befalling;
      });

      const hammered: Omit<OtpRecord, "probes">[] = [];
      const start = performance.now();
      let index = 0;
      const isWithin = (times: number): boolean => performance.now() < start + times * seconds * 1000;
      const hammer = async (): Promise<void> => {
        const number = index++;
        const discountId = `discount-${number}`;
        const body = { merchant_id: merchantId, discount_id: discountId };
        const issuer = isShort(number) ? short : direct;
        const { code, expires_at: expiresAt } = decode(
          OtpBody,
          (await issuer.generate(fiscalCode, body)).json,
        );
        const lifeMs = Date.parse(expiresAt) - Date.now();
        // The two clocks are read one after the other, and one counts whole milliseconds.
        const otp = { code, expiresAt, discountId, liveUntil: performance.now() + lifeMs - 5 };
        if (isShort(number)) {
          await pause(lifeMs - hammeredBeforeEndMs);
        }
        const clients = fc.sample(plan, { seed: seed + number, numRuns: 1 }).flat();
        const observations = await Promise.all(clients.map((steps) => walk(otp, steps, apiKey, hosts)));
        hammered.push({ otp, observations: observations.flat() });
      };
      const lane = async (): Promise<void> => {
        while (isWithin(1)) {
          await hammer();
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      const hasBefallenEnough = (): boolean => befallen.has("failover") && befallen.size >= 12;
      while (isWithin(longerAtMost) && !(hasBefallenEnough() && unseenIn(hammered).length === 0)) {
        await hammer();
      }

      // End everything that may still write, and allow more time for that than any fault takes.
      const exitCodes = await Promise.all(hosts.map(({ program }) => program.stop()));
      expect(exitCodes).toEqual(hosts.map(() => 0));
      await Promise.race([account.settled(), pause(5000, undefined, { ref: false })]);
      const findings = await Promise.all(
        hammered.map(async (each) =>
          judge({ ...each, probes: await walk(each.otp, probeSteps, apiKey, [direct]) }),
        ),
      );
      expect([`HISTORY_SEED=${seed}`, ...findings.flat().slice(0, 3)]).toEqual([`HISTORY_SEED=${seed}`]);

      expect([unseenIn(hammered), hasBefallenEnough()]).toEqual([[], true]);
    } finally {
      await Promise.all(hosts.map(({ program }) => program.stop()));
      await Promise.all([direct.stop(), short.stop()]);
      await account.close();
      await service.stop();
    }
  },
  (longerAtMost * seconds + 120) * 1000,
);
