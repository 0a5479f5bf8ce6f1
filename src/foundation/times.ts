import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment, as one types it: ISO 8601 (UTC when it says nothing else), or so long ago, such as `2h` or `30d`. */
export function parseWhen(text: string): Date {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) return new Date(Date.now() - Number(amount) * (UNITS[unit] ?? 0));
  const zoned = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const at = new Date(zoned?.[1] && !zoned[4] ? `${text}Z` : text);
  if (!zoned || Number.isNaN(at.getTime()) || !isDay(text.slice(0, 10))) {
    throw new InvalidArgumentError(
      'It is a time like 2026-01-21 or 2026-01-21T10:00Z, or an age like 90s, 15m, 2h, 30d.',
    );
  }
  return at;
}

/** JavaScript takes 31 February for 3 March. */
const isDay = (date: string): boolean => new Date(`${date}T00:00Z`).toISOString().startsWith(date);
