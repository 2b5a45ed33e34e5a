/** The summary of several measurements: the median, and the bounds between which half of them lie. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

/** @param part from 0 to 1. */
export const quantile = (sorted: readonly number[], part: number): number => {
  const position = (sorted.length - 1) * part;
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position % 1);
};

export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), lower: quantile(sorted, 0.25), upper: quantile(sorted, 0.75) };
};

/** `1.08 (1.05–1.12)`: the median and the quartiles. */
export const formatSpread = ({ median, lower, upper }: Spread, digits = 2): string =>
  `${median.toFixed(digits)} (${lower.toFixed(digits)}–${upper.toFixed(digits)})`;

/**
 * Measures subjects in turn, so that a slow phase of the machine slows all of them. Each round begins with another
 * subject. The first round warms up and is not counted.
 *
 * @returns for each subject, its measurement in each round.
 */
export const interleave = async <A>(
  rounds: number,
  subjects: readonly (() => Promise<A>)[],
): Promise<readonly (readonly A[])[]> => {
  const measured = subjects.map((): A[] => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [turn] of subjects.entries()) {
      const index = (round + turn) % subjects.length;
      const result = await subjects[index]?.();
      if (round > 0 && result !== undefined) {
        measured[index]?.push(result);
      }
    }
  }
  return measured;
};

/** The ratio of two subjects, round by round. */
export const ratioOf = (measured: readonly number[] = [], base: readonly number[] = []): Spread =>
  spreadOf(measured.map((value, round) => value / (base[round] ?? NaN)));
