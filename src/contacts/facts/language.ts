import Negotiator from 'negotiator';

/**
 * A language tag (BCP 47): language, extended languages, script, region of two letters, and whatever follows. Not by
 * `Intl.Locale`: it accepts `english` as a language, and replaces `tl` by `fil`, depending on the version of Node.
 */
const TAG = /^([a-z]{2,3})(?:-[a-z]{3}){0,3}(?:-[a-z]{4})?(?:-([a-z]{2}))?(?:-[a-z0-9]{1,8})*$/i;

/** A browser's setting is never longer; longer values are neither parsed nor stored. */
const MAX_LOCALE_LENGTH = 1_000;

/**
 * A language tag reduced to a language and, if it has one of two letters, a region, in lower case: `zh-Hant-TW` gives
 * `zh-tw`, `es-419` gives `es`, and `en_US` `en-us`. Undefined if the tag is malformed.
 */
export function asLanguage(tag: string): string | undefined {
  const [, language, region] = TAG.exec(tag.replaceAll('_', '-')) ?? [];
  return (region ? `${language}-${region}` : language)?.toLowerCase();
}

/**
 * The language of a raw Accept-Language value: the best tag that is a language, by quality, then by order. A `*` and
 * tags with quality 0 do not count. Undefined if there is none.
 */
export function languageOf(locale: string): string | undefined {
  if (locale.length > MAX_LOCALE_LENGTH) return undefined;
  for (const tag of new Negotiator({ headers: { 'accept-language': locale } }).languages()) {
    const language = asLanguage(tag);
    if (language !== undefined) return language;
  }
  return undefined;
}
