import { describe, expect, it } from '@jest/globals';
import type { NewsletterEvent } from '../../src/contacts/facts/event';
import type { Understood } from '../../src/messages/incoming/decoded';
import { eventOf, form, newsletter, TOKEN } from './examples';

const by = (event: string, fields: Record<string, unknown>) => form(newsletter(event, fields));
const actOf = (event: string, fields: Record<string, unknown>) => eventOf(by(event, fields)) as NewsletterEvent;
const byToken = { email: undefined, token: TOKEN };

describe('a sign-up', () => {
  it('for "*" is a dead letter: there is no such list', () => {
    const problems = ['newsletters: must be a list of names'];
    expect(by('subscribe', { newsletters: '*' })).toEqual({ kind: 'dead', reason: 'invalid_shape', problems });
  });

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
    ['first_name', ' Ada ', 'Ada'],
    ['first_name', 'x'.repeat(300), 'x'.repeat(255)],
    ['first_name', `${'x'.repeat(254)}😀`, 'x'.repeat(254)],
    ['lang', ' ru', 'ru'],
    ['country', ' USA ', 'us'],
    ['format', ' h ', 'H'],
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

  it.each([{}, { newsletters: [] }, { newsletters: [' ', null, ''] }, { newsletters: null }, { all: false }])(
    'without newsletters is a dead letter: %j',
    (fields) => {
      expect(by('unsubscribe', fields)).toMatchObject({
        reason: 'invalid_shape',
        problems: [/^newsletters: /].map((p) => expect.stringMatching(p)),
      });
    },
  );

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

describe('fields of a waitlist', () => {
  const waiting = (fields: unknown, newsletters: unknown = ['vpn-waitlist', 'x']) =>
    by('subscribe', { newsletters, fields }) as Understood;
  const keptOf = ({ event }: Understood) => Object.fromEntries((event as NewsletterEvent).fields ?? []);

  it('are kept by newsletter, as one text for the same fields', () => {
    const read = waiting({ 'vpn-waitlist ': { platform: 'ios,mac', geo: 'de', n: 1, is: true, none: null }, x: {} });
    expect(keptOf(read)).toEqual({ 'vpn-waitlist': '{"geo":"de","is":true,"n":1,"platform":"ios,mac"}' });
    expect(read.dropped).toEqual([]);
    const set = by('set', { newsletters: ['x'], fields: { x: { geo: 'de' } } }) as Understood;
    expect(keptOf(set)).toEqual({ x: '{"geo":"de"}' });
  });

  it.each([
    ['of a newsletter that is not signed up', { y: { geo: 'de' } }],
    ['that are not an object', { x: 'de' }],
    ['that are nested', { x: { geo: { country: 'de' } } }],
    ['that are too many', { x: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, 1])) }],
    ['with a key that is too long', { x: { ['k'.repeat(65)]: 1 } }],
    ['with a text that is too long', { x: { k: 'v'.repeat(201) } }],
  ])('%s are dropped and counted, and the others are kept', (_, fields) => {
    const read = waiting({ ...fields, 'vpn-waitlist': { geo: 'fr' } });
    expect([keptOf(read), read.dropped]).toEqual([{ 'vpn-waitlist': '{"geo":"fr"}' }, ['fields']]);
  });

  it('that are not an object by newsletter are dropped; absent ones are not counted', () => {
    for (const fields of ['de', ['de'], 5, true]) expect(waiting(fields)).toMatchObject({ dropped: ['fields'] });
    for (const fields of [undefined, null, {}]) expect(waiting(fields)).toMatchObject({ dropped: [] });
  });

  it('are not looked at in an act that subscribes to nothing', () => {
    const fields = { x: { geo: 'de' } };
    for (const event of ['unsubscribe', 'confirm']) {
      expect(by(event, { newsletters: ['x'], fields })).toMatchObject({ dropped: [] });
      expect(actOf(event, { newsletters: ['x'], fields }).fields).toBeUndefined();
    }
  });
});

