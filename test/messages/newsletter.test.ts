import { describe, expect, it } from '@jest/globals';
import type { NewsletterEvent } from '../../src/contacts/facts/event';
import { eventOf, form, newsletter, TOKEN } from './examples';

const by = (event: string, fields: Record<string, unknown>) => form(newsletter(event, fields));
const actOf = (event: string, fields: Record<string, unknown>) => eventOf(by(event, fields)) as NewsletterEvent;
const byToken = { email: undefined, token: TOKEN };

describe('a sign-up', () => {
  it('is decoded with all its fields', () => {
    const fields = {
      newsletters: ['privacy-weekly', 'x', 'privacy-weekly'],
      lang: 'fr-CA',
      country: 'FR',
      format: 'h',
      first_name: 'Ada',
      last_name: 'L',
      source_url: 'https://site.test/fr/newsletter/',
      optin: false,
      reason: 'none of its business',
      unknown: { field: true },
    };
    expect(actOf('subscribe', fields)).toEqual({
      kind: 'newsletter',
      trigger: { source: 'newsletter', event: 'newsletter.subscribe', id: 'form-1' },
      at: 1769000100250,
      to: { address: { key: 'ada.l@mail.test', typed: 'Ada.L@mail.test' } },
      act: 'subscribe',
      newsletters: ['privacy-weekly', 'x'],
      proven: false,
      profile: { firstName: 'Ada', lastName: 'L', country: 'fr', lang: 'fr-ca', format: 'H' },
      source: 'https://site.test/fr/newsletter/',
    });
  });

  it.each([
    ['null is an explicit clear', null, null],
    ['an empty text says nothing', '', undefined],
    ['absence says nothing', undefined, undefined],
  ])('%s, in every profile field', (_rule, sent, kept) => {
    const fields = { first_name: sent, last_name: sent, country: sent, lang: sent, format: sent };
    const { profile } = actOf('subscribe', fields);
    const names = ['firstName', 'lastName', 'country', 'lang', 'format'];
    expect(profile).toEqual(kept === null ? Object.fromEntries(names.map((name) => [name, null])) : {});
  });

  it.each([
    ['lang', 'english', undefined],
    ['lang', 'en_US', 'en-us'],
    ['lang', 'fr,en;q=0.5', undefined],
    ['lang', 'PT-br', 'pt-br'],
    ['lang', 'ast', 'ast'],
    ['country', 'DEU', 'de'],
    ['country', 'xx', undefined],
    ['country', 'Germany', undefined],
    ['country', 'constructor', undefined],
    ['format', 'T', 'T'],
    ['format', 'html', undefined],
    ['first_name', '  ', undefined],
    ['first_name', ' Ada ', ' Ada '],
  ])('keeps %s %j as %j', (field, sent, kept) => {
    const { profile } = actOf('subscribe', { [field]: sent });
    expect(profile[field === 'first_name' ? 'firstName' : (field as 'lang')]).toBe(kept);
  });

  it('may only leave an address', () => {
    expect(actOf('subscribe', {})).toMatchObject({ act: 'subscribe', newsletters: [], proven: false });
  });

  it('with optin and no newsletters confirms the address', () => {
    expect(actOf('subscribe', { optin: true, newsletters: [] })).toMatchObject({ act: 'confirm', proven: true });
  });

  it('with optin and newsletters is a proven subscription', () => {
    expect(actOf('subscribe', { optin: true, newsletters: ['x'] })).toMatchObject({ act: 'subscribe', proven: true });
  });
});

describe('proof', () => {
  it.each([
    ['subscribe', 'email', undefined, false],
    ['subscribe', 'email', true, true],
    ['subscribe', 'token', undefined, false],
    ['subscribe', 'token', true, true],
    ['confirm', 'email', undefined, true],
    ['confirm', 'email', false, true],
    ['confirm', 'token', undefined, false],
    ['confirm', 'token', false, false],
    ['confirm', 'token', true, true],
    ['unsubscribe', 'email', true, false],
  ])('newsletter.%s by %s with optin %j: %j', (event, way, optin, proven) => {
    const fields = { newsletters: ['x'], optin, ...(way === 'token' ? byToken : {}) };
    expect(actOf(event, fields)).toMatchObject({ proven });
  });
});

describe('an unsubscribe', () => {
  it('has its newsletters, and may have a reason', () => {
    expect(actOf('unsubscribe', { newsletters: ['x', 'x'], reason: 'too many' })).toMatchObject({
      act: 'unsubscribe',
      newsletters: ['x'],
      reason: 'too many',
    });
  });

  it('has no profile, and neither has a confirmation', () => {
    const fields = { newsletters: ['x'], first_name: 'Ada', lang: 'fr', country: null };
    expect(actOf('unsubscribe', fields).profile).toEqual({});
    expect(actOf('confirm', fields).profile).toEqual({});
  });

  it('from all email wins over a list', () => {
    expect(actOf('unsubscribe', { newsletters: ['x'], all: true })).toMatchObject({ act: 'opt_out', newsletters: [] });
    expect(actOf('unsubscribe', { newsletters: ['x'], all: false })).toMatchObject({ act: 'unsubscribe' });
  });

  it.each([{}, { newsletters: [] }, { all: false }])('without newsletters is a dead letter: %j', (fields) => {
    expect(by('unsubscribe', fields)).toMatchObject({
      reason: 'invalid_shape',
      problems: [/^newsletters: /].map((p) => expect.stringMatching(p)),
    });
  });

  it('with an overlong reason is kept: the reason is cut, never in the middle of a character', () => {
    const { reason, source } = actOf('unsubscribe', {
      all: true,
      reason: `${'x'.repeat(999)}😀`,
      source_url: 'y'.repeat(3_000),
    });
    expect(reason).toBe('x'.repeat(999));
    expect(source).toHaveLength(2_000);
  });
});

