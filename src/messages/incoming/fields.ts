/** Fields that both streams and imports have. */
import { hash } from 'node:crypto';
import { getAlpha2Codes } from 'i18n-iso-countries/index';
import { z } from 'zod';
import type { Time } from '../../contacts/facts/event';
import { MAX_PROBLEMS } from './decoded';

/** FxA and the newsletters are younger; an earlier time usually means seconds instead of milliseconds. */
const EARLIEST: Time = Date.UTC(2010, 0, 1);

/** Milliseconds that a producer's clock may be ahead of ours. */
const MAX_AHEAD = 24 * 60 * 60 * 1_000;

/** Float seconds, as in `ts` and `iat`, to the nearest millisecond. */
export function fromSeconds(seconds: number): Time {
  return Math.round(seconds * 1_000);
}

/** Says what is wrong with a time; undefined if it is plausible. */
export function timeProblem(at: Time, now: Time, earliest = EARLIEST): string | undefined {
  if (at < earliest) return `is before ${new Date(earliest).getUTCFullYear()}`;
  if (at > now + MAX_AHEAD) return 'is more than a day ahead';
  return undefined;
}

/** Absent, null, or a text of white space: ordinary ways to say nothing. */
export function isBlank(sent: unknown): boolean {
  return sent === undefined || sent === null || (typeof sent === 'string' && sent.trim() === '');
}

/** Excludes Infinity, which JSON can express as 1e999. */
export const isNumber = (sent: unknown): sent is number => typeof sent === 'number' && Number.isFinite(sent);

/** ISO 3166-1 codes of two and of three letters, lower-case, to the code of two letters, lower-case. */
const ALPHA_2 = new Map(
  Object.entries(getAlpha2Codes()).flatMap(([two, three]) =>
    [two, three].map((code) => [code.toLowerCase(), two.toLowerCase()]),
  ),
);

/** The ISO 3166-1 alpha-2 code, lower-case, of a code of two or three letters; undefined if the country does not exist. */
export function countryOf(code: string): string | undefined {
  return ALPHA_2.get(code.trim().toLowerCase());
}

/** PostgreSQL cannot store U+0000, and UTF-8 cannot encode half of a surrogate pair. */
const UNSTORABLE = /[\0\p{Cs}]/u;
const CONTROL_OR_UNSTORABLE = /[\p{Cc}\p{Cs}]/u;

const isStorable = (text: string): boolean => !UNSTORABLE.test(text);

/**
 * The longest stored texts, in UTF-16 code units. Longer ones are cut, so that no message is lost because of its
 * length.
 */
export const MAX_NAME = 255;
export const MAX_SERVICE = 255;
export const MAX_SOURCE = 2_000;
export const MAX_REASON = 1_000;

/** A text as it is stored: trimmed, and cut at a code point. Undefined if nothing is left, or if it cannot be stored. */
export function tidy(text: string, max: number): string | undefined {
  const kept = cut(text.trim(), max).trimEnd();
  return kept !== '' && isStorable(kept) ? kept : undefined;
}

/** The format of mails, `H` or `T`; undefined for any other text. */
export function formatOf(text: string): string | undefined {
  const format = text.trim().toUpperCase();
  return format === 'H' || format === 'T' ? format : undefined;
}

/** Text of any length: bound it with `.max()`, or `cut` it once it is read. */
export const Text = z.string().refine(isStorable, 'has U+0000 or half of a surrogate pair');

/** The first `max` UTF-16 code units of a text, one fewer where the cut would halve a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}

export const MAX_NEWSLETTERS = 1_000;
const MAX_NEWSLETTER_NAME = 100;

// `__proto__` is refused because assigning it to a plain object adds no key: a JSON body keyed by names would lose it.
function isNewsletterName(name: string): boolean {
  return name.trim() === name && name !== '__proto__' && !CONTROL_OR_UNSTORABLE.test(name);
}

export const NewsletterName = z
  .string()
  .min(1)
  .max(MAX_NEWSLETTER_NAME)
  .refine(isNewsletterName, 'must have no white space at its ends and no control characters');

export interface ReadNewsletters {
  /** Each name once, trimmed, in the order of first mention. */
  names: string[];
  /**
   * The problems of names that could not be understood. Such a name is never cut, because another newsletter may have
   * the shorter name.
   */
  problems: string[];
  /** There were too many names; the rest was not read. */
  isCut?: true;
}

/** Reads a list of newsletters. Absent and null are empty, and blank names are skipped. */
export function readNewsletters(sent: unknown, field = 'newsletters'): ReadNewsletters {
  if (sent === undefined || sent === null) return { names: [], problems: [] };
  if (!Array.isArray(sent)) return { names: [], problems: [`${field}: must be a list of names`] };
  const names = new Set<string>();
  const problems: string[] = [];
  for (const [index, value] of sent.entries()) {
    const name = typeof value === 'string' ? value.trim() : (value ?? '');
    if (name === '') continue;
    const problem = newsletterProblem(name);
    // Only the first problems are shown: a hundred thousand faults are not worth a text each.
    if (problem !== undefined)
      problems.push(problems.length < MAX_PROBLEMS ? `${field}.${index}: ${problem}` : problem);
    else if (names.size < MAX_NEWSLETTERS || names.has(name)) names.add(name);
    else {
      problems.push(`${field}: has more than ${MAX_NEWSLETTERS} names`);
      return { names: [...names], problems, isCut: true };
    }
  }
  return { names: [...names], problems };
}

/** Says why a trimmed value cannot be a newsletter's name. */
function newsletterProblem(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'must be a string';
  if (name.length > MAX_NEWSLETTER_NAME) return `has more than ${MAX_NEWSLETTER_NAME} characters`;
  return isNewsletterName(name) ? undefined : 'has control characters, or is a reserved word';
}

/** The most bytes of an AMQP short string. */
const MAX_ID_LENGTH = 255;

/**
 * The event's id for tracing: the first usable candidate, else a SHA-256 (hexadecimal) over the event's content.
 * An unusable candidate is skipped, not refused, because no decision depends on the id.
 *
 * @param content read only if no candidate is usable; JSON values in a fixed order
 */
export function traceId(candidates: readonly unknown[], content: () => unknown[]): string {
  return givenId(candidates) ?? hash('sha256', JSON.stringify(content()));
}

/** The first candidate that is a storable text of 1 to 255 characters. */
export function givenId(candidates: readonly unknown[]): string | undefined {
  return candidates.find(
    (id): id is string => typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH && isStorable(id),
  );
}
