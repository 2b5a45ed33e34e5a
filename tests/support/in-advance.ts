import { startSideBySide } from "../../tools/support/side-by-side";

/**
 * What the tests of a file wait for runs side by side, before the first of them. A task is given where a test is
 * described, in whose turn its result is ready.
 *
 * @param lanes how many tasks are under way at once.
 */
export const makeInAdvance = (lanes: number): (<A>(task: () => Promise<A>) => () => Promise<A>) => {
  const tasks: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    await Promise.allSettled(startSideBySide(tasks, lanes));
  }, 240_000);
  return (task) => {
    let started: ReturnType<typeof task> | undefined;
    const start = (): ReturnType<typeof task> => (started ??= task());
    tasks.push(start);
    return start;
  };
};
