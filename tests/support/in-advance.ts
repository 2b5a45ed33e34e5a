import { startSideBySide } from "../../tools/support/side-by-side";

interface InAdvance {
  /** Gives, for the test that looks at it, what comes of a task. */
  readonly inAdvance: <A>(task: () => Promise<A>) => () => Promise<A>;
  /** As `it`, or as `it.skip` where what the test needs is not there. */
  readonly itInAdvance: (name: string, task: () => Promise<void>, isThere?: boolean) => void;
}

/**
 * What the tests of a file wait for runs side by side, before the first of them.
 *
 * @param lanes how many tasks are under way at once.
 */
export const makeInAdvance = (lanes: number): InAdvance => {
  const tasks: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    await Promise.allSettled(startSideBySide(tasks, lanes));
  }, 300_000);
  const inAdvance = <A>(task: () => Promise<A>): (() => Promise<A>) => {
    let started: Promise<A> | undefined;
    const start = (): Promise<A> => (started ??= task());
    tasks.push(start);
    return start;
  };
  return {
    inAdvance,
    itInAdvance: (name, task, isThere = true) => {
      if (isThere) {
        it(name, inAdvance(task));
      } else {
        it.skip(name, task);
      }
    },
  };
};
