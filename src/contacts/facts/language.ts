/** A language as Basket accepts it: two or three letters, optionally a region of two. */
const LANGUAGE = /^[a-z]{2,3}(?:-[a-z]{2})?$/i;

/** One element of Accept-Language (RFC 9110, section 12.5.4): a range, optionally a weight, white space around both. */
const ELEMENT = /^[ \t]*([a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)[ \t]*(?:;[ \t]*q=(?:0|1)(?:\.[0-9]*)?[ \t]*)?$/i;
const EMPTY_ELEMENT = /^[ \t]*$/;

/** A browser's setting is never longer; longer values are neither parsed nor stored. */
const MAX_LOCALE_LENGTH = 1_000;

/** A language tag in lower-case, such as `fr` or `pt-br`; undefined if it is malformed. */
export function asLanguage(tag: string): string | undefined {
  return LANGUAGE.test(tag) ? tag.toLowerCase() : undefined;
}

/**
 * The language of a raw Accept-Language value: its first tag, lower-case. Weights are ignored, because browsers send tags
 * in falling order. `fr-CA,fr;q=0.8,en;q=0.5` gives `fr-ca`.
 *
 * Undefined if the value cannot be parsed or its first tag is not a language as above (`*`, `zh-Hans-CN`, `es-419`).
 */
export function languageOf(locale: string): string | undefined {
  if (locale.length > MAX_LOCALE_LENGTH) return undefined;
  let first: string | undefined;
  for (const element of locale.split(',')) {
    // RFC 9110, section 5.6.1: a recipient ignores empty list elements.
    if (EMPTY_ELEMENT.test(element)) continue;
    const tag = ELEMENT.exec(element)?.[1];
    if (tag === undefined) return undefined;
    first ??= tag;
  }
  return first === undefined ? undefined : asLanguage(first);
}
