import { describe, expect, it } from '@jest/globals';
import { asLanguage, languageOf } from '../../src/contacts/facts/language';

describe('the language of a locale', () => {
  it.each([
    ['de', 'de'],
    ['fr-CA,fr;q=0.8,en;q=0.5', 'fr-ca'],
    ['EN-us, en; q=0.9 ,*;q=0.1', 'en-us'],
    ['en;q=0.5,de;q=0.9', 'en'],
    [' , ,ast;q=1.0,', 'ast'],
    ['de\t;\tq=0.3333', 'de'],
    ['nb-NO,zh-Hans-CN;q=0.5,es-419;q=0.4', 'nb-no'],
  ])('is the first tag of %j', (locale, language) => {
    expect(languageOf(locale)).toBe(language);
  });

  it.each([
    '',
    ' ',
    ',',
    '*',
    'en_US',
    'zh-Hans-CN',
    'es-419',
    'i-klingon',
    'x',
    'english',
    'en;q=2',
    'en;q=',
    'en;level=1',
    'en de',
    'de,en_US',
    'de\0',
    'de\n',
    'dé',
    `de${',en'.repeat(400)}`,
  ])('is unknown for %.30j', (locale) => {
    expect(languageOf(locale)).toBeUndefined();
  });

  it.each([
    ['pt-BR', 'pt-br'],
    ['pt-BR\n', undefined],
    ['pt_BR', undefined],
    ['', undefined],
  ])('and a single tag: %j gives %j', (tag, language) => {
    expect(asLanguage(tag)).toBe(language);
  });
});
