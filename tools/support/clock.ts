/** A clock that stands still until a test advances it. */
export interface Clock {
  (): Date;
  advance(seconds: number): void;
}

export const makeClock = (start = new Date("2026-03-01T10:00:00.000Z")): Clock => {
  let now = start.getTime();
  const clock = (): Date => new Date(now);
  return Object.assign(clock, {
    advance: (seconds: number): void => {
      now += seconds * 1000;
    },
  });
};
