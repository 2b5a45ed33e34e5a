import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import * as t from "io-ts";
import { OtpBody } from "../../shared/http/bodies";
import { expectProblem } from "../support/expect-problem";
import { fiscalCode, merchantId, type Api, type Reply } from "../../tools/support/api";
import { decode } from "../../tools/support/either";
import { patience, startInstance, startService, type Instance } from "../../tools/support/service";

/**
 * Three instances are taken through the steps of the README ("Replace the secret"), restarted one by one while customers
 * generate, ask, use and repeat. A load balancer sends each call to any instance that is there.
 */

const Conflict = t.type({ otp: OtpBody });

type Settings = Readonly<Record<string, string>>;

const oldSecret = randomBytes(32).toString("base64");
const newSecret = randomBytes(32).toString("base64");
const onlyOld: Settings = { OTP_SECRET: oldSecret };
const newAdded: Settings = { OTP_SECRET: oldSecret, OTP_SECRET_SECOND: newSecret };
const swapped: Settings = { OTP_SECRET: newSecret, OTP_SECRET_SECOND: oldSecret };
const onlyNew: Settings = { OTP_SECRET: newSecret };

const instances = 3;
const customers = 2;
/** `npm run test:soak` asks for 10. */
const rounds = Number(process.env["REPLACEMENT_ROUNDS"] ?? 1);
/** Codes that nobody uses for now: as many are live over each restart. */
const keptLive = 8 * rounds;
const journeysInAMix = 2 * rounds;
const racesInAMix = 2 * rounds;
/** `OTP_TTL_IN_SECONDS` and `OTP_RETENTION_IN_SECONDS` by default, and the grace. */
const lifetimeSeconds = 600;
const retentionSeconds = 86_400;
const graceSeconds = 300;

/** @param startInstanceWith these secrets. */
const startFleet = async (startInstanceWith: (secrets: Settings) => Promise<Instance>) => {
  const start = async (secrets: Settings) => ({
    server: await startInstanceWith(secrets),
    underway: new Set<Promise<Reply>>(),
  });
  const members = await Promise.all(Array.from({ length: instances }, () => start(onlyOld)));
  const send = (
    { server, underway }: (typeof members)[number],
    run: (api: Api) => Promise<Reply>,
  ): Promise<Reply> => {
    const reply = run(server).finally(() => underway.delete(reply));
    underway.add(reply);
    return reply;
  };
  return {
    /** Sends a call to any instance. */
    call: (run: (api: Api) => Promise<Reply>): Promise<Reply> => {
      const member = members[Math.floor(Math.random() * members.length)];
      return member === undefined ? Promise.reject(new Error("no instance is there")) : send(member, run);
    },
    /** Sends a call to each instance at the same time. */
    callAll: (run: (api: Api) => Promise<Reply>): Promise<readonly Reply[]> =>
      Promise.all(members.map((member) => send(member, run))),
    /** Restarts the instances one by one: each is given no more calls, ends those that it has, and is started anew. */
    restart: async (secrets: Settings, whenMixed: () => Promise<void>): Promise<void> => {
      for (let restarted = 0; restarted < instances; restarted++) {
        const member = members.shift();
        await Promise.allSettled([...(member?.underway ?? [])]);
        await member?.server.stop();
        members.push(await start(secrets));
        await whenMixed();
      }
    },
    stop: async (): Promise<void> => {
      await Promise.all(members.map(({ server }) => server.stop()));
    },
  };
};

interface Use {
  readonly code: string;
  readonly idempotencyKey: string;
  readonly answer: string;
}

