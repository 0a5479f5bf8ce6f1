import { z } from 'zod';

export const MAX_NEWSLETTERS = 1_000;
const MAX_NEWSLETTER_NAME = 100;

/** PostgreSQL stores no U+0000, and no UTF-8 text has half of a surrogate pair. */
const UNSTORABLE = /[\0\p{Cs}]/u;
const CONTROL_OR_UNSTORABLE = /[\p{Cc}\p{Cs}]/u;

export function isStorable(text: string): boolean {
  return !UNSTORABLE.test(text);
}

/** Text that is kept whole. No bound of its own: add `.max()`, or `cut` what was read. */
export const Text = z.string().refine(isStorable, 'has U+0000 or half of a surrogate pair');

/** The first `max` UTF-16 code units of a text, one fewer where the cut would halve a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}

// `__proto__` is refused because it is no key of a plain object: a JSON body keyed by names would lose it.
function isNewsletterName(name: string): boolean {
  return name.trim() === name && name !== '__proto__' && !CONTROL_OR_UNSTORABLE.test(name);
}

export const NewsletterName = z
  .string()
  .min(1)
  .max(MAX_NEWSLETTER_NAME)
  .refine(isNewsletterName, 'must have no white space at its ends and no control characters');

/** The names by which the sites know newsletters. */
export const NewsletterNames = z.array(NewsletterName).max(MAX_NEWSLETTERS);

/** Each name once, in the order of first mention. */
export function distinct(names: readonly string[] | null | undefined): string[] {
  return [...new Set(names)];
}
