import { describe, expect, it } from '@jest/globals';
import { TIME_UNKNOWN } from '../../../src/contacts/facts/event';
import { readTime } from '../../../src/foundation/times';
import { readRecord } from '../../../src/operations/import/read-record';
import { type ImportRecord, needsFirstImport, withFirstImport } from '../../../src/operations/import/record';
import { addressOf, at, uidOf } from '../../support/events';
import { ctms, idOf, NOW, newsletter, recordOf, type Said, tokenOf } from '../../support/records';

const iso = (t: number): string => new Date(at(t)).toISOString();
const on = (t: number) => ({ subscribed: true, create_timestamp: iso(t), update_timestamp: iso(t) });
const NEVER = { create_timestamp: null, update_timestamp: null };

describe('readRecord', () => {
  it('keeps the id, the token, the address and the times', () => {
    expect(recordOf({ a: 'Ada', made: 1, written: 5 })).toEqual({
      id: idOf('Ada'),
      token: tokenOf('Ada'),
      createdAt: at(1),
      at: at(5),
      address: addressOf('Ada'),
      profile: {},
      account: null,
      choices: [],
    });
  });

  it('accepts records older than any event, with their choices', () => {
    const old = '1995-01-01T00:00:00Z';
    const { createdAt, choices } = recordOf({
      a: 'a',
      email: { create_timestamp: old, has_opted_out_of_email: true, update_timestamp: '2007-05-05T00:00:00Z' },
      newsletters: [{ ...newsletter('x', true, 1), update_timestamp: old }],
    });
    expect(createdAt).toBe(Date.parse(old));
    expect(choices.map(({ act, at }) => [act, new Date(at).toISOString()])).toEqual([
      ['opt_out', '2007-05-05T00:00:00.000Z'],
      ['subscribe', '1995-01-01T00:00:00.000Z'],
    ]);
  });

  it('claims the record’s address at the account’s creation, and the account’s address at the last write', () => {
    const { account } = recordOf({
      a: 'a',
      u: 'u',
      p: 'B',
      made: 1,
      written: 5,
      fxa: { lang: 'fr', first_service: 'sync' },
    });
    expect(account).toEqual({
      uid: uidOf('u'),
      at: at(1),
      locale: 'fr',
      service: 'sync',
      claims: [
        { address: addressOf('a'), at: at(1), event: 'import.primary_email' },
        { address: addressOf('B'), at: at(5), event: 'import.fxa.primary_email' },
      ],
    });
  });

  it('always claims the account’s address later than the record’s, because it is the one in use', () => {
    const claims = recordOf({ a: 'a', u: 'u', p: 'b', made: 5, written: 5 }).account?.claims;
    expect(claims?.map((claim) => claim.at)).toEqual([at(5), at(5) + 1]);
    expect(recordOf({ a: 'a', u: 'u', made: 5, written: 5 }).account?.claims).toHaveLength(1);
    expect(recordOf({ a: 'a', u: 'u', fxa: { primary_email: null } }).account?.claims).toHaveLength(1);
  });

  it('dates the deletion of an account so late that its claims count', () => {
    expect(recordOf({ a: 'a', u: 'u', p: 'b', made: 1, written: 5, deleted: true }).account?.deletedAt).toBe(at(5));
  });

  it('gives no account without an account id', () => {
    expect(recordOf({ a: 'a', u: 'u', fxa: { fxa_id: null } }).account).toBeNull();
  });

  it('reads the profile as sign-ups do, and ignores empty and unknown values', () => {
    const email = { first_name: 'Ada', last_name: ' ', mailing_country: 'DEU', email_format: 'N', email_lang: 'pt-BR' };
    expect(recordOf({ a: 'a', email }).profile).toEqual({ firstName: 'Ada', country: 'de', lang: 'pt-br' });
  });

  it('gives an unproven choice for each newsletter, at its last write', () => {
    const more = { source: 'https://site.test/', unsub_reason: 'enough', format: 'T', lang: 'FR' };
    const { choices } = recordOf({
      a: 'a',
      newsletters: [newsletter('x', true, 3), { ...newsletter('y', false, 4), ...more }],
    });
    const origin = { kind: 'address', key: addressOf('a').key };
    expect(choices).toEqual([
      {
        origin,
        newsletter: 'x',
        at: at(3),
        act: 'subscribe',
        proven: false,
        source: null,
        lang: 'de',
        format: 'H',
        reason: null,
        fields: null,
      },
      {
        ...{ origin, newsletter: 'y', at: at(4), act: 'unsubscribe', proven: false },
        ...{ source: 'https://site.test/', lang: 'fr', format: 'T', reason: 'enough', fields: null },
      },
    ]);
  });

  it('dates an opt-out at the last write and a confirmation at the creation, so that the opt-out stands', () => {
    const email = { double_opt_in: true, has_opted_out_of_email: true, unsubscribe_reason: 'enough' };
    expect(recordOf({ a: 'a', made: 1, written: 5, email }).choices).toMatchObject([
      { act: 'confirm', proven: true, at: at(1), newsletter: '' },
      { act: 'opt_out', proven: false, at: at(5), newsletter: '', reason: 'enough' },
    ]);
  });

  it('dates a subscription, a confirmation and a claim without any time before every event', () => {
    const said: Said = { a: 'a', u: 'u', fxa: { created_date: null }, newsletters: [{ name: 'x', subscribed: true }] };
    const { choices, account } = recordOf({ ...said, email: { ...NEVER, double_opt_in: true } });
    expect(choices.map((choice) => [choice.act, choice.at])).toEqual([
      ['confirm', TIME_UNKNOWN],
      ['subscribe', TIME_UNKNOWN],
    ]);
    expect(account?.claims.map((claim) => claim.at)).toEqual([TIME_UNKNOWN]);
    // The record's other times are not the subscription's.
    expect(recordOf(said).choices).toMatchObject([{ at: TIME_UNKNOWN }]);
  });

  it('dates a confirmation before every event if the record does not say when it was created', () => {
    const email = { create_timestamp: null, double_opt_in: true };
    expect(recordOf({ a: 'a', written: 9, email }).choices).toMatchObject([{ act: 'confirm', at: TIME_UNKNOWN }]);
  });

  it('dates a refusal without a time at the last write, else at the first import', () => {
    const left = [{ name: 'x', subscribed: false, create_timestamp: iso(1) }];
    const email = { has_opted_out_of_email: true };
    const at9 = recordOf({ a: 'a', u: 'u', deleted: true, written: 9, email, newsletters: left });
    expect([at9.choices.map((choice) => choice.at), at9.account?.deletedAt]).toEqual([[at(9), at(9)], at(9)]);
    for (const update_timestamp of [null, 'yesterday']) {
      const undated = recordOf({
        a: 'a',
        u: 'u',
        deleted: true,
        email: { ...email, update_timestamp },
        newsletters: left,
      });
      expect(needsFirstImport(undated)).toBe(true);
      const { choices, account } = withFirstImport(undated, at(20));
      expect([choices.map((choice) => choice.at), account?.deletedAt]).toEqual([[at(20), at(20)], at(20)]);
    }
    expect(needsFirstImport(at9)).toBe(false);
  });

  it('takes waitlists as choices under the names that sites use, with their fields, refusals included', () => {
    const waitlists = [
      {
        name: 'vpn',
        source: 'https://site.test/',
        fields: { platform: 'ios,mac', geo: 'fr', none: null, é: 1 },
        ...on(3),
      },
      { name: 'relay', fields: {}, ...on(4), subscribed: false, unsub_reason: 'enough' },
      { name: 'x-waitlist', subscribed: false },
    ];
    expect(recordOf({ a: 'a', written: 9, waitlists }).choices).toMatchObject([
      {
        ...{ newsletter: 'guardian-vpn-waitlist', act: 'subscribe', proven: false, at: at(3) },
        ...{ source: 'https://site.test/', fields: '{"geo":"fr","platform":"ios,mac","\\u00e9":1}' },
      },
      { newsletter: 'relay-waitlist', act: 'unsubscribe', at: at(4), reason: 'enough', fields: null },
      { newsletter: 'x-waitlist', act: 'unsubscribe', at: at(9) },
    ]);
  });

  it.each([
    [Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, 1]))],
    [{ ['k'.repeat(65)]: 1 }],
    [{ k: 'v'.repeat(201) }],
    [{ k: {} }],
    [{ k: [] }],
    [[]],
    ['text'],
  ])('takes a waitlist without fields that are too large or not flat: %j', (fields) => {
    const { choices, problems } = recordOf({ a: 'a', waitlists: [{ name: 'w', ...on(3), fields }] });
    expect(choices).toMatchObject([{ newsletter: 'w-waitlist', act: 'subscribe', fields: null }]);
    expect(problems).toEqual([expect.stringMatching(/^waitlists\.0\.fields: must be an object of at most 20 /)]);
  });

  it('names the groups with content that it does not take', () => {
    const read = (groups: object) => (readRecord({ ...ctms({ a: 'a' }), ...groups }, NOW) as ImportRecord).notTaken;
    expect(read({ amo: { user_id: '1' }, mofo: { mofo_relevant: true }, products: [{}] })).toEqual([
      ...['amo', 'mofo', 'products'],
    ]);
    expect(read({ amo: { user_id: null, email_opt_in: false }, mofo: null, products: [] })).toBeUndefined();
    expect(read({ waitlists: undefined, vpn_waitlist: { geo: 'fr' } })).toEqual(['vpn_waitlist']);
    expect(read({ vpn_waitlist: { geo: 'fr' } })).toBeUndefined();
  });

  it.each([
    [{ a: 'a', email: { email_id: 'secret' } }, 'invalid_shape', 'email.email_id: must be a uuid'],
    [{ a: 'a', email: { primary_email: 'secret' } }, 'invalid_address', 'email.primary_email: has no @'],
  ] as [Said, string, string][])('refuses a record without a usable id or address: %j', (said, reason, problem) => {
    const read = readRecord(ctms(said), NOW);
    expect(read).toMatchObject({ reason, problems: [expect.stringContaining(problem)] });
    expect(JSON.stringify(read)).not.toContain('secret');
  });

  it.each([
    [{ email: { basket_token: 'secret' } }, 'email.basket_token: must be a uuid'],
    [{ email: { double_opt_in: 'secret' } }, 'email.double_opt_in: '],
    [{ email: { first_name: 'secret\0' } }, 'email.first_name: has U+0000'],
    [{ email: { email_lang: ['secret'] } }, 'email.email_lang: '],
    [{ email: { create_timestamp: 'secret' } }, 'email.create_timestamp: is not a time'],
    [{ email: { create_timestamp: '1994-12-31T23:59:59.999Z' } }, 'email.create_timestamp: is before'],
    [{ email: { create_timestamp: '2099-12-31T00:00:00Z' } }, 'email.create_timestamp: is more'],
    [{ u: 'u', fxa: { fxa_id: 'secret' } }, 'fxa.fxa_id: must be 32'],
    [{ u: 'u', fxa: { fxa_id: `DUPE:${'a'.repeat(32)}` } }, 'fxa.fxa_id: must be 32'],
    [{ u: 'u', fxa: { primary_email: 'secret@' } }, 'fxa.primary_email: has an impossible'],
    [{ u: 'u', fxa: { created_date: 'secret' } }, 'fxa.created_date: is not a time'],
    [{ u: 'u', fxa: { created_date: '1611945829.082375' } }, 'fxa.created_date: is not a time'],
    [{ u: 'u', fxa: { created_date: 1_611_945_829.082_375 } }, 'fxa.created_date: '],
    [{ newsletters: [{ name: '\u0007secret', subscribed: true }] }, 'newsletters.0.name: must'],
    [{ newsletters: [{ name: 'x'.repeat(101), subscribed: true }] }, 'newsletters.0.name: '],
    [{ newsletters: [{ name: 'x' }] }, 'newsletters.0.subscribed: '],
    [{ newsletters: ['secret'] }, 'newsletters.0: '],
    [{ waitlists: [{ name: 'w', subscribed: true, fields: { geo: { secret: 1 } } }] }, 'waitlists.0.fields: must be'],
  ] as [Omit<Said, 'a'>, string][])(
    'reports a field that it cannot use without repeating it, and takes the refusals beside it: %j',
    (said, problem) => {
      const refusal = newsletter('left', false, 3);
      const read = recordOf({
        ...{ a: 'a', written: 4, ...said },
        email: { has_opted_out_of_email: true, ...said.email },
        newsletters: [...(said.newsletters ?? []), refusal],
      });
      expect(read.problems).toEqual([expect.stringContaining(problem)]);
      expect(read.choices.filter(({ act }) => act === 'opt_out' || act === 'unsubscribe')).toMatchObject([
        { act: 'opt_out', at: at(4) },
        { act: 'unsubscribe', newsletter: 'left', at: at(3) },
      ]);
      expect(JSON.stringify(read)).not.toContain('secret');
    },
  );

  it('reports groups that are not lists or objects, and takes the rest', () => {
    const json = { ...ctms({ a: 'a', email: { has_opted_out_of_email: true } }), fxa: 'secret', newsletters: {} };
    const read = readRecord(json, NOW);
    expect(read).toMatchObject({
      account: null,
      problems: [expect.stringMatching(/^fxa: /), expect.stringMatching(/^newsletters: /)],
      choices: [{ act: 'opt_out' }],
    });
  });

  it('keeps the usable fields of a newsletter beside one that it cannot use', () => {
    const { choices } = recordOf({ a: 'a', newsletters: [{ ...newsletter('x', true, 3), source: 7 }] });
    expect(choices).toMatchObject([{ newsletter: 'x', act: 'subscribe', at: at(3), source: null, lang: 'de' }]);
  });

  it.each([
    ['9F3CAB00-0000-4000-8000-0000000000AB', '9f3cab000000400080000000000000ab'],
    [`${'AB'.repeat(16)}@accounts.test`, 'ab'.repeat(16)],
    ['9f3cab00-0000-4000-8000-0000000000ab@accounts.test', '9f3cab000000400080000000000000ab'],
  ])('reads the account id %s as 32 lower-case digits', (fxa_id, uid) => {
    expect(recordOf({ a: 'a', u: 'u', fxa: { fxa_id } }).account?.uid).toBe(uid);
  });

  it('trims and cuts text', () => {
    const email = { first_name: ` ${'x'.repeat(300)}`, last_name: ' L ' };
    expect(recordOf({ a: 'a', email }).profile).toEqual({ firstName: 'x'.repeat(255), lastName: 'L' });
  });

  it.each([[null], [[]], ['text'], [1], [{}], [{ email: null }]])('refuses what is not a record: %j', (json) => {
    expect(readRecord(json, NOW)).toMatchObject({ reason: 'invalid_shape' });
  });
});

it.each([[[1, 2]], ['secret'], [null]])('readRecord refuses a line that is not an object: %j', (json) => {
  const { problems } = readRecord(json, NOW) as { problems: string[] };
  expect(problems).toEqual(['record: must be an object']);
});

describe('readTime', () => {
  it.each([
    ['2020-02-29T23:59:59.123456+00:00', Date.UTC(2020, 1, 29, 23, 59, 59, 123)],
    ['2020-01-22 03:24:00+01', Date.UTC(2020, 0, 22, 2, 24)],
    ['2020-01-22T03:24:00.5-0230', Date.UTC(2020, 0, 22, 5, 54, 0, 500)],
    ['2020-01-22T03:24', Date.UTC(2020, 0, 22, 3, 24)],
    ['2020-01-22', Date.UTC(2020, 0, 22)],
  ])('reads %s, as UTC without an offset', (text, time) => {
    expect(readTime(text)).toBe(time);
  });
  it.each(['2021-02-29T00:00:00Z', '0095-01-01', '2020-13-01', '2020-01-22T24:00:00Z', 'yesterday', '1579663440', ''])(
    'refuses %j',
    (text) => {
      expect(readTime(text)).toBeUndefined();
    },
  );
});
