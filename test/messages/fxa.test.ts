import { describe, expect, it } from '@jest/globals';
import { eventOf, flat, form, fxa, NOW, UID } from './examples';

const CHANGE = flat('primaryEmailChanged', { email: 'New.Name@mail.test' });
const proves = (event: string, fields = {}) => flat(event, { email: 'a@mail.test', ...fields });
const dead = (reason: string, ...problems: string[]) => ({ kind: 'dead', reason, problems });

describe('the event type decides first', () => {
  it.each([
    'passwordChange',
    'reset',
    'subscription:update',
    'device:create',
    'device:delete',
    'appleUserMigration',
    'profileDataChange',
    'profileDataChanged',
  ])('%s is counted by its name, even if it is malformed', (event) => {
    expect(fxa({ event, uid: 5, ts: 'x' })).toEqual({ kind: 'ignored', type: event });
  });

  it.each(['', 'Delete', 'newsletters.update', 'newsletter.subscribe', '__proto__', 'constructor', 'x'.repeat(9_999)])(
    'an unknown type is counted as other: %.30j',
    (event) => {
      expect(fxa({ event })).toEqual({ kind: 'ignored', type: 'other' });
    },
  );
});

describe('a claim', () => {
  it.each([
    'verified',
    'login',
    'newsletters:update',
    'primaryEmailChanged',
    'profileDataChange',
    'profileDataChanged',
  ])('comes from %s', (event) => {
    expect(eventOf(fxa(proves(event)))).toMatchObject({ kind: 'claim', uid: UID, trigger: { source: 'fxa', event } });
  });

  it.each(['verified', 'login', 'newsletters:update', 'primaryEmailChanged'])(
    'needs an address: %s without one is a dead letter',
    (event) => {
      for (const email of [undefined, null]) {
        expect(fxa(flat(event, { email }))).toEqual(dead('invalid_address', 'email: is missing'));
      }
      expect(fxa(flat(event, { email: '' }))).toEqual(dead('invalid_address', 'email: is empty'));
    },
  );

  it.each([undefined, null, '', '  '])('is not made by a change of profile with the email %j', (email) => {
    expect(fxa(flat('profileDataChange', { email, uid: 'x' }))).toEqual({ kind: 'ignored', type: 'profileDataChange' });
  });

  it.each(['null@mail.test', '[object Object]', 'a@b', 'ü@mail.test', `${'a'.repeat(300)}@mail.test`])(
    'is never made on an invalid address: %.30j',
    (email) => {
      expect(fxa(flat('primaryEmailChanged', { email }))).toMatchObject({ reason: 'invalid_address' });
      expect(fxa(flat('profileDataChange', { email }))).toMatchObject({ reason: 'invalid_address' });
    },
  );

  it('has the account data of the event, and no more', () => {
    const fields = {
      locale: 'fr-CA,fr;q=0.8',
      countryCode: 'CAN',
      country: 'Canada',
      service: 'sync',
      createDate: 1768000000.1234,
      clientId: '5882386c6d801776',
      newsletters: ['b', 'a', 'b'],
      accountDisabled: true,
      marketingOptIn: true,
    };
    expect(eventOf(fxa(proves('verified', fields)))).toEqual({
      kind: 'claim',
      trigger: { source: 'fxa', event: 'verified', id: expect.stringMatching(/^[0-9a-f]{64}$/) },
      at: 1769000123456,
      uid: UID,
      address: { key: 'a@mail.test', typed: 'a@mail.test' },
      locale: 'fr-CA,fr;q=0.8',
      country: 'ca',
      service: 'sync',
      createdAt: 1768000000123,
      newsletters: ['b', 'a'],
    });
  });

  it.each([
    ['null', { locale: null, countryCode: null, service: null, createDate: null, newsletters: null }],
    ['empty', { locale: '', countryCode: '', service: '', newsletters: [] }],
    ['unreadable', { locale: 'english', countryCode: 'XX' }],
    ['not a language', { locale: '*', countryCode: 'Canada' }],
    ['not a time', { createDate: '2026-01-21' }],
    ['in milliseconds instead of seconds', { createDate: 1768000000123 }],
    ['before there were accounts', { createDate: 0 }],
  ])('leaves out fields that are %s', (_what, fields) => {
    const event = eventOf(fxa(proves('verified', fields)));
    const known = Object.entries(event).flatMap(([name, value]) => (value === undefined ? [] : name));
    expect(known.sort()).toEqual(['address', 'at', 'kind', 'newsletters', 'trigger', 'uid']);
  });

  it.each([
    ['verified', ['x']],
    ['newsletters:update', ['x']],
    ['login', []],
    ['primaryEmailChanged', []],
    ['profileDataChange', []],
  ])('of %s subscribes to %j', (event, newsletters) => {
    expect(eventOf(fxa(proves(event, { newsletters: ['x'] })))).toMatchObject({ newsletters });
  });

  it.each([
    ['email', 5],
    ['email', { toString: 1, valueOf: 1 }],
    ['uid', { toString: 1, valueOf: 1 }],
    ['ts', '1769000123'],
    ['ts', { valueOf: 1 }],
  ])('is a dead letter if its address, account or time has the wrong shape: %s', (field, value) => {
    expect(fxa(proves('verified', { [field]: value }))).toEqual(
      dead('invalid_shape', expect.stringMatching(new RegExp(`^${field}: `)) as unknown as string),
    );
  });

  it.each([
    ['locale', ['en']],
    ['locale', 'english'],
    ['countryCode', 49],
    ['countryCode', 'XX'],
    ['service', {}],
    ['service', 'a\0b'],
    ['timestamp', '1769000123456'],
  ])('is taken without a detail that cannot be used, which is counted: %s %j', (field, value) => {
    expect(fxa(proves('verified', { [field]: value, newsletters: ['x'] }))).toMatchObject({
      ...{ kind: 'event', event: { kind: 'claim', newsletters: ['x'] }, dropped: [field], partial: [] },
    });
  });

  it('has its texts trimmed, and an overlong service cut', () => {
    expect(
      eventOf(fxa(proves('login', { service: ` ${'x'.repeat(300)}`, locale: ' fr ', countryCode: ' FR ' }))),
    ).toEqual(expect.objectContaining({ service: 'x'.repeat(255), locale: 'fr', country: 'fr' }));
  });

  it.each([
    ['newsletters', 'a,b', []],
    ['newsletters', Array.from({ length: 1_001 }, (_, i) => `n${i}`), Array.from({ length: 1_000 }, (_, i) => `n${i}`)],
    ['newsletters.1', ['a', 5], ['a']],
    ['newsletters.0', ['__proto__', 'a'], ['a']],
    ['newsletters.0', ['a'.repeat(101)], []],
    ['newsletters.0', ['a\ud800'], []],
  ])('is taken without a choice that cannot be understood, and names it: %s', (path, sent, newsletters) => {
    expect(fxa(proves('verified', { newsletters: sent }))).toMatchObject({
      event: { kind: 'claim', newsletters },
      partial: [expect.stringMatching(new RegExp(`^${path}: `))],
    });
  });

  it('has every problem in its dead letter', () => {
    expect(fxa(proves('verified', { uid: 'x', ts: 'x', email: 5, service: 5 }))).toMatchObject({
      problems: ['uid', 'email', 'ts'].map((field) => expect.stringMatching(new RegExp(`^${field}: `))),
    });
  });
});

