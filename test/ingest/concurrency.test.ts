/** Concurrent workers on PostgreSQL. A second session holds locks to force the bad interleavings. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, optout, signup, uidOf, unsub } from '../support/events';
import { gate, waiting } from '../support/gate';
import { apply, brokenPromises, canonicalExportOf, DEFAULTS } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase({ max: 20 });
});
afterAll(() => database?.drop());

const key = (name: string): string => addressOf(name).key;
const contacts = (state: string, like: string) =>
  database.sql(
    `SELECT DISTINCT c.id FROM contact c JOIN merge m ON c.id IN (m.survivor_id, m.retired_id)
     WHERE c.state = $1::contact_state AND m.addresses && ARRAY[$2]`,
    [state, key(like)],
  );
const merges = (address: string) => database.sql('SELECT * FROM merge WHERE $1 = ANY (addresses)', [key(address)]);

describe('two concurrent workers', () => {
  it('detect the same collision: one merges, the other finds it done; unrelated contacts are not blocked', async () => {
    await apply(database.db, acct('u', 'a', 1), signup('b', ['x'], 2));
    const open = await gate(database, 'SELECT FROM email_address WHERE address = $1 FOR UPDATE', [key('b')]);
    const both = [apply(database.db, acct('u', 'b', 3)), apply(database.db, acct('u', 'b', 3))];
    await waiting(database, 2);
    await apply(database.db, signup('unrelated', ['x'], 1), acct('other', 'unrelated-too', 1));
    await open();
    expect((await Promise.all(both)).map((applied) => applied.merges.length).sort()).toEqual([0, 1]);
    expect(await merges('b')).toHaveLength(1);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('merge 200 pairs crosswise over 16 connections without a visible deadlock', async () => {
    const pairs = Array.from({ length: 200 }, (_, i) => i);
    await apply(database.db, ...pairs.flatMap((i) => [acct(`p${i}`, `p${i}-a`, 1), signup(`p${i}-b`, ['x'], 2)]));
    // Each batch has every pair in an order of its own, with sign-ups at both addresses.
    const batches = Array.from({ length: 16 }, (_, n) => {
      const order = n % 2 ? pairs : [...pairs].reverse();
      const turned = [...order.slice(n * 12), ...order.slice(0, n * 12)];
      return turned.flatMap((i) => [acct(`p${i}`, `p${i}-b`, 3), signup(`p${(i + n) % 200}-a`, [`n${n}`], 4)]);
    });
    await Promise.all(batches.map((batch) => apply(database.db, ...batch)));
    const [stats] = await database.sql(
      `SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`,
    );
    expect(stats).toEqual({ deadlocks: 0 });
    expect(
      await database.sql(`SELECT FROM merge WHERE uid = ANY ($1)`, [pairs.map((i) => uidOf(`p${i}`))]),
    ).toHaveLength(200);
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('a sign-up during a merge', () => {
  it('waits, and is then applied to the survivor', async () => {
    await apply(database.db, acct('v', 'va', 1), signup('vb', ['x'], 2));
    // The merge locks its addresses first: with the account locked here, it stops halfway.
    const open = await gate(database, 'SELECT FROM account WHERE uid = $1 FOR UPDATE', [uidOf('v')]);
    const merge = apply(database.db, acct('v', 'vb', 3));
    await waiting(database, 1);
    const late = apply(database.db, signup('vb', ['y'], 4), optout('vc', 4));
    await waiting(database, 2);
    await open();
    expect((await merge).merges).toHaveLength(1);
    await late;
    expect(await contacts('merged', 'vb')).toHaveLength(1);
    const line = (await canonicalExportOf(database.db)).find((text) => text.includes(key('vb')));
    expect(JSON.parse(line as string)).toMatchObject({
      addresses: [key('va'), key('vb')],
      newsletters: { x: 'subscribed', y: 'subscribed' },
    });
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('a concurrent insert', () => {
  it('of the same address is a stale read: everything is read again, and the sign-up is applied to the existing contact', async () => {
    const contact = '00000000-0000-7000-8000-00000000f001';
    const open = await gate(
      database,
      `WITH c AS (INSERT INTO contact (id) VALUES ('${contact}')),
            t AS (INSERT INTO basket_token (token, contact_id) VALUES ('00000000-0000-4000-8000-00000000f001', '${contact}'))
       INSERT INTO email_address (address, typed, typed_at, contact_id) VALUES ($1, $1, now(), '${contact}')`,
      [key('race')],
    );
    let staleReads = 0;
    const onStaleRead = (): void => {
      staleReads += 1;
    };
    const late = applyBatch(database.db, [signup('race', ['x'], 1)], { ...DEFAULTS, onStaleRead });
    await waiting(database, 1);
    expect(staleReads).toBe(0);
    await open();
    await late;
    expect(staleReads).toBe(1);
    expect(await database.sql('SELECT contact_id FROM email_address WHERE address = $1', [key('race')])).toEqual([
      { contact_id: contact },
    ]);
    expect(await brokenPromises(database)).toEqual([]);
  });

  it('of the same account and address leaves one account with one contact', async () => {
    const open = await gate(database, 'LOCK TABLE account IN SHARE MODE');
    const both = [
      apply(database.db, acct('w', 'wa', 1)),
      apply(database.db, acct('w', 'wb', 2)),
      apply(database.db, acct('w', 'wa', 3)),
    ];
    await waiting(database, 3);
    await open();
    await Promise.all(both);
    const line = (await canonicalExportOf(database.db)).find((text) => text.includes(key('wa')));
    expect(JSON.parse(line as string)).toMatchObject({ addresses: [key('wa'), key('wb')], primary: key('wa') });
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('a login that waits for its address', () => {
  it('continues its account’s period no more when another account’s claim came before it meanwhile', async () => {
    await apply(database.db, acct('lo', 'lo', 1), acct('ot', 'ot', 1));
    const open = await gate(
      database,
      `WITH address AS (SELECT FROM email_address WHERE address = $1 FOR UPDATE)
       INSERT INTO address_claim (address, uid, at, event, event_id)
       SELECT $1, $2, '2026-01-01T00:00:05Z', 'login', 'x' FROM address`,
      [key('lo'), uidOf('ot')],
    );
    const login = apply(database.db, acct('lo', 'lo', 9));
    await waiting(database, 1);
    await open();
    const { continuing, claims } = await login;
    expect([continuing, claims.map(({ uid }) => uid)]).toEqual([[], [uidOf('lo')]]);
    expect((await apply(database.db, acct('lo', 'lo', 10))).continuing).toHaveLength(1);
    expect((await apply(database.db, acct('lo', 'lo', 4))).continuing).toHaveLength(1);
    expect((await apply(database.db, acct('lo', 'lo', 6))).continuing).toEqual([]);
    expect(await brokenPromises(database)).toEqual([]);
  });
});

describe('repeated delivery', () => {
  const everything = async () => {
    const tables = [
      'contact',
      'email_address',
      'account',
      'address_claim',
      'choice',
      'basket_token',
      'merge',
      'outbox',
    ];
    const rows: Record<string, unknown> = {};
    for (const table of tables) rows[table] = await database.sql(`SELECT xmin, * FROM ${table} ORDER BY 2, 3, 4, 5`);
    return rows;
  };

  it('changes not a single row, however late', async () => {
    const events = [
      acct('r', 'ra', 1, { newsletters: ['in-account'], locale: 'de', country: 'de' }),
      signup('rb', ['x'], 2, { profile: { firstName: 'Ada', lang: null } }),
      unsub('rb', ['z'], 2),
      acct('r', 'rb', 3),
      optout('ra', 4),
    ];
    for (const event of events) await apply(database.db, event);
    const before = await everything();
    await apply(database.db, ...events);
    for (const event of [...events].reverse()) await apply(database.db, event);
    expect(await everything()).toEqual(before);
  });
});
