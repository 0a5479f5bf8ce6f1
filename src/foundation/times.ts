/** Times and durations as text. Every number is in milliseconds; a time counts from 1970. */

export const iso = (time: number): string => new Date(time).toISOString();

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90s`, `15m`, `2h` or `30d`; undefined for any other text. */
export function readDuration(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (UNITS[unit] as number);
}

/** ISO 8601, or a time as PostgreSQL writes it: with a fraction of any length, and in UTC if it has no offset. */
const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
const UTC = /(?:z|[+-]00(?::?00)?)$/i;
const OFFSET = /([+-])(\d\d):?(\d\d)?$/;
const DATE_LENGTH = '2020-01-22'.length;

/**
 * Reads a time; undefined when the text is not one. Digits beyond the milliseconds are dropped.
 *
 * Reads each part at its fixed position: capturing groups would cause a quarter of an import's garbage.
 */
export function readTime(text: string): number | undefined {
  if (!TIME.test(text)) return undefined;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (year < 100) return undefined; // Date.UTC would read 95 as 1995
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (text.length === DATE_LENGTH) return Date.UTC(year, month - 1, day);
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = text[16] === ':' ? twoDigits(text, 17) : 0;
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  const milliseconds = text[19] === '.' ? Math.round(Number.parseFloat(text.slice(19, 23)) * 1_000) : 0;
  return Date.UTC(year, month - 1, day, hours, minutes, seconds, milliseconds) - offsetOf(text);
}

const ZERO = '0'.charCodeAt(0);

const twoDigits = (text: string, from: number): number =>
  (text.charCodeAt(from) - ZERO) * 10 + text.charCodeAt(from + 1) - ZERO;

/** Milliseconds east of Greenwich. */
function offsetOf(text: string): number {
  if (UTC.test(text)) return 0;
  const [, sign, hours, minutes = 0] = OFFSET.exec(text.slice(DATE_LENGTH)) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes)) * 60_000;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** JavaScript would read 31 February as 3 March. */
function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (DAYS[month - 1] as number);
}
