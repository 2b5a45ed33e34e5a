/**
 * Starts tasks that mostly wait, a few at a time, and gives the promise of each: a test then only looks at its own.
 *
 * @param lanes how many are under way at once.
 */
export const startSideBySide = <A>(
  tasks: readonly (() => Promise<A>)[],
  lanes: number,
): readonly Promise<A>[] => {
  const started: Promise<A>[] = [];
  for (const [index, task] of tasks.entries()) {
    const before = started[index - lanes] ?? Promise.resolve();
    const made = before.then(task, task);
    // The test that looks at it fails. Until then nobody does.
    made.catch(() => undefined);
    started.push(made);
  }
  return started;
};
