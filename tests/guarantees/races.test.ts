import * as t from "io-ts";
import { keyTypes } from "../../shared/domain/api-key";
import { ApiKeyBody, ApiKeysBody, OtpBody } from "../../shared/http/bodies";
import { expectProblem } from "../support/expect-problem";
import type { Api, Reply } from "../../tools/support/api";
import { unpackArchive } from "../support/archive";
import { decode } from "../../tools/support/either";
import { startFunctionsHost } from "../support/functions-host";
import { startHostProcess } from "../../tools/support/processes";
import { patience, startService, type Service } from "../../tools/support/service";

/** `npm run test:soak` asks for 100. */
const rounds = Number(process.env["RACE_ROUNDS"] ?? 2);
const callers = 50;
const Conflict = t.type({ otp: OtpBody });

/** Something that serves the API, and ends when it is told to. */
type Server = Api & { readonly stop: () => Promise<unknown> };

const startLocalHost = async (settings: Service["settings"]): Promise<Server> => {
  const { program, ...api } = await startHostProcess(settings);
  return { ...api, stop: () => program.stop() };
};

const places: readonly (readonly [string, (service: Service) => Promise<readonly Server[]>])[] = [
  ["in one process", () => Promise.resolve([])],
  [
    "from three processes",
    ({ settings }) => Promise.all(Array.from({ length: 3 }, () => startLocalHost(settings))),
  ],
  [
    "from two processes of the deployed archive on the platform, one of them specialized",
    async ({ settings }) => {
      const { folder, placeholder, remove } = await unpackArchive();
      const [started, specialized] = await Promise.all([
        startFunctionsHost({ folder, settings }),
        startFunctionsHost({ folder, settings, placeholder }),
      ]);
      return [started, { ...specialized, stop: () => specialized.stop().then(remove) }];
    },
  ],
];

