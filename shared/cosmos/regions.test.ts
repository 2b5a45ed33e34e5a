import { ConsistencyLevel } from "@azure/cosmos";
import {
  hasSeveralWriteRegions,
  makeRegions,
  suspicionMs,
  type AccountRegions,
  type Regions,
} from "./regions";

const name = "https://account.example";
const a = "https://account-a.example";
const b = "https://account-b.example";
const c = "https://account-c.example";

const describeAccount = (
  write: readonly string[],
  read: readonly string[] = write,
  consistencyPolicy = ConsistencyLevel.Strong,
  enableMultipleWritableLocations = write.length > 1,
): AccountRegions => {
  // The account lists its endpoints with a port and a slash.
  const toLocations = (endpoints: readonly string[]): AccountRegions["writableLocations"] =>
    endpoints.map((endpoint) => ({ name: endpoint, databaseAccountEndpoint: `${endpoint}:443/` }));
  return {
    consistencyPolicy,
    enableMultipleWritableLocations,
    writableLocations: toLocations(write),
    readableLocations: toLocations(read),
  };
};

const undivided = describeAccount([a], [a, b]);

/** Where the next reads go when none of them gets an answer. */
const readsInVain = (regions: Regions, count: number): readonly string[] =>
  Array.from({ length: count }, () => {
    const endpoint = regions.forRead();
    regions.note(endpoint, false, "useless");
    return endpoint;
  });

describe("the regions of an account", () => {
  let time: number;
  let regions: Regions;
  beforeEach(() => {
    time = 1_000;
    regions = makeRegions(name, () => time);
  });

  it("are unknown until the account is read, under its own name", () => {
    expect(regions.forAccount()).toEqual([name]);
    regions.follow(undivided);
    expect(regions.forAccount()).toEqual([name, a, b]);
  });

  it("take reads and writes in the write region while it answers", () => {
    regions.follow(undivided);
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
    regions.note(b, false, "useless");
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it("are the account's own name while the account lists none", () => {
    regions.follow(describeAccount([], []));
    expect([regions.forRead(), regions.forWrite()]).toEqual([name, name]);
  });

  it("stay as they were when the account stops listing any", () => {
    regions.follow(undivided);
    regions.follow(describeAccount([], []));
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it("take reads elsewhere while the write region does not answer, but writes still go there", () => {
    regions.follow(undivided);
    regions.note(a, false, "useless");
    expect([regions.forRead(), regions.forRead(), regions.forWrite()]).toEqual([b, b, a]);
    regions.note(a, false, "useful");
    expect(regions.forRead()).toBe(a);
  });

  it("are left for what a retry in place may mend only when it comes twice in a row", () => {
    regions.follow(undivided);
    regions.note(a, true, "passing");
    expect([regions.forRead(), regions.failedWriteAt(undivided)]).toEqual([a, undefined]);
    regions.note(a, true, "useful");
    regions.note(a, true, "passing");
    expect(regions.forRead()).toBe(a);
    regions.note(a, true, "passing");
    expect([regions.forRead(), regions.failedWriteAt(undivided)]).toEqual([b, time]);
  });

  it("stay suspected when a write, or a read that was sent before, is answered", () => {
    regions.follow(undivided);
    regions.note(a, false, "useless");
    regions.note(a, true, "useful", time + 1);
    regions.note(a, false, "useful", time - 1);
    expect(regions.forRead()).toBe(b);
    regions.note(a, false, "useful", time);
    expect(regions.forRead()).toBe(a);
  });

  it("take reads also where they take no writes", () => {
    regions.follow(undivided);
    regions.note(a, true, "read-only");
    expect([regions.forRead(), regions.failedWriteAt(undivided)]).toEqual([a, time]);
    regions.note(a, false, "useful");
    expect(regions.failedWriteAt(undivided)).toBe(time);
    regions.note(a, true, "useful");
    expect(regions.failedWriteAt(undivided)).toBeUndefined();
  });

  it("are tried again by one request after a while", () => {
    regions.follow(undivided);
    regions.note(a, false, "useless");
    time += suspicionMs - 1;
    expect(regions.forRead()).toBe(b);
    time += 1;
    expect([regions.forRead(), regions.forRead(), regions.forRead()]).toEqual([a, b, b]);
    regions.note(a, false, "useful");
    expect(regions.forRead()).toBe(a);
  });

  it("are tried in turn while none answers", () => {
    regions.follow(describeAccount([a], [a, b, c]));
    const tried = readsInVain(regions, 3);
    expect(tried).toEqual([a, b, c]);
    time += 1;
    expect(regions.forRead()).toBe(a);
    time += 1;
    expect(regions.forRead()).toBe(b);
    time += 1;
    expect(regions.forRead()).toBe(c);
  });

  it("can each describe the account when its own name does not answer", () => {
    regions.follow(undivided);
    regions.note(a, false, "useless");
    expect(regions.forAccount()).toEqual([name, b, a]);
  });

  it.each([ConsistencyLevel.BoundedStaleness, ConsistencyLevel.Session, ConsistencyLevel.Eventual])(
    "take reads in the write region only, with %s consistency",
    (consistency) => {
      regions.follow(describeAccount([a], [a, b], consistency));
      expect(readsInVain(regions, 2)).toEqual([a, a]);
    },
  );

  it("follow the only write region through a failover and back", () => {
    regions.follow(undivided);
    regions.follow(describeAccount([b], [b, a]));
    expect([regions.forRead(), regions.forWrite()]).toEqual([b, b]);
    regions.follow(undivided);
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it.each<[string, AccountRegions, string | undefined]>([
    ["a second one is added", describeAccount([a, b]), a],
    ["a second one is added before it", describeAccount([b, a]), undefined],
    [
      "only another one remains of several",
      describeAccount([b], [b], ConsistencyLevel.Session, true),
      undefined,
    ],
    ["only this one remains of several", describeAccount([a], [a], ConsistencyLevel.Session, true), a],
    ["none remains of several", describeAccount([], [], ConsistencyLevel.Session, true), a],
    [
      "the account lists two, though it allows only one",
      describeAccount([b, a], [b], undefined, false),
      undefined,
    ],
  ])("do not move writes to another region when %s", (_, account, written) => {
    regions.follow(undivided);
    regions.follow(account);
    expect(regions.forWrite()).toBe(written);
    expect(readsInVain(regions, 2)).toEqual([a, a]);
    regions.follow(account);
    expect(regions.forWrite()).toBe(written);
  });

  it("start with the first of several for an instance that knew none", () => {
    regions.follow(describeAccount([b, a]));
    expect([regions.forRead(), regions.forWrite()]).toEqual([b, b]);
    regions.follow(describeAccount([a, b]));
    expect([regions.forRead(), regions.forWrite()]).toEqual([b, undefined]);
  });

  it.each([
    [[a], false, false],
    [[a, b], false, true],
    [[a], true, true],
  ])(
    "are checked for several write regions: the account lists %j, and its flag is %s",
    (write, says, several) => {
      const account = describeAccount(write, write, ConsistencyLevel.Session, says);
      expect(hasSeveralWriteRegions(account)).toBe(several);
    },
  );
});
