import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_ADDRESS_LENGTH, normaliseAddress, storedKeyOf } from '../../src/contacts/facts/address';

function keyOf(raw: string): string {
  const result = normaliseAddress(raw);
  if (!result.ok) throw new Error(result.problem);
  return result.address.key;
}

describe('one address', () => {
  it.each([
    ['letter case', 'Ada.L@Mail.TEST', 'ada.l@mail.test'],
    ['surrounding spaces', '  ada@mail.test\r\n', 'ada@mail.test'],
    ['surrounding unicode spaces and a byte order mark', '\ufeff\u00a0ada@mail.test\u3000', 'ada@mail.test'],
    ['a unicode domain', 'ada@münchen.test', 'ada@xn--mnchen-3ya.test'],
    ['a unicode domain in capitals', 'ada@MÜNCHEN.test', 'ada@xn--mnchen-3ya.test'],
    ['a unicode domain with a decomposed accent', 'ada@mu\u0308nchen.test', 'ada@xn--mnchen-3ya.test'],
    ['a domain already in punycode, in capitals', 'ada@XN--MNCHEN-3YA.test', 'ada@xn--mnchen-3ya.test'],
    ['an ideographic full stop', 'ada@mail。test', 'ada@mail.test'],
  ])('is recognised through %s', (_difference, raw, key) => {
    expect(keyOf(raw)).toBe(key);
  });

  it('is shown as typed, trimmed', () => {
    expect(normaliseAddress(' Ada@MÜNCHEN.test ')).toEqual({
      ok: true,
      address: { key: 'ada@xn--mnchen-3ya.test', typed: 'Ada@MÜNCHEN.test' },
    });
  });

  it('does not change when it is normalised again', () => {
    const label = fc.stringMatching(/^[a-zA-Z0-9üßéж中.-]{1,12}$/);
    fc.assert(
      fc.property(
        fc.stringMatching(/^[!-?A-~]{1,20}$/),
        label,
        fc.constantFrom('test', '中国', 'xn--p1ai'),
        (l, d, t) => {
          const first = normaliseAddress(`${l}@${d}.${t}`);
          if (first.ok) expect(keyOf(first.address.key)).toBe(first.address.key);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('different addresses', () => {
  it.each([
    ['plus-tags', 'ada+news@mail.test', 'ada@mail.test'],
    ['dots', 'a.da@mail.test', 'ada@mail.test'],
    ['hyphens and underscores', 'a_da@mail.test', 'a-da@mail.test'],
  ])('stay different through %s', (_difference, one, other) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });
});

describe('mail-header syntax in a local part', () => {
  it.each(['(', ')', '<', '>', '[', ']', ':', ';', '\\', ',', '"'])(
    'is refused, because it names another mailbox: %s',
    (c) => {
      for (const typed of [`${c}ada@mail.test`, `a${c}da@mail.test`, `ada${c}@mail.test`]) {
        expect(normaliseAddress(typed)).toMatchObject({
          ok: false,
          problem: 'has mail-header syntax in its local part',
        });
      }
    },
  );

  it.each(["o'brien@mail.test", 'a+b@mail.test', '{x}@mail.test', 'a/b=c@mail.test', "!#$%&'*+-/=?^_`{|}~.@mail.test"])(
    'is none of the other characters: %s is valid',
    (typed) => {
      expect(keyOf(typed)).toBe(typed);
    },
  );

  it('leaves an address that an earlier version may have stored, under the key that it had', () => {
    const perhapsStored = { key: '"ada"@mail.test', typed: '"Ada"@Mail.test' };
    expect(normaliseAddress(' "Ada"@Mail.test ')).toMatchObject({ ok: false, perhapsStored });
    expect(storedKeyOf('"Ada"@Mail.test')).toBe(perhapsStored.key);
    expect(storedKeyOf('Ada@Mail.test')).toBe('ada@mail.test');
    expect(storedKeyOf('Ada')).toBeUndefined();
    for (const typed of ['"a b"@mail.test', '"ada"@localhost', `"${'a'.repeat(300)}"@mail.test`]) {
      expect(normaliseAddress(typed)).not.toHaveProperty('perhapsStored');
    }
  });
});

describe('a text that is not an address is refused with a reason', () => {
  it.each([
    ['', 'is empty'],
    [' \t ', 'is empty'],
    ['ada', 'has no @'],
    ['ada@b@mail.test', 'has more than one @'],
    ['"a@b"@mail.test', 'has more than one @'],
    ['@mail.test', 'has an empty local part'],
    ['null@mail.test', 'has a placeholder as its local part'],
    ['NULL@mail.test', 'has a placeholder as its local part'],
    ['undefined@mail.test', 'has a placeholder as its local part'],
    ['NaN@mail.test', 'has a placeholder as its local part'],
    ['[object Object]@mail.test', 'has a placeholder as its local part'],
    ['[object Object]', 'has a placeholder as its local part'],
    ['undefined', 'has a placeholder as its local part'],
    ['a da@mail.test', 'has white space or control characters in its local part'],
    ['ada @mail.test', 'has white space or control characters in its local part'],
    ['a\0da@mail.test', 'has white space or control characters in its local part'],
    ['a\x7fda@mail.test', 'has white space or control characters in its local part'],
    ['adä@mail.test', 'has a local part that is not ASCII'],
    ['ad\u200ba@mail.test', 'has a local part that is not ASCII'],
    ['\u212aelvin@mail.test', 'has a local part that is not ASCII'],
    ['ad\ud800a@mail.test', 'has a local part that is not ASCII'],
  ] as const)('%j %s', (raw, problem) => {
    expect(normaliseAddress(raw)).toEqual({ ok: false, problem });
  });

  it.each([
    ['nothing in it', ''],
    ['one label', 'localhost'],
    ['an empty label', 'mail..test'],
    ['a leading dot', '.mail.test'],
    ['a trailing dot', 'mail.test.'],
    ['a label of 64', `${'a'.repeat(64)}.test`],
    ['a leading hyphen', '-mail.test'],
    ['a trailing hyphen', 'mail-.test'],
    ['an underscore', 'ma_il.test'],
    ['a space', 'mail test.test'],
    ['a tab, which URL parsers drop', 'mail\t.test'],
    ['a tab in a unicode domain', 'mü\tnchen.test'],
    ['a path', 'mail.test/x'],
    ['a path after a unicode domain', 'münchen.test/x'],
    ['a wide solidus', 'mail.test／x'],
    ['a query after a unicode domain', 'münchen.test?x'],
    ['a percent escape', 'mail%2etest.test'],
    ['a percent escape in a unicode domain', 'mü%2enchen.test'],
    ['a port', 'mail.test:25'],
    ['an IPv4 address', '127.0.0.1'],
    ['an IPv4 address in disguise', '0x7f.1'],
    ['an IPv4 address whose last part is hexadecimal', '127.0x1'],
    ['an IPv4 address in wide digits', '１２７.0.0.1'],
    ['an IPv6 address', '[::1]'],
    ['an address literal', '[127.0.0.1]'],
    ['punycode that decodes to nothing', 'xn--a.test'],
    ['half of a surrogate pair', 'ma\ud800il.test'],
    ['a change of writing direction', '\u202email.test'],
    ['U+0000', 'mail\0.test'],
    ['254 characters', `${'abcdefg.'.repeat(31)}ab.test`.slice(0, 254)],
  ])('a domain with %s is impossible', (_what, domain) => {
    expect(normaliseAddress(`ada@${domain}`)).toEqual({ ok: false, problem: 'has an impossible domain' });
  });

  it('an address may have 256 characters, as in FxA, but not 257', () => {
    const longest = `${'a'.repeat(MAX_ADDRESS_LENGTH - '@mail.test'.length)}@mail.test`;
    expect(keyOf(longest)).toBe(longest);
    expect(normaliseAddress(`a${longest}`)).toEqual({ ok: false, problem: 'is too long' });
  });

  it('the length limit applies to the normalised address', () => {
    const domain = `${'ü'.repeat(50)}.test`;
    const room = MAX_ADDRESS_LENGTH - keyOf(`a@${domain}`).length + 1;
    expect(keyOf(`${'a'.repeat(room)}@${domain}`)).toHaveLength(MAX_ADDRESS_LENGTH);
    expect(normaliseAddress(`${'a'.repeat(room + 1)}@${domain}`)).toEqual({ ok: false, problem: 'is too long' });
  });

  it('normalising never throws, and no reason repeats the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 20 }), (local, domain) => {
        const result = normaliseAddress(`${local}zqzq@zqzq${domain}`);
        if (!result.ok) expect(result.problem).not.toContain('zqzq');
      }),
      { numRuns: 1_000 },
    );
  });
});
