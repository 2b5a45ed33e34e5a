/**
 * When purchases begin. Nobody waits for a slow service before he buys: an arrival is due whether or not the ones before
 * were answered. Its latency counts from when it was due, so that a service that stands still shows in the figures
 * ("coordinated omission" is to leave that out).
 */
export interface Rise {
  /** Purchases a second after the ramp. */
  readonly rate: number;
  /** How long the rate rises from 0, in a straight line. */
  readonly rampSeconds: number;
}

/** The instant until which so many purchases are due on average. */
const instantOf = ({ rate, rampSeconds }: Rise, purchases: number): number =>
  purchases < (rate * rampSeconds) / 2
    ? Math.sqrt((2 * rampSeconds * purchases) / rate)
    : purchases / rate + rampSeconds / 2;

/**
 * The instants of a Poisson process, in seconds from the start: as independent people arrive, sometimes close together.
 *
 * @param random a number from 0 up to 1.
 */
export function* arrivals(
  rise: Rise,
  seconds: number,
  random: () => number = Math.random,
): Generator<number, undefined> {
  let purchases = 0;
  for (;;) {
    purchases -= Math.log(1 - random());
    const instant = instantOf(rise, purchases);
    if (instant >= seconds) {
      return undefined;
    }
    yield instant;
  }
}
