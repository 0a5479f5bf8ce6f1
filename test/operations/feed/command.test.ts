/** `export --since`, the filters of the export, and `feed renew`. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { onecontact } from '../../support/command-line';
import { freshDatabase, type TestDatabase } from '../../support/database';
import { acct, confirm, optout, signup, unsub } from '../../support/events';
import { apply } from '../../support/stored';

let data: TestDatabase;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  data = await freshDatabase();
  env = { DATABASE_URL: data.url, OPERATOR: 'ops' };
  await apply(
    data.db,
    ...[acct('u', 'owned', 1), signup('owned', ['x'], 2), signup('unproven', ['x'], 2)],
    ...[signup('proven', ['x', 'y'], 2, { optin: true }), signup('left', ['x'], 2, { optin: true })],
    ...[unsub('left', ['x'], 3), signup('out', ['x'], 2), confirm('out', 3), optout('out', 4)],
    acct('w', 'other', 1),
  );
});
afterAll(() => data?.drop());

async function lines(...args: string[]) {
  const { out, code, err } = await onecontact(args, env);
  expect([code, err]).toEqual([0, '']);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const addressesIn = async (...args: string[]) =>
  (await lines('export', ...args)).map(({ addresses }) => addresses[0]?.replace('@mail.test', ''));

describe('the export', () => {
  it('with --newsletter and --mailable has the contacts that a mailer may write to about it', async () => {
    expect(await addressesIn('--newsletter', 'x')).toEqual(['owned', 'proven', 'unproven']);
    expect(await addressesIn('--mailable')).toEqual(['left', 'other', 'owned', 'proven']);
    expect(await addressesIn('--newsletter', 'x', '--mailable')).toEqual(['owned', 'proven']);
    expect((await onecontact(['export', '--newsletter', 'nobody'], env)).out).toBe('');
  });

  it('with --since writes everything, and from its last line on only what changed', async () => {
    const first = await lines('export', '--since');
    const next = first.pop()?.next;
    expect(first.map(({ contact }) => contact)).toHaveLength(6);
    const live = new Map((await lines('export')).map((contact) => [contact.contact_id, contact]));
    for (const { contact } of first) expect(contact).toEqual(live.get(contact.contact_id));

    expect(await lines('export', '--since', next)).toEqual([{ next }]);
    await apply(data.db, acct('u', 'unproven', 5));
    const more = await lines('export', '--since', next);
    expect(more).toHaveLength(3);
    expect(more.flatMap(({ tombstone }) => tombstone ?? [])).toMatchObject([{ kind: 'merged' }]);
    expect(more.flatMap(({ contact }) => contact?.addresses ?? [])).toEqual(['owned@mail.test', 'unproven@mail.test']);
  });

  it('with --since refuses a cursor that it did not write, and filters', async () => {
    const malformed = await onecontact(['export', '--since', 'abc'], env);
    expect(malformed).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('value of next in the last line'),
    });
    for (const filter of [['--newsletter', 'x'], ['--mailable'], ['--canonical']]) {
      const ran = await onecontact(['export', '--since', ...filter], env);
      expect(ran).toMatchObject({ code: 2, err: expect.stringContaining('cannot be used with option') });
    }
  });
});

describe('feed renew', () => {
  it('makes cursors from before useless, says so to a later export, and is in the audit', async () => {
    const next = (await lines('export', '--since')).pop()?.next;
    const renewed = await onecontact(['feed', 'renew', '--reason', 'restored'], env);
    expect(renewed).toEqual({
      code: 0,
      err: '',
      out: 'All earlier cursors are invalid: readers start over.\n',
    });
    expect(await onecontact(['export', '--since', next], env)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('export everything again with --since alone'),
    });
    expect(await lines('feed', 'renew', '--json')).toEqual([{ result: 'renewed', contacts: 0 }]);
    const entry = { operator: 'ops', command: 'feed renew', result: { contacts: 0 } };
    expect(await data.sql('SELECT operator, command, reason, result FROM audit ORDER BY seq')).toEqual([
      { ...entry, reason: 'restored' },
      { ...entry, reason: null },
    ]);
  });
});
