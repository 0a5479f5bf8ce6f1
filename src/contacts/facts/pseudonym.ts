/**
 * Pseudonyms keep other people's facts in place after an erasure. They match no real key: an address has an @, and a uid
 * consists of hexadecimal digits.
 */
import { compareText, greatest } from './order';

export const isPseudonym = (key: string): boolean => /^[^@]*[!~][^@]*$/.test(key);

/** A key as readers may see it: null in place of a pseudonym. */
export const shownKey = <K extends string | null>(key: K): K | null => (key !== null && isPseudonym(key) ? null : key);

/** @param name never used before, random, and of the same length each time */
export const addressPseudonym = (name: string): string => `~${name}`;

/**
 * A pseudonym that sorts like the uid among the uids that share an address with it. The order matters: of claims on one
 * address at one time, the claim of the greater uid is the later one. The pseudonym comes directly before the uid. It
 * keeps only as many leading characters of the uid as distinguish it from the next smaller uid: none in most cases, and
 * never all of them.
 *
 * @param met uids, and pseudonyms of earlier erasures
 * @param name see {@link addressPseudonym}
 */
export function accountPseudonym(uid: string, met: Iterable<string>, name: string): string {
  const smaller = greatest(
    [...met].filter((other) => other < uid),
    compareText,
  );
  const lengths = Array.from({ length: uid.length }, (_, length) => length);
  const length = lengths.find(
    (shorter) => (smaller === undefined || uid.slice(0, shorter) > smaller) && uid.charAt(shorter) > '!',
  );
  return `${uid.slice(0, length ?? 0)}!${name}`;
}
