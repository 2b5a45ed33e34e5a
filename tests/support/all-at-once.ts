/** As `it.each`, but the rows' cases run at the same time, in one test that names those that failed. */
export const allAtOnce =
  <Row extends readonly [string | number, ...unknown[]]>(rows: readonly Row[]) =>
  (name: string, run: (...row: Row) => Promise<void>): void => {
    it(
      name.replace("%s", "…"),
      async () => {
        const queue = [...rows];
        const failures: string[] = [];
        const lane = async (): Promise<void> => {
          for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
            const row = next;
            await run(...row).catch((error: unknown) => failures.push(`${row[0]}: ${String(error)}`));
          }
        };
        // More would wait for the processor, and not for what they test.
        await Promise.all(Array.from({ length: 10 }, lane));
        expect(failures).toEqual([]);
      },
      120_000,
    );
  };