describe('a confirmation', () => {
  it('concerns the address and has no newsletters', () => {
    expect(actOf('confirm', { newsletters: ['x'] })).toMatchObject({ act: 'confirm', newsletters: [] });
  });
});

describe('the addressee', () => {
  it('is found by token, lower-cased', () => {
    expect(actOf('confirm', { email: undefined, token: TOKEN.toUpperCase() }).to).toEqual({ token: TOKEN });
  });

  it('is the email if there is a token too, even if the token is malformed', () => {
    expect(actOf('confirm', { token: 'rubbish' }).to).toMatchObject({ address: { key: 'ada.l@mail.test' } });
  });

  it.each(['', 'rubbish', TOKEN.replaceAll('-', ''), `${TOKEN} `])(
    'is unknown for a token that is not a uuid: %j',
    (token) => {
      expect(by('confirm', { email: undefined, token })).toEqual({
        kind: 'dead',
        reason: 'unknown_token',
        problems: ['token: is no uuid'],
      });
    },
  );

  it('is required', () => {
    expect(by('confirm', { email: undefined })).toMatchObject({ reason: 'invalid_address' });
  });

  it.each(['', 'null@mail.test', 'undefined', '[object Object]@mail.test', 'a@b', `${'a'.repeat(300)}@mail.test`])(
    'is never an invalid email, not even with a token beside it: %.30j',
    (email) => {
      expect(by('subscribe', { email, token: TOKEN })).toMatchObject({ kind: 'dead', reason: 'invalid_address' });
    },
  );
});

describe('a known field of the wrong type is a dead letter', () => {
  it.each([
    ['id', 5],
    ['ts', '1769000100'],
    ['ts', null],
    ['ts', undefined],
    ['email', 5],
    ['email', null],
    ['token', 5],
    ['newsletters', 'a,b'],
    ['newsletters', null],
    ['newsletters', [null]],
    ['newsletters', [' a']],
    ['newsletters', ['a\nb']],
    ['newsletters', Array.from({ length: 1_001 }, (_, i) => `n${i}`)],
    ['all', 'true'],
    ['optin', 'Y'],
    ['optin', 1],
    ['optin', null],
    ['lang', 5],
    ['country', false],
    ['format', {}],
    ['first_name', 5],
    ['first_name', 'x'.repeat(201)],
    ['last_name', 'a\0'],
    ['last_name', 'a\ud800'],
    ['source_url', 5],
    ['source_url', 'https://site.test/\0'],
    ['reason', ['x']],
  ])('%s %.40j', (field, value) => {
    for (const event of ['subscribe', 'unsubscribe', 'confirm']) {
      expect(by(event, { newsletters: ['x'], [field]: value })).toMatchObject({
        reason: 'invalid_shape',
        problems: [expect.stringMatching(new RegExp(`^${field}[.:]`))],
      });
    }
  });
});

describe('the event', () => {
  it.each(['newsletter.open', 'newsletter.Subscribe', 'delete', ''])('%j is counted as other', (event) => {
    expect(form({ event })).toEqual({ kind: 'ignored', type: 'other' });
  });

  it.each([
    [undefined, 'event: is missing'],
    [null, 'event: must be a string'],
    [5, 'event: must be a string'],
  ])('%j is a dead letter', (event, problem) => {
    expect(form({ event })).toEqual({ kind: 'dead', reason: 'invalid_shape', problems: [problem] });
  });

  it.each([1769000100250, 0, 1_000_000_000])('at %d seconds is not plausible', (ts) => {
    expect(by('subscribe', { ts })).toMatchObject({ kind: 'dead', reason: 'invalid_time' });
  });

  it('has its own id, else the AMQP messageId, else a hash of its content', () => {
    const idOf = (fields: Record<string, unknown>, messageId?: string) =>
      eventOf(form(newsletter('subscribe', fields), { messageId })).trigger.id;
    expect(idOf({}, 'm')).toBe('form-1');
    expect(idOf({ id: 'x'.repeat(256) }, 'm')).toBe('m');
    expect(idOf({ id: undefined }, 'm')).toBe('m');
    const hash = idOf({ id: undefined });
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(idOf({ id: undefined, unknown: 1 })).toBe(hash);
    expect(idOf({ id: undefined, newsletters: ['x'] })).not.toBe(hash);
    expect(idOf({ id: undefined, first_name: null })).not.toBe(hash);
  });
});
