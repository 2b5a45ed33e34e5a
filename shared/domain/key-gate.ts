/**
 * Anybody can make up an API key that names a merchant, and each costs the store reads. So an instance has a budget for keys
 * that it does not know: it refuses what exceeds it without a read, and a flood takes nothing from the merchants. Nothing here
 * lets a key in: the store decides about each one.
 */
import type { ApiKeyHash, PresentedApiKey } from "./api-key";
import type { Keyrings } from "./keyring";

/** Each costs two reads: the merchant's keys, and the OTP. */
export const strangersPerSecond = 25;
const rememberedForMs = 3_600_000;
const maxRemembered = 10_000;

export interface KeyGate {
  /** Whether the store may be asked about a key: always if this service made it, otherwise as long as the budget lasts. */
  admits(presented: PresentedApiKey): boolean;
  /** What the store says of a key. */
  note(presented: PresentedApiKey, isInForce: boolean): void;
}

/** @param now in ms, of a clock that nobody sets. */
export const makeKeyGate = (
  { first, second }: Keyrings,
  now: () => number = () => performance.now(),
): KeyGate => {
  /** When each key was last seen in force, the longest ago first. It spares a merchant's next call the seal. */
  const known = new Map<ApiKeyHash, number>();
  let budget = strangersPerSecond;
  let filledAt = now();

  const isSealed = (presented: PresentedApiKey): boolean =>
    first.isSealed(presented) || second?.isSealed(presented) === true;
  const isKnown = ({ hash }: PresentedApiKey): boolean =>
    now() - (known.get(hash) ?? -Infinity) < rememberedForMs;
  const spend = (): boolean => {
    const time = now();
    budget = Math.min(strangersPerSecond, budget + ((time - filledAt) / 1000) * strangersPerSecond);
    filledAt = time;
    if (budget < 1) {
      return false;
    }
    budget -= 1;
    return true;
  };

  return {
    admits: (presented) => isKnown(presented) || isSealed(presented) || spend(),
    note: ({ hash }, isInForce) => {
      known.delete(hash);
      if (!isInForce) {
        return;
      }
      known.set(hash, now());
      const [oldest] = known.keys();
      if (known.size > maxRemembered && oldest !== undefined) {
        known.delete(oldest);
      }
    },
  };
};
