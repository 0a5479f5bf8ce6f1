import type { Time } from '../../contacts/facts/event';

/** Neither FxA nor the newsletters are older; what says so gives seconds where milliseconds belong. */
export const EARLIEST: Time = Date.UTC(2010, 0, 1);

/** Milliseconds that a producer's clock may be ahead of ours. */
export const MAX_AHEAD = 24 * 60 * 60 * 1_000;

/** Float seconds, as `ts` and `iat` have them, to the nearest millisecond. */
export function fromSeconds(seconds: number): Time {
  return Math.round(seconds * 1_000);
}

/** What is wrong with a time; undefined when it is plausible. */
export function timeProblem(at: Time, now: Time, earliest = EARLIEST): string | undefined {
  if (at < earliest) return `is before ${new Date(earliest).getUTCFullYear()}`;
  if (at > now + MAX_AHEAD) return 'is more than a day ahead';
  return undefined;
}
