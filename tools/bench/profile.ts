/** How the time of an operation is divided between the owners of the code. */
import { Session } from "node:inspector/promises";
import type { Profiler } from "node:inspector";

const owners = [
  ["`@azure/cosmos` and its HTTP client", /\/node_modules\/(@azure\/(?!functions)|@typespec\/)/],
  ["`@azure/functions`: the request and its body", /\/node_modules\/@azure\/functions\//],
  ["the service itself, with `io-ts` and `fp-ts`", /\/build\/bench\.js$/],
] as const;
const nodeInternals = "Node.js: sockets, streams, promises, timers";
const garbageCollection = "garbage collection";

export const profiledParts = [...owners.map(([owner]) => owner), nodeInternals, garbageCollection] as const;

export type Profile = ReadonlyMap<string, number>;

/** Microseconds, by owner. */
export const profile = async (run: () => Promise<unknown>): Promise<Profile> => {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  await run();
  const { profile: recorded } = await session.post("Profiler.stop");
  session.disconnect();
  return attribute(recorded);
};

/** A sample belongs to the owner whose code is nearest to it on the stack. */
const attribute = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Profile => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const spent = new Map<string, number>();
  for (const [index, sample] of samples.entries()) {
    const { functionName = "", url = "" } = byId.get(sample)?.callFrame ?? {};
    // These samples are waiting, or the profiler itself.
    if (functionName === "(idle)" || functionName === "(program)" || url === "node:inspector") {
      continue;
    }
    let owner = functionName === "(garbage collector)" ? garbageCollection : undefined;
    for (let id: number | undefined = sample; id !== undefined && owner === undefined; id = parents.get(id)) {
      const frame = byId.get(id)?.callFrame.url ?? "";
      owner = owners.find(([, pattern]) => pattern.test(frame))?.[0];
    }
    owner ??= nodeInternals;
    spent.set(owner, (spent.get(owner) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return spent;
};
