import { describe, expect, it } from '@jest/globals';
import { readTime } from '../../../src/foundation/times';
import { readRecord } from '../../../src/operations/import/read-record';
import { addressOf, at, uidOf } from '../../support/events';
import { ctms, idOf, NOW, newsletter, recordOf, type Said, tokenOf } from '../../support/records';

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
      },
      {
        ...{ origin, newsletter: 'y', at: at(4), act: 'unsubscribe', proven: false },
        ...{ source: 'https://site.test/', lang: 'fr', format: 'T', reason: 'enough' },
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

  it.each([
    [{ a: 'a', email: { email_id: 'secret' } }, 'invalid_shape', 'email.email_id: must be a uuid'],
    [{ a: 'a', email: { basket_token: 'secret' } }, 'invalid_shape', 'email.basket_token: must be a uuid'],
    [{ a: 'a', email: { primary_email: 'secret' } }, 'invalid_address', 'email.primary_email: has no @'],
    [{ a: 'a', email: { double_opt_in: 'secret' } }, 'invalid_shape', 'email.double_opt_in: '],
    [{ a: 'a', email: { first_name: 'secret\0' } }, 'invalid_shape', 'email.first_name: has U+0000'],
    [{ a: 'a', u: 'u', fxa: { fxa_id: 'secret' } }, 'invalid_shape', 'fxa.fxa_id: must be 32'],
    [{ a: 'a', u: 'u', fxa: { primary_email: 'secret@' } }, 'invalid_address', 'fxa.primary_email: has an impossible'],
    [{ a: 'a', u: 'u', fxa: { created_date: 'secret' } }, 'invalid_time', 'fxa.created_date: is no time'],
    [
      { a: 'a', email: { create_timestamp: null, update_timestamp: null } },
      'invalid_time',
      'email.create_timestamp: is m',
    ],
    [
      { a: 'a', email: { update_timestamp: '1994-12-31T23:59:59.999Z' } },
      'invalid_time',
      'email.update_timestamp: is before',
    ],
    [
      { a: 'a', email: { update_timestamp: '2099-12-31T00:00:00Z' } },
      'invalid_time',
      'email.update_timestamp: is more',
    ],
    [{ a: 'a', newsletters: [{ name: ' secret', subscribed: true }] }, 'invalid_shape', 'newsletters.0.name: must'],
    [{ a: 'a', newsletters: [{ name: 'x' }] }, 'invalid_shape', 'newsletters.0.subscribed: '],
  ] as [Said, string, string][])('refuses a wrong value without repeating it: %j', (said, reason, problem) => {
    const read = readRecord(ctms(said), NOW);
    expect(read).toMatchObject({ reason, problems: [expect.stringContaining(problem)] });
    expect(JSON.stringify(read)).not.toContain('secret');
  });

  it.each([[null], [[]], ['text'], [1], [{}], [{ email: null }]])('refuses what is not a record: %j', (json) => {
    expect(readRecord(json, NOW)).toMatchObject({ reason: 'invalid_shape' });
  });
});

it.each([[[1, 2]], ['secret'], [null]])('readRecord refuses a line that is not an object: %j', (json) => {
  const { problems } = readRecord(json, NOW) as { problems: string[] };
  expect(problems).toEqual([
    expect.stringMatching(/^record: Invalid input: expected object, received (array|string|null)$/),
  ]);
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
