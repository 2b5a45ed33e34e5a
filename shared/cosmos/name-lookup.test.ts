import type { LookupAddress } from "node:dns";
import { setTimeout as pause } from "node:timers/promises";
import { lookupTiming, makeNameLookup, type NameLookup, type Resolvers } from "./name-lookup";

const timing = { patienceMs: 200, maxAgeMs: 100, secondOpinionMs: 50 };

const at = (address: string): LookupAddress[] => [{ address, family: address.includes(":") ? 6 : 4 }];

const never = new Promise<never>(() => undefined);

/** Resolvers that answer by a table; what the table does not know hangs. They count how often each name is asked for. */
const makeResolvers = (
  bySystem: Record<string, LookupAddress[] | Error>,
  byDns: Record<string, LookupAddress[]> = {},
): Resolvers & { readonly asked: string[] } => {
  const asked: string[] = [];
  return {
    asked,
    bySystem: (name) => {
      asked.push(name);
      const answer = bySystem[name];
      return answer === undefined
        ? never
        : answer instanceof Error
          ? Promise.reject(answer)
          : Promise.resolve(answer);
    },
    byDns: (name) => (byDns[name] === undefined ? never : Promise.resolve(byDns[name])),
  };
};

const lookUp = ({ lookup }: NameLookup, name: string, options = { all: true }): Promise<unknown> =>
  new Promise((resolve, reject) => {
    lookup(name, options, (error, address, family) => {
      if (error === null) {
        resolve(options.all ? address : [address, family]);
      } else {
        reject(error);
      }
    });
  });

const noAddress = { code: "ENOTFOUND" };

describe("a name", () => {
  it("that hangs is given up after a time of its own, and delays no other", async () => {
    const names = makeNameLookup(timing, makeResolvers({ "b.test": at("10.0.0.2") }));
    const start = performance.now();
    const hanging = expect(lookUp(names, "a.test")).rejects.toMatchObject(noAddress);
    expect(await lookUp(names, "b.test")).toEqual(at("10.0.0.2"));
    expect(performance.now() - start).toBeLessThan(timing.patienceMs);
    await hanging;
    expect(performance.now() - start).toBeGreaterThan(timing.patienceMs - 10);
  });

  it("that hangs is looked up once at a time, however many connections want it, and then refused at once", async () => {
    const resolvers = makeResolvers({});
    const names = makeNameLookup(timing, resolvers);
    await Promise.allSettled(Array.from({ length: 20 }, () => lookUp(names, "a.test")));
    const start = performance.now();
    await expect(lookUp(names, "a.test")).rejects.toMatchObject(noAddress);
    expect(performance.now() - start).toBeLessThan(timing.patienceMs / 2);
    expect(resolvers.asked).toEqual(["a.test"]);
  });

  it("that hangs for the system is asked of DNS, past the pool in which the system's look-ups wait", async () => {
    const names = makeNameLookup(timing, makeResolvers({}, { "a.test": at("10.0.0.1") }));
    expect(await lookUp(names, "a.test")).toEqual(at("10.0.0.1"));
  });

  it("that the system resolves is not asked of DNS", async () => {
    const byDns = jest.fn(() => never);
    const names = makeNameLookup(timing, { ...makeResolvers({ "a.test": at("10.0.0.1") }), byDns });
    await lookUp(names, "a.test");
    await pause(2 * timing.secondOpinionMs);
    expect(byDns).not.toHaveBeenCalled();
  });

  it("keeps its last good address, which serves while a new one is looked up and when none is found", async () => {
    const table: Record<string, LookupAddress[] | Error> = { "a.test": at("10.0.0.1") };
    const resolvers = makeResolvers(table);
    const names = makeNameLookup(timing, resolvers);
    await lookUp(names, "a.test");
    table["a.test"] = new Error("nobody answers");
    await pause(timing.maxAgeMs + 20);
    expect(await lookUp(names, "a.test")).toEqual(at("10.0.0.1"));
    table["a.test"] = at("10.0.0.9");
    await pause(20);
    expect(await lookUp(names, "a.test")).toEqual(at("10.0.0.1"));
    await pause(20);
    expect(await lookUp(names, "a.test")).toEqual(at("10.0.0.9"));
    expect(resolvers.asked).toHaveLength(3);
  });

  it("is looked up before the first connection when it is prepared", async () => {
    const resolvers = makeResolvers({ "a.test": at("10.0.0.1") });
    const names = makeNameLookup(timing, resolvers);
    names.prepare("a.test");
    await pause(10);
    await lookUp(names, "a.test");
    expect(resolvers.asked).toEqual(["a.test"]);
  });

  it("without an address is refused as the system refuses it", async () => {
    const names = makeNameLookup(
      { ...timing, secondOpinionMs: 10 },
      {
        ...makeResolvers({ "a.test": new Error("ENOTFOUND a.test") }),
        byDns: () => Promise.reject(new Error("queryA ENOTFOUND a.test")),
      },
    );
    await expect(lookUp(names, "a.test")).rejects.toMatchObject({ ...noAddress, message: "no address" });
  });

  it("gives one address, and of one family, where these are asked for", async () => {
    const both = [...at("::2"), ...at("10.0.0.1")];
    const names = makeNameLookup(timing, makeResolvers({ "a.test": both }));
    expect(await lookUp(names, "a.test", { all: false })).toEqual(["::2", 6]);
    expect(await lookUp(names, "a.test", Object.assign({ all: true }, { family: 4 }))).toEqual(
      at("10.0.0.1"),
    );
    expect(await lookUp(names, "a.test", Object.assign({ all: true }, { family: "IPv6" }))).toEqual(
      at("::2"),
    );
    const onlyFour = makeNameLookup(timing, makeResolvers({ "a.test": at("10.0.0.1") }));
    await expect(
      lookUp(onlyFour, "a.test", Object.assign({ all: true }, { family: 6 })),
    ).rejects.toMatchObject(noAddress);
  });

  it("of this machine is found by the machine", async () => {
    expect(await lookUp(makeNameLookup(lookupTiming), "localhost", { all: false })).toEqual([
      expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
      expect.any(Number),
    ]);
  });

  it("that still hangs for the system is not asked of it again, while DNS keeps its address fresh", async () => {
    const resolvers = makeResolvers({}, { "a.test": at("10.0.0.1") });
    const names = makeNameLookup({ ...timing, maxAgeMs: 10 }, resolvers);
    for (let looked = 0; looked < 4; looked += 1) {
      expect(await lookUp(names, "a.test")).toEqual(at("10.0.0.1"));
      await pause(timing.secondOpinionMs + 20);
    }
    expect(resolvers.asked).toEqual(["a.test"]);
  });
});
