import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mentionsOf } from '../../src/operations/mentions';

const key = 'ada.l+news@xn--mhle-0ra.test';
const isNamedIn = mentionsOf({ addresses: [key, 'eve@mail.test'] });
const body = (text: string): Buffer => Buffer.from(text);

describe('a body', () => {
  it.each([
    ['a field', '{"email":"ada.l+news@xn--mhle-0ra.test"}'],
    ['another spelling', '{"email":"  Ada.L+News@MÜHLE.test "}'],
    ['escapes', '{"email":"\\u0061da.l\\u002bnews\\u0040m\\u00fchle.test"}'],
    ['JSON inside JSON', JSON.stringify({ Message: JSON.stringify({ data: { email: 'Ada.L+news@mühle.test' } }) })],
    ['JSON three levels deep', JSON.stringify(JSON.stringify(JSON.stringify({ email: 'eve@mail.test' })))],
    ['the first of two fields of one name', '{"email":"eve@mail.test","email":"other@mail.test"}'],
    ['a name of a field', '{"eve@mail.test":1}'],
    ['a URL', '{"source_url":"https://site.test/?email=eve@mail.test&x=1"}'],
    ['an encoded URL', '{"source_url":"https://site.test/?email=ada.l%2Bnews%40m%C3%BChle.test"}'],
    ['a mail link', '<a href="mailto:eve@mail.test">'],
    ['text that is not JSON', 'sent to Eve@mail.test.\nBye'],
    ['a line of text in JSON', '{"reason":"write to\\neve@mail.test"}'],
    ['quotes of another language', "{'email': 'eve@mail.test'}"],
    ['200,000 levels', `${'['.repeat(200_000)}"eve@mail.test"`],
  ])('names an address in %s', (_, text) => {
    expect(isNamedIn(body(text))).toBe(true);
  });

  it('names an address in UTF-16, and beside bytes that are no text', () => {
    expect(isNamedIn(Buffer.from('{"email":"eve@mail.test"}', 'utf16le'))).toBe(true);
    expect(isNamedIn(Buffer.concat([Buffer.from([0xff, 0xfe, 0xc3]), body('"eve@mail.test"')]))).toBe(true);
  });

  it.each([
    '{"email":"xeve@mail.test"}',
    '{"email":"e.eve@mail.test"}',
    '{"email":"x+eve@mail.test"}',
    '{"email":"x=eve@mail.test"}',
    '{"email":"eve@mail.test.other"}',
    '{"email":"eve@mail.testing"}',
    '{"email":"eve@other.mail.test"}',
    '{"email":"eve"}',
    '{"email":"adal+news@mühle.test"}',
    '@@@@',
    '%',
    '',
  ])('does not name an address that is a part of another one: %s', (text) => {
    expect(isNamedIn(body(text))).toBe(false);
  });

  it('names accounts, with and without dashes, and tokens', () => {
    const names = {
      addresses: [],
      uids: ['9f3c1a7be2d84c06b5a1e0774cd2f8aa'],
      tokens: ['0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11'],
    };
    const finds = mentionsOf(names);
    for (const text of [
      '{"uid":"9F3C1A7BE2D84C06B5A1E0774CD2F8AA"}',
      '{"uid":"9f3c1a7b-e2d8-4c06-b5a1-e0774cd2f8aa"}',
      '{"token":"0D3E5B52-6d0e-4f0e-8a55-2a2f5f0c7e11"}',
    ]) {
      expect(finds(body(text))).toBe(true);
    }
    expect(finds(body('{"uid":"9f3c1a7be2d84c06b5a1e0774cd2f8ab"}'))).toBe(false);
  });

  it('may be anything: the search never throws, and finds an address between any two texts that end it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary' }), (bytes, text) => {
        isNamedIn(Buffer.from(bytes));
        expect(isNamedIn(body(`${text} "eve@mail.test" ${text}`))).toBe(true);
        expect(isNamedIn(body(JSON.stringify({ [text]: JSON.stringify([text, 'Eve@Mail.test', text]) })))).toBe(true);
      }),
    );
  });

  it('is searched in time that grows with its length: 4 MiB of what an address is made of', () => {
    const repeated = (text: string): string => text.repeat(Math.ceil((4 * 1_024 * 1_024) / text.length));
    for (const text of ['=', '@', 'eve@', '=eve@mail.test.', '\\', '%40', '\\u0040', '[']) {
      isNamedIn(body(repeated(text)));
    }
  }, 60_000);
});