describe('a reason that comes after an unsubscription', () => {
  const reason = (fields: Record<string, unknown>) => actOf('reason', { reason: ' too many ', ...fields });

  it('is about newsletters, or about all email', () => {
    expect(reason({ newsletters: ['x', 'x '] })).toMatchObject({
      act: 'reason',
      newsletters: ['x'],
      reason: 'too many',
    });
    for (const fields of [{}, { newsletters: null }, { newsletters: [] }, { newsletters: '*' }, { all: true }]) {
      expect(reason(fields)).toMatchObject({ act: 'reason', newsletters: [], proven: false, profile: {} });
    }
  });

  it('is cut like any reason, and may be blank', () => {
    expect(reason({ reason: 'x'.repeat(1_001) }).reason).toHaveLength(1_000);
    expect(reason({ reason: ' ' }).reason).toBeUndefined();
  });

  it.each([
    [{ reason: undefined }, 'reason: is missing'],
    [{ reason: null }, 'reason: is missing'],
    [{ reason: 5 }, 'reason: must be a string'],
    [{ reason: '\u0000' }, 'reason: cannot be stored'],
    [{ newsletters: 'x' }, 'newsletters: must be a list of names'],
    [{ newsletters: [5] }, 'newsletters.0: must be a string'],
  ])('that cannot be understood is a dead letter: %j', (fields, problem) => {
    expect(by('reason', { reason: 'why', ...fields })).toMatchObject({ reason: 'invalid_shape', problems: [problem] });
  });

  it('is not a refusal: an address that would be refused makes it a dead letter', () => {
    expect(by('reason', { reason: 'why', email: '"ada"@mail.test' })).toMatchObject({ reason: 'invalid_address' });
  });
});

describe('a set', () => {
  const set = (fields: Record<string, unknown>) => actOf('set', fields);

  it('has the newsletters of its list, and refuses all others', () => {
    expect(set({ newsletters: [' b', 'a', 'b', ''], optin: true, lang: 'fr', reason: 'less' })).toMatchObject({
      ...{ act: 'set', newsletters: ['b', 'a'], refused: { all_but: ['a', 'b'] } },
      ...{ proven: true, profile: { lang: 'fr' }, reason: 'less' },
    });
  });

  it('refuses only what its page showed, if it says so', () => {
    const among = ['c', 'a', 'b', 'c'];
    expect(set({ newsletters: ['b'], among })).toMatchObject({ newsletters: ['b'], refused: { only: ['a', 'c'] } });
    expect(set({ newsletters: ['b'], among: ['b'] }).refused).toBeUndefined();
    expect(set({ newsletters: [], among: null }).refused).toEqual({ all_but: [] });
  });

  it.each([
    ['no list', undefined, undefined, ['newsletters: must be a list of names, which may be empty']],
    ['null for a list', null, undefined, ['newsletters: must be a list of names, which may be empty']],
    ['a text for a list', '*', undefined, ['newsletters: must be a list of names, which may be empty']],
    ['nothing that can be a name', [5], undefined, ['newsletters.0: must be a string']],
    ['an among that is not a list', ['a'], 'a', ['among: must be a list of names']],
  ])('with %s is a dead letter, because it would end what its reader keeps', (_, newsletters, among, problems) => {
    expect(by('set', { newsletters, among })).toEqual({ kind: 'dead', reason: 'invalid_shape', problems });
  });

  it('with a list that is longer than what is read is a dead letter: the rest would end', () => {
    const names = Array.from({ length: 1_001 }, (_, i) => `n${i}`);
    expect(by('set', { newsletters: names })).toMatchObject({
      ...{ kind: 'dead', problems: ['newsletters: has more than 1000 names'] },
    });
    expect(by('set', { newsletters: ['a'], among: names })).toMatchObject({
      ...{ kind: 'event', partial: ['among: has more than 1000 names'] },
    });
  });

  it('with a name that cannot be one is taken, and kept as a dead letter too', () => {
    expect(by('set', { newsletters: ['a', 5] })).toMatchObject({
      event: { newsletters: ['a'], refused: { all_but: ['a'] } },
      partial: ['newsletters.1: must be a string'],
    });
  });

  it('at an address that is only taken if it is stored subscribes to nothing, and says nothing else', () => {
    const fields = { email: '"ada"@mail.test', newsletters: ['a'], lang: 'fr' };
    expect(set(fields)).toMatchObject({ newsletters: [], refused: { all_but: ['a'] }, profile: {} });
    expect(set(fields).to).toHaveProperty('onlyIfStored', true);
  });
});

