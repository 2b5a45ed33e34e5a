import { ConsistencyLevel } from "@azure/cosmos";
import { hasSeveralWriteRegions, makeRegions, suspicionMs } from "./regions";
import type { AccountRegions, Regions } from "./regions";

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
  // As the account writes them: with a port and a slash.
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

/** Where the next reads go, each of which ends in nothing. */
const readsInVain = (regions: Regions, count: number): readonly string[] =>
  Array.from({ length: count }, () => {
    const endpoint = regions.forRead();
    regions.suspect(endpoint);
    return endpoint;
  });

describe("the regions of an account", () => {
  let time: number;
  let regions: Regions;
  beforeEach(() => {
    time = 1_000;
    regions = makeRegions(name, () => time);
  });

  it("are not known before the account is read, from its own name", () => {
    expect(regions.areKnown()).toBe(false);
    expect(regions.forAccount()).toBe(name);
    regions.follow(undivided);
    expect(regions.areKnown()).toBe(true);
  });

  it("are read from and written to where the account writes, as long as it answers", () => {
    regions.follow(undivided);
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
    regions.suspect(b);
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it("are the account's own name while it names none", () => {
    regions.follow(describeAccount([], []));
    expect([regions.forRead(), regions.forWrite()]).toEqual([name, name]);
  });

  it("stay as they are while the account names none any more", () => {
    regions.follow(undivided);
    regions.follow(describeAccount([], []));
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it("are read from elsewhere while the write region gives no answer, and written to all the same", () => {
    regions.follow(undivided);
    regions.suspect(a);
    expect([regions.forRead(), regions.forRead(), regions.forWrite()]).toEqual([b, b, a]);
    regions.trust(a);
    expect(regions.forRead()).toBe(a);
  });

  it("have one request try, after a while, whether a region answers again", () => {
    regions.follow(undivided);
    regions.suspect(a);
    time += suspicionMs - 1;
    expect(regions.forRead()).toBe(b);
    time += 1;
    expect([regions.forRead(), regions.forRead(), regions.forRead()]).toEqual([a, b, b]);
    regions.trust(a);
    expect(regions.forRead()).toBe(a);
  });

  it("are each tried in turn while none answers", () => {
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

  it("can each tell what the account says, if its own name leads nowhere", () => {
    regions.follow(undivided);
    expect(regions.countForAccount()).toBe(3);
    regions.suspect(name);
    regions.suspect(a);
    expect(regions.forAccount()).toBe(b);
  });

  it.each([ConsistencyLevel.BoundedStaleness, ConsistencyLevel.Session, ConsistencyLevel.Eventual])(
    "are read from in one place with %s consistency",
    (consistency) => {
      regions.follow(describeAccount([a], [a, b], consistency));
      expect(readsInVain(regions, 2)).toEqual([a, a]);
    },
  );

  it("are followed where the only write region is, there and back", () => {
    regions.follow(undivided);
    regions.follow(describeAccount([b], [b, a]));
    expect([regions.forRead(), regions.forWrite()]).toEqual([b, b]);
    regions.follow(undivided);
    expect([regions.forRead(), regions.forWrite()]).toEqual([a, a]);
  });

  it.each<[string, AccountRegions, string | undefined]>([
    ["a second one is added", describeAccount([a, b]), a],
    ["a second one is added before it", describeAccount([b, a]), undefined],
    ["another is left of several", describeAccount([b], [b], ConsistencyLevel.Session, true), undefined],
    ["it is left of several", describeAccount([a], [a], ConsistencyLevel.Session, true), a],
    ["none is left of several", describeAccount([], [], ConsistencyLevel.Session, true), a],
    ["two are listed, though there may be one", describeAccount([b, a], [b], undefined, false), undefined],
  ])("are not left for another write region when %s", (_, account, written) => {
    regions.follow(undivided);
    regions.follow(account);
    expect(regions.forWrite()).toBe(written);
    expect(readsInVain(regions, 2)).toEqual([a, a]);
    regions.follow(account);
    expect(regions.forWrite()).toBe(written);
  });

  it("are the first of several for an instance that has not known another", () => {
    regions.follow(describeAccount([b, a]));
    expect([regions.forRead(), regions.forWrite()]).toEqual([b, b]);
    regions.follow(describeAccount([a, b]));
    expect([regions.forRead(), regions.forWrite()]).toEqual([b, undefined]);
  });

  it.each([
    [[a], false, false],
    [[a, b], false, true],
    [[a], true, true],
  ])("are several to write to: %j, and the account says so: %s", (write, says, several) => {
    const account = describeAccount(write, write, ConsistencyLevel.Session, says);
    expect(hasSeveralWriteRegions(account)).toBe(several);
  });
});