describe.each(places)("simultaneous calls %s", (_, startServers) => {
  let service: Service;
  let servers: readonly Server[];
  let apis: readonly Api[];
  beforeAll(async () => {
    service = await startService(patience);
    servers = await startServers(service);
    apis = servers.length === 0 ? [service] : servers;
  });
  afterAll(async () => {
    await Promise.all(servers.map(({ stop }) => stop()));
    await service.stop();
  });

  /** Calls at the same time, spread over the processes. */
  const race = (count: number, call: (api: Api, index: number) => Promise<Reply>): Promise<Reply[]> =>
    Promise.all(
      Array.from({ length: count }, (_value, index) => {
        const api = apis[index % apis.length] ?? service;
        return call(api, index);
      }),
    );
  const api = (index = 0): Api => apis[index % apis.length] ?? service;

  const beneficiaryOf = (round: number): string => `AAAAAA00A00A${String(round).padStart(3, "0")}A`;

  it(`give one of ${callers} uses the OTP, and tell the others that it is used (${rounds} rounds)`, async () => {
    const apiKey = await api().newApiKey("shop-1", "primary");
    for (let round = 0; round < rounds; round++) {
      const code = await api(round).newCode(beneficiaryOf(round));
      const replies = await race(callers, (each) => each.use(apiKey, code));
      const refused = replies.filter(({ status }) => status !== 200);
      expect(refused).toHaveLength(callers - 1);
      for (const reply of refused) {
        expectProblem(reply, 404, "otp-already-used");
      }
    }
  });

  it(`give all of ${callers} uses with one Idempotency-Key the same answer (${rounds} rounds)`, async () => {
    const apiKey = await api().newApiKey("shop-2", "primary");
    for (let round = 0; round < rounds; round++) {
      const code = await api(round).newCode(beneficiaryOf(round), {
        merchant_id: "shop-2",
        discount_id: "discount-1",
      });
      const replies = await race(callers, (each) => each.use(apiKey, code, `cart ${round}`));
      expect(replies.map(({ status }) => status)).toEqual(Array(callers).fill(200));
      expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
    }
  });

  it(`give one of ${callers} generates a new OTP, and tell it to the others (${rounds} rounds)`, async () => {
    const discount = { merchant_id: "shop-3", discount_id: "discount-1" };
    const apiKey = await api().newApiKey("shop-3", "primary");
    for (let round = 0; round < rounds; round++) {
      // Every other round finds the slot taken by an OTP that is over.
      const beneficiary = beneficiaryOf(Math.floor(round / 2));
      const replies = await race(callers, (each) => each.generate(beneficiary, discount));
      const [issued, ...others] = replies.filter(({ status }) => status === 200);
      expect(others).toEqual([]);
      const otp = decode(OtpBody, issued?.json);
      const refused = replies.filter(({ status }) => status !== 200);
      expect(refused).toHaveLength(callers - 1);
      for (const reply of refused) {
        expectProblem(reply, 409, "otp-conflict");
        expect(decode(Conflict, reply.json).otp).toEqual(otp);
      }
      expect((await api(round).use(apiKey, otp.code)).status).toBe(200);
    }
  });

  it(`leave all types of a merchant's keys, regenerated at once, working, and one of each type (${rounds} rounds)`, async () => {
    for (let round = 0; round < rounds; round++) {
      const types = [...keyTypes, "primary", "primary"];
      const keys = await Promise.all(
        types.map((keyType, index) => api(index).newApiKey(`shop-of-round-${round}`, keyType)),
      );
      const replies = await Promise.all(
        keys.map((apiKey, index) => api(index + 1).ask(apiKey, "AAAAAAAAAAA")),
      );
      const inForce = types.filter((_, index) => replies[index]?.status === 404);
      expect(inForce.toSorted()).toEqual([...keyTypes].toSorted());
      expect(replies.filter(({ status }) => status === 401)).toHaveLength(2);
    }
  });

  it(`revoke, regenerate and list, ${callers} at once, as if one came after the other (${rounds} rounds)`, async () => {
    for (let round = 0; round < rounds; round++) {
      const merchant = `shop-of-revocations-${round}`;
      const secondary = decode(ApiKeyBody, (await api(round).regenerate(merchant, "secondary")).json);
      const test = decode(ApiKeyBody, (await api(round).regenerate(merchant, "test")).json);
      const replies = await race(callers, (each, index) =>
        index % 5 === 0
          ? each.revoke(merchant, "primary")
          : index % 5 === 1
            ? each.regenerate(merchant, "primary")
            : each.list(merchant),
      );
      const told = replies.flatMap(({ json }) => (ApiKeyBody.is(json) ? [json] : []));
      const lists = replies.flatMap(({ json }) => (ApiKeysBody.is(json) ? [json.api_keys] : []));
      const revocations = replies.filter(({ status, text }) => status === 204 && text === "");
      expect([told.length, lists.length, revocations.length]).toEqual([10, 30, 10]);

      const toListed = ({ key_type, created_at, api_key }: (typeof told)[number]): (typeof lists)[number] => [
        { key_type, created_at, hint: api_key.slice(-4) },
      ];
      const others = [...toListed(secondary), ...toListed(test)];
      const states = [[], ...told.map(toListed)].map((primary) => [...primary, ...others]);
      const last = decode(ApiKeysBody, (await api(round).list(merchant)).json).api_keys;
      for (const list of [...lists, last]) {
        expect(states).toContainEqual(list);
      }
      const working = await Promise.all(
        told.map(async ({ api_key }, index) => (await api(index).ask(api_key, "AAAAAAAAAAA")).status === 404),
      );
      const inForce = told.filter((_key, index) => working[index]);
      expect([...inForce.flatMap(toListed), ...others]).toEqual(last);
    }
  });

  it("refuse a replaced and a revoked key from the next call on, in every process", async () => {
    const code = await api().newCode("AAAAAA00A00A000B");
    const expectRefused = async (apiKey: string): Promise<void> => {
      const replies = await Promise.all(apis.map((each) => each.ask(apiKey, code)));
      expect(replies.map(({ status }) => status)).toEqual(apis.map(() => 401));
    };
    for (let round = 0; round < rounds; round++) {
      const old = await api(round).newApiKey("shop-1", "primary");
      expect((await api(round + 1).ask(old, code)).status).toBe(200);
      const renewed = await api(round).newApiKey("shop-1", "primary");
      await expectRefused(old);
      expect((await api(round + 2).ask(renewed, code)).status).toBe(200);
      expect((await api(round).revoke("shop-1", "primary")).status).toBe(204);
      await expectRefused(renewed);
    }
  });
});
