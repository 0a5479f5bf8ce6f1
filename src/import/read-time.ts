import type { Time } from '../contacts/event';

/** ISO 8601 or as PostgreSQL writes it: a fraction of any length, and UTC where no offset is given. */
const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?\s?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?)?$/i;

/** Milliseconds since 1970; undefined when the text is no time. Digits beyond the milliseconds are dropped. */
export function readTime(text: string): Time | undefined {
  const parts = TIME.exec(text);
  if (!parts) return undefined;
  const number = (group: number): number => Number(parts[group] ?? 0);
  const [year, month, day, hours, minutes, seconds] = [1, 2, 3, 4, 5, 6].map(number) as [number, ...number[]];
  if (!month || month > 12 || !day || day > daysIn(year, month)) return undefined;
  if ((hours ?? 0) > 23 || (minutes ?? 0) > 59 || (seconds ?? 0) > 59) return undefined;
  const milliseconds = Number((parts[7] ?? '').slice(1, 4).padEnd(3, '0'));
  const offset = (parts[8] === '-' ? -1 : 1) * (number(9) * 60 + number(10));
  return Date.UTC(year, month - 1, day, hours, minutes, seconds, milliseconds) - offset * 60_000;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** JavaScript would take 31 February for 3 March. */
function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (DAYS[month - 1] as number);
}
