/**
 * Starts tasks that mostly wait, a few at a time, and gives the promise of each: a test then only looks at its own.
 *
 * @param lanes how many are under way at once.
 */
export const startSideBySide = <A>(
  tasks: readonly (() => Promise<A>)[],
  lanes: number,
): readonly Promise<A>[] => {
  const waiting: (() => void)[] = [];
  const run = async (task: () => Promise<A>, index: number): Promise<A> => {
    if (index >= lanes) {
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    try {
      return await task();
    } finally {
      waiting.shift()?.();
    }
  };
  return tasks.map((task, index) => {
    const started = run(task, index);
    // The test that looks at it fails. Until then nobody does.
    started.catch(() => undefined);
    return started;
  });
};
