import { describe, expect, it } from '@jest/globals';
import { asLanguage, languageOf } from '../../src/contacts/facts/language';

describe('the language of an Accept-Language value', () => {
  it.each([
    ['de', 'de'],
    ['fr-CA,fr;q=0.8,en;q=0.5', 'fr-ca'],
    ['EN-us, en; q=0.9 ,*;q=0.1', 'en-us'],
    ['pt-pt,fr;q=0.8,it-it;q=0.5,de;q=0.3', 'pt-pt'],
    [' , ,ast;q=1.0,', 'ast'],
    ['de\t;\tq=0.3333', 'de'],
    ['fil-PH,fil;q=0.9', 'fil-ph'],
    ['foo,bar;q=0.5', 'foo'],
  ])('is the first tag of %j, whose tags are in falling order', (locale, language) => {
    expect(languageOf(locale)).toBe(language);
  });

  it.each([
    ['en;q=0.5,de;q=0.9', 'de'],
    ['en;q=0.5,de;q=0.9,fr;q=0.9', 'de'],
    ['en;q=0.2,de', 'de'],
    ['*,de;q=0.5', 'de'],
    ['*;q=0.9,de;q=0.5', 'de'],
    ['en;q=0,de;q=0.1', 'de'],
    ['en;q=0.000,de;q=0.001', 'de'],
  ])('is the best tag of %j by quality, then order, without `*` and quality 0', (locale, language) => {
    expect(languageOf(locale)).toBe(language);
  });

  it.each([
    ['es-419,es;q=0.9,en;q=0.8', 'es'],
    ['en_US', 'en-us'],
    ['pt_pt,fr;q=0.8,it_it;q=0.5', 'pt-pt'],
    ['ja-JP-mac,ja-JP;q=0.7,ja;q=0.3', 'ja-jp'],
    ['sr-Latn-RS,sr;q=0.8', 'sr-rs'],
    ['zh-Hant-TW', 'zh-tw'],
    ['zh-Hans-CN,zh-Hans;q=0.9', 'zh-cn'],
    ['zh-Hans', 'zh'],
    ['de-DE-1996,de;q=0.9', 'de-de'],
    ['ca-valencia,ca;q=0.8', 'ca'],
  ])('has the tag of %j reduced to a language and a region of two letters', (locale, language) => {
    expect(languageOf(locale)).toBe(language);
  });

  it.each([
    ['Chinese,zh-cn;q=0.5', 'zh-cn'],
    ['i-klingon,x,de;q=0.1', 'de'],
    ['en de,fr', 'fr'],
    ['dé,en;level=1', 'en'],
  ])('skips the tags of %j that are not languages', (locale, language) => {
    expect(languageOf(locale)).toBe(language);
  });

  it.each([
    '',
    ' ',
    ',',
    '*',
    'de;q=0',
    'en/us,en*;q=0.5',
    'i-klingon',
    'x',
    'english',
    'en de',
    'de\0',
    'de\n',
    'dé',
    '"de"',
    `de${',en'.repeat(400)}`,
  ])('is unknown for %.30j', (locale) => {
    expect(languageOf(locale)).toBeUndefined();
  });
});

describe('a single language tag', () => {
  it.each([
    ['de', 'de'],
    ['pt-BR', 'pt-br'],
    ['pt_BR', 'pt-br'],
    ['zh_Hant_TW', 'zh-tw'],
    ['es-419', 'es'],
    ['zh-cmn-Hans-CN', 'zh-cn'],
    ['sl-rozaj-biske', 'sl'],
    ['ja-JP-u-ca-japanese', 'ja-jp'],
    ['en-u-ca-buddhist', 'en'],
    ['en-x-us', 'en'],
    ['tl', 'tl'],
  ])('%j gives %j', (tag, language) => {
    expect(asLanguage(tag)).toBe(language);
  });

  it.each(['', '-', 'e', 'en-', '-us', 'en--us', 'Chinese', 'english-us', 'de,en', 'pt-BR\n', ' de', 'e\u212b'])(
    'that is malformed gives none: %j',
    (tag) => {
      expect(asLanguage(tag)).toBeUndefined();
    },
  );

  it('of any length is read in time that grows with its length only', () => {
    expect(asLanguage(`en${'-abc'.repeat(1_000_000)}!`)).toBeUndefined();
  });
});