describe('an unsubscribe from "*"', () => {
  it('is a set with an empty list, and no opt-out', () => {
    expect(actOf('unsubscribe', { newsletters: ' * ', reason: 'enough' })).toMatchObject({
      ...{ act: 'set', newsletters: [], refused: { all_but: [] }, reason: 'enough', profile: {} },
    });
    expect(actOf('unsubscribe', { newsletters: '*', all: true }).act).toBe('opt_out');
    expect(actOf('unsubscribe', { newsletters: ['*'] })).toMatchObject({ act: 'unsubscribe', newsletters: ['*'] });
    expect(by('unsubscribe', { newsletters: '*', all: 1 })).toMatchObject({ partial: ['all: must be true or false'] });
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

  it('is found by token with white space around it', () => {
    expect(actOf('confirm', { email: undefined, token: ` ${TOKEN} ` }).to).toEqual({ token: TOKEN });
  });

  it.each(['', 'rubbish', TOKEN.replaceAll('-', '')])('is unknown for a token that is not a uuid: %j', (token) => {
    expect(by('confirm', { email: undefined, token })).toEqual({
      kind: 'dead',
      reason: 'unknown_token',
      problems: ['token: is not a uuid'],
    });
  });

  it('is required', () => {
    expect(by('confirm', { email: undefined })).toMatchObject({ reason: 'invalid_address' });
  });

  it.each(['null@mail.test', 'undefined', '[object Object]@mail.test', 'a@b', `${'a'.repeat(300)}@mail.test`, 5, {}])(
    'is the token if the email beside it cannot be used, which is counted: %.30j',
    (email) => {
      const decoded = by('unsubscribe', { email, token: TOKEN, newsletters: ['x'] });
      expect(decoded).toMatchObject({ event: { to: { token: TOKEN } }, dropped: ['email'] });
    },
  );

  it.each([null, '', '  '])('is the token if the email beside it is %j', (email) => {
    expect(actOf('unsubscribe', { email, token: TOKEN, newsletters: ['x'] }).to).toEqual({ token: TOKEN });
  });

  it('is never an email that cannot be used alone', () => {
    expect(by('subscribe', { email: 'null@mail.test' })).toMatchObject({ reason: 'invalid_address' });
    expect(by('subscribe', { email: 'null@mail.test', token: 'rubbish' })).toMatchObject({ reason: 'invalid_address' });
    expect(by('subscribe', { email: '' })).toMatchObject({ reason: 'invalid_address' });
  });

  it('may be a header-syntax address only in a refusal, and only where that is stored', () => {
    const email = '"Ada.L"@mail.test';
    const stored = { address: { key: '"ada.l"@mail.test', typed: email }, onlyIfStored: true };
    expect(actOf('unsubscribe', { email, newsletters: ['x'] }).to).toEqual(stored);
    expect(actOf('unsubscribe', { email, all: true }).to).toEqual(stored);
    expect(by('subscribe', { email, newsletters: ['x'] })).toMatchObject({ reason: 'invalid_address' });
    expect(by('confirm', { email })).toMatchObject({ reason: 'invalid_address' });
  });
});

describe('a refusal is not lost over a detail', () => {
  it.each([
    ['newsletters of null beside all', { all: true, newsletters: null }, []],
    ['newsletters of a wrong type beside all', { all: true, newsletters: 'a,b' }, []],
    ['an email of null beside a token', { email: null, token: TOKEN, newsletters: ['x'] }, ['email']],
    ['white space around a name', { newsletters: ['a', 'b '] }, []],
    ['blank names', { newsletters: ['', ' ', null, 'a'] }, []],
    ['an overlong first name, which it does not have', { newsletters: ['a'], first_name: 'x'.repeat(300) }, []],
    ['a reason cut within an emoji', { newsletters: ['a'], reason: 'because \ud83c' }, ['reason']],
    ['a reason of a wrong type', { newsletters: ['a'], reason: ['x'] }, ['reason']],
    ['a source with U+0000', { newsletters: ['a'], source_url: 'https://site.test/\0' }, ['source_url']],
    ['an id of a wrong type', { newsletters: ['a'], id: 5 }, ['id']],
    ['an overlong id', { newsletters: ['a'], id: 'x'.repeat(256) }, ['id']],
    ['a token of a wrong type beside the email', { newsletters: ['a'], token: 5 }, ['token']],
    ['an all of null', { newsletters: ['a'], all: null }, []],
  ])('%s', (_what, fields, dropped) => {
    expect(by('unsubscribe', fields)).toMatchObject({ kind: 'event', dropped, partial: [] });
  });

  it('an unsubscribe has its names trimmed, each once', () => {
    expect(actOf('unsubscribe', { newsletters: ['a', 'b ', ' a', ''] })).toMatchObject({ newsletters: ['a', 'b'] });
  });

  it('a reason that would be cut within a character is cut before it, and never dropped for what follows', () => {
    expect(actOf('unsubscribe', { all: true, reason: `${'x'.repeat(1_000)}\ud83c` }).reason).toBe('x'.repeat(1_000));
  });
});

describe('a detail that cannot be used is dropped and counted', () => {
  it.each([
    ['optin', 'Y'],
    ['optin', 1],
    ['optin', 'true'],
    ['lang', 5],
    ['lang', 'english'],
    ['country', false],
    ['country', 'Germany'],
    ['format', {}],
    ['format', 'html'],
    ['first_name', 5],
    ['first_name', { toString: 1, valueOf: 1 }],
    ['last_name', 'a\0'],
    ['last_name', 'a\ud800'],
    ['source_url', 5],
    ['source_url', 'https://site.test/\0'],
    ['id', 5],
  ])('%s %.40j', (field, value) => {
    const { event } = by('subscribe', { newsletters: ['x'], [field]: value }) as Understood;
    expect(by('subscribe', { newsletters: ['x'], [field]: value })).toMatchObject({ dropped: [field], partial: [] });
    expect(event).toMatchObject({ act: 'subscribe', newsletters: ['x'], proven: false, profile: {} });
  });

  it.each([null, '', '  ', undefined])('but not one that says nothing: %j', (value) => {
    const names = ['lang', 'country', 'format', 'first_name', 'last_name', 'source_url', 'id', 'token'];
    const fields = Object.fromEntries(names.map((name) => [name, value]));
    expect(by('subscribe', { newsletters: ['x'], ...fields })).toMatchObject({ kind: 'event', dropped: [] });
    expect(by('subscribe', { newsletters: ['x'], optin: null })).toMatchObject({ kind: 'event', dropped: [] });
  });

  it('optin that is not true proves nothing', () => {
    expect(actOf('subscribe', { optin: 'Y' })).toMatchObject({ act: 'subscribe', proven: false });
    expect(actOf('confirm', { ...byToken, optin: 1 })).toMatchObject({ proven: false });
  });
});

describe('a choice that is understood in part', () => {
  it.each([
    ['a name with a control character', { newsletters: ['a\nb', 'x'] }, ['newsletters.0: ']],
    ['a name of 101 characters, which is not cut', { newsletters: ['x', 'n'.repeat(101)] }, ['newsletters.1: ']],
    ['a name that is not a text', { newsletters: ['x', 7, {}] }, ['newsletters.1: ', 'newsletters.2: ']],
    ['a name with half a surrogate pair', { newsletters: ['x', 'a\ud800'] }, ['newsletters.1: ']],
    ['__proto__', { newsletters: ['__proto__', 'x'] }, ['newsletters.0: ']],
    ['an all that is neither true nor false', { newsletters: ['x'], all: 'true' }, ['all: ']],
  ])('is taken without the part, which is named: %s', (_what, fields, starts) => {
    const decoded = by('unsubscribe', fields) as Understood;
    expect(decoded.event).toMatchObject({ act: 'unsubscribe', newsletters: ['x'] });
    expect(decoded.partial.map((problem) => problem.slice(0, problem.indexOf(' ') + 1))).toEqual(starts);
  });

  it('is a sign-up to the names that are understood', () => {
    const decoded = by('subscribe', { newsletters: ['x', 'a\0'], optin: true });
    expect(decoded).toMatchObject({
      event: { act: 'subscribe', newsletters: ['x'], proven: true },
      partial: { length: 1 },
    });
  });

  it('has the first thousand names of a longer list', () => {
    const names = Array.from({ length: 1_001 }, (_, i) => `n${i}`);
    const { event, partial } = by('unsubscribe', { newsletters: names }) as Understood;
    expect(event).toMatchObject({ newsletters: names.slice(0, 1_000) });
    expect(partial).toEqual(['newsletters: has more than 1000 names']);
  });

  it('lists few problems, however many there are', () => {
    const { partial } = by('unsubscribe', { newsletters: ['x', ...Array(5_000).fill(7)] }) as Understood;
    expect(partial).toHaveLength(21);
    expect(partial.at(-1)).toBe('and 4980 more');
  });
});

describe('an event, a time, an addressee or a choice that cannot be understood makes a dead letter', () => {
  it.each([
    ['ts', '1769000100'],
    ['ts', null],
    ['ts', undefined],
    ['ts', { valueOf: 1 }],
    ['email', 5],
    ['email', { toString: 1, valueOf: 1 }],
    ['newsletters', 'a,b'],
    ['newsletters', {}],
    ['newsletters', [7]],
    ['newsletters', ['a\nb']],
  ])('%s %.40j', (field, value) => {
    for (const event of ['subscribe', 'unsubscribe']) {
      expect(by(event, { newsletters: ['x'], [field]: value })).toMatchObject({
        reason: 'invalid_shape',
        problems: [expect.stringMatching(new RegExp(`^${field}[.:]`))],
      });
    }
  });

  it('a token of a wrong type', () => {
    expect(by('unsubscribe', { email: undefined, token: 5, newsletters: ['x'] })).toMatchObject({
      ...{ reason: 'invalid_shape', problems: ['token: must be a string'] },
    });
  });

  it('an all of a wrong type, without newsletters', () => {
    expect(by('unsubscribe', { all: 'yes' })).toMatchObject({
      ...{ reason: 'invalid_shape', problems: ['all: must be true or false'] },
    });
  });

  it('all its problems are listed', () => {
    expect(form({ event: 'newsletter.unsubscribe', newsletters: [7], email: 'x', ts: 'x' })).toMatchObject({
      reason: 'invalid_shape',
      problems: ['newsletters.0: must be a string', 'email: has no @', 'ts: must be a number'],
    });
  });
});

describe('the event', () => {
  it.each(['newsletter.sets', 'newsletter.open', 'newsletter.Subscribe', 'delete', '', '__proto__', 'constructor'])(
    '%j is not known: the message is kept as a dead letter, because a refusal may be in it',
    (event) => {
      expect(form({ event })).toEqual({
        ...{ kind: 'dead', reason: 'unknown_event', problems: ['event: is not a known newsletter event'] },
      });
    },
  );

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