type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** Customers, their apps and the shop, and what they remember. */
const makeShop = (fleet: Fleet, apiKey: string) => {
  const live: string[] = [];
  let uses: Use[] = [];
  let serial = 0;
  let doublyIssued = 0;

  const generate = (discount: object): Promise<Reply> =>
    fleet.call((api) => api.generate(fiscalCode, discount));
  const newDiscount = () => ({ merchant_id: merchantId, discount_id: `discount-${serial++}` });
  const ask = (code: string): Promise<Reply> => fleet.call((api) => api.ask(apiKey, code));
  const use = (code: string, idempotencyKey: string): Promise<Reply> =>
    fleet.call((api) => api.use(apiKey, code, idempotencyKey));
  const expectOk = (reply: Reply): Reply => {
    // The text says what was refused.
    expect([reply.status, reply.text]).toEqual([200, reply.text]);
    return reply;
  };

  /** Uses a live code, wherever and whenever it was issued; it can be used this once. */
  const useOnce = async (code: string): Promise<void> => {
    const idempotencyKey = `cart of ${code}`;
    expectOk(await ask(code));
    const { text: answer } = expectOk(await use(code, idempotencyKey));
    uses.push({ code, idempotencyKey, answer });
    expectProblem(await use(code, "another cart's"), 404, "otp-already-used");
  };
  const expectKnown = async ({ code, idempotencyKey, answer }: Use): Promise<void> => {
    expect((await use(code, idempotencyKey)).text).toBe(answer);
  };

  const journey = async (): Promise<void> => {
    const discount = newDiscount();
    const issued = decode(OtpBody, expectOk(await generate(discount)).json);
    const again = await generate(discount);
    expectProblem(again, 409, "otp-conflict");
    expect(decode(Conflict, again.json).otp).toEqual(issued);
    await useOnce(issued.code);
    const { code } = decode(OtpBody, expectOk(await generate(discount)).json);
    live.push(code);
    // The newer code may lie under the other secret, and is not seen from this one then.
    expect([404, 409]).toContain((await ask(issued.code)).status);
    const older = live.length > keptLive ? live.shift() : undefined;
    if (older !== undefined) {
      await useOnce(older);
    }
    const earlier = uses[Math.floor(Math.random() * uses.length)];
    if (earlier !== undefined) {
      await expectKnown(earlier);
    }
  };

  return {
    journey,
    get doublyIssued() {
      return doublyIssued;
    },
    /** @param mostIssued how many codes may be issued by generates that race. */
    race: async (mostIssued: number): Promise<void> => {
      const discount = newDiscount();
      const generated = await fleet.callAll((api) => api.generate(fiscalCode, discount));
      const issued = generated.flatMap(({ json }) => (OtpBody.is(json) ? [json.code] : []));
      const shown = generated.flatMap(({ json }) =>
        OtpBody.is(json) ? [] : [decode(Conflict, json).otp.code],
      );
      expect(issued.length).toBeGreaterThanOrEqual(1);
      expect(issued.length).toBeLessThanOrEqual(mostIssued);
      expect(issued).toEqual(expect.arrayContaining(shown));
      doublyIssued += issued.length - 1;
      for (const code of issued) {
        // Each is used by one of the instances.
        const used = await fleet.callAll((api) => api.use(apiKey, code));
        expect(used.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
      }
      // None of them is in the way of the next one.
      expectOk(await generate(discount));
    },
    expectAllKnown: async (): Promise<void> => {
      await Promise.all(uses.map(expectKnown));
    },
    useAllLive: async (): Promise<void> => {
      await Promise.all(live.splice(0).map(useOnce));
    },
    /** None of the codes is told from one that never existed, by any instance. */
    expectAllForgotten: async (): Promise<void> => {
      const codes = [...live, ...uses.map((each) => each.code)];
      const replies = codes.map((code) => fleet.callAll((api) => api.ask(apiKey, code)));
      for (const reply of (await Promise.all(replies)).flat()) {
        expectProblem(reply, 404, "otp-not-found");
      }
    },
    forget: (): void => {
      live.splice(0);
      uses = [];
    },
  };
};
type Shop = ReturnType<typeof makeShop>;

/** Customers come and go while `run` runs. Rejects with what any of them came upon. */
const underLoad = async (shop: Shop, run: () => Promise<void>): Promise<void> => {
  let isOver = false;
  const come = async (): Promise<void> => {
    while (!isOver) {
      await shop.journey();
      await pause(50);
    }
  };
  const all = Promise.all(Array.from({ length: customers }, come));
  // It is awaited when they have all gone.
  all.catch(() => undefined);
  await run().finally(() => {
    isOver = true;
  });
  await all;
};

it("no live code is refused, none is used twice, and repeated uses are recognised, while OTP_SECRET is replaced in three steps", async () => {
  const service = await startService(patience);
  const fleet = await startFleet((secrets) =>
    startInstance({ ...service.settings, ...secrets }, service.clock),
  );
  service.stopFirst(fleet.stop);
  try {
    const shop = makeShop(fleet, await service.newApiKey());
    const journeys = async (count: number): Promise<void> => {
      await Promise.all(Array.from({ length: count }, shop.journey));
    };
    const restart = (secrets: Settings, mostIssued: number): Promise<void> =>
      fleet.restart(secrets, async () => {
        await journeys(journeysInAMix);
        for (let race = 0; race < racesInAMix; race++) {
          await shop.race(mostIssued);
        }
      });
    await underLoad(shop, async () => {
      await journeys(keptLive);
      await restart(newAdded, 1);
      expect(shop.doublyIssued).toBe(0);
      await restart(swapped, 2);
    });
    await shop.useAllLive();
    await journeys(2);
    // The last second in which what was issued under the old one is remembered.
    service.clock.advance(lifetimeSeconds + retentionSeconds - 1);
    await shop.expectAllKnown();
    service.clock.advance(1 + graceSeconds);
    await shop.expectAllForgotten();
    shop.forget();
    await underLoad(shop, async () => {
      await journeys(keptLive);
      await restart(onlyNew, 1);
    });
    await shop.useAllLive();
    await shop.expectAllKnown();
  } finally {
    await service.stop();
  }
}, 180_000);
