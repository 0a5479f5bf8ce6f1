import type { Time } from '../contacts/event';

/** ISO 8601 or as PostgreSQL writes it: a fraction of any length, and UTC where no offset is given. */
const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?\s?(Z|[+-]\d\d(?::?\d\d)?)?$/i;
const DAY = /^\d{4}-\d\d-\d\d$/;

/** Milliseconds since 1970; undefined when the text is no time. Digits beyond the milliseconds are dropped. */
export function readTime(text: string): Time | undefined {
  const parts = TIME.exec(text);
  if (!parts) return DAY.test(text) ? existing(Date.parse(`${text}T00:00:00Z`), text) : undefined;
  const [, day, minutes, seconds = ':00', fraction = '', offset = 'Z'] = parts;
  const zone = /^z$/i.test(offset) ? 'Z' : `${offset.slice(0, 3)}:${offset.slice(3).replace(':', '') || '00'}`;
  const local = `${day}T${minutes}${seconds}${fraction === '' ? '' : fraction.padEnd(4, '0').slice(0, 4)}`;
  if (existing(Date.parse(`${day}T00:00:00Z`), day as string) === undefined) return undefined;
  return known(Date.parse(local + zone));
}

/** JavaScript takes 31 February for 3 March. */
function existing(at: number, day: string): Time | undefined {
  return Number.isNaN(at) || !new Date(at).toISOString().startsWith(day) ? undefined : at;
}

const known = (at: number): Time | undefined => (Number.isNaN(at) ? undefined : at);