describe('the uid', () => {
  it.each([
    ['in capitals', UID.toUpperCase()],
    ['with the domain of very old producers', `${UID}@accounts.fxa.test`],
    ['with nothing after the @', `${UID}@`],
    ['as a uuid', UID.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')],
  ])('is read %s', (_how, uid) => {
    expect(eventOf(fxa(flat('delete', { uid })))).toMatchObject({ kind: 'deletion', uid: UID });
  });

  it.each([undefined, null, '', 5, UID.slice(1), `${UID}0`, ` ${UID}`, `${UID}\n`, UID.replace('9', 'g'), `-${UID}`])(
    'is 32 hexadecimal digits or a dead letter: %j',
    (uid) => {
      for (const event of ['delete', 'primaryEmailChanged']) {
        expect(fxa(proves(event, { uid }))).toMatchObject({ reason: 'invalid_shape' });
      }
    },
  );
});

describe('the event time', () => {
  const at = (fields: Record<string, unknown>) => eventOf(fxa(flat('delete', fields))).at;

  it.each([
    ['timestamp goes before ts', { timestamp: 1769000123789, ts: 1769000000 }, 1769000123789],
    ['ts is float seconds, rounded to the millisecond', { ts: 1769000123.4567 }, 1769000123457],
    ['ts may be whole seconds', { ts: 1769000123 }, 1769000123000],
    ['a timestamp of null is none', { timestamp: null, ts: 1769000123 }, 1769000123000],
    ['timestamp is enough', { timestamp: 1769000123789, ts: undefined }, 1769000123789],
    ['the first moment of 2010 is plausible', { ts: 1262304000 }, Date.UTC(2010, 0, 1)],
    ['a day ahead is plausible', { timestamp: NOW + 86_400_000 }, NOW + 86_400_000],
  ])('%s', (_rule, fields, time) => {
    expect(at(fields)).toBe(time);
  });

  it.each([
    ['milliseconds given as seconds', { ts: 1769000123456 }, 'ts: is more than a day ahead'],
    ['seconds given as milliseconds', { timestamp: 1769000123 }, 'timestamp: is before 2010'],
    ['zero', { ts: 0 }, 'ts: is before 2010'],
    ['a negative time', { ts: -1 }, 'ts: is before 2010'],
    ['the last moment of 2009', { timestamp: Date.UTC(2010, 0, 1) - 1 }, 'timestamp: is before 2010'],
    ['more than a day ahead', { timestamp: NOW + 86_400_001 }, 'timestamp: is more than a day ahead'],
    ['a huge number', { ts: 1e300 }, 'ts: is more than a day ahead'],
  ])('makes the message a dead letter if it is %s', (_what, fields, problem) => {
    expect(fxa(flat('delete', fields))).toEqual(dead('invalid_time', problem));
    expect(fxa({ ...CHANGE, ...fields })).toEqual(dead('invalid_time', problem));
  });

  it('is required', () => {
    expect(fxa(flat('delete', { ts: undefined }))).toEqual(dead('invalid_shape', 'ts: is missing'));
  });
});

describe('the event id', () => {
  const idOf = (message: unknown, messageId?: string) => eventOf(fxa(message, { messageId })).trigger.id;

  it('is the jti, else the wrapper’s MessageId, else the AMQP messageId', () => {
    const jwt = {
      sub: UID,
      iat: 1769000123,
      jti: 'j',
      events: { 'https://schemas.accounts.firefox.com/event/delete-user': {} },
    };
    const inWrapper = (message: unknown) => ({ MessageId: 'w', Message: JSON.stringify(message) });
    expect(idOf(inWrapper(jwt), 'm')).toBe('j');
    expect(idOf(inWrapper(CHANGE), 'm')).toBe('w');
    expect(idOf(CHANGE, 'm')).toBe('m');
  });

  it.each(['', 'x'.repeat(256), 'a\0b', 'a\ud800', 7, null])('skips an unusable id: %.20j', (MessageId) => {
    expect(idOf({ MessageId, Message: JSON.stringify(CHANGE) }, 'm')).toBe('m');
  });

  it('is otherwise a hash, equal for equal content and different for different content', () => {
    const id = idOf(CHANGE);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(idOf({ ...CHANGE, iss: 'elsewhere', uid: UID.toUpperCase() })).toBe(id);
    for (const other of [{ event: 'login' }, { uid: 'a'.repeat(32) }, { ts: 1769000124 }, { email: 'b@mail.test' }]) {
      expect(idOf({ ...CHANGE, ...other })).not.toBe(id);
    }
  });
});

it('account events are not known in the newsletter queue', () => {
  expect(form(CHANGE)).toMatchObject({ kind: 'dead', reason: 'unknown_event' });
});
