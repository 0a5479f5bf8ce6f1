/** Every table and column has a defined treatment by merge, undo and erasure. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { erasePerson } from '../../src/operations/erase/run';
import { listMerges } from '../../src/postgres/tables/merge';
import { DATA_INVENTORY } from '../support/data-inventory';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, del, exactly, optout, signup, uidOf } from '../support/events';
import { apply, DEFAULTS } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

/** Commits each event before the next one. */
async function inTurn(...events: ContactEvent[]): Promise<void> {
  for (const event of events) await apply(database.db, event);
}

/** Every column of our tables, in all schemas. */
async function columns(): Promise<string[]> {
  const rows = await database.sql<{ name: string }>(
    `SELECT format('%s.%s', c.oid::regclass, a.attname) AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
       AND c.relname <> '_prisma_migrations' AND a.attnum > 0 AND NOT a.attisdropped`,
  );
  return rows.map(({ name }) => name);
}

async function compareWithInventory(): Promise<{ unknown: string[]; gone: string[] }> {
  const there = await columns();
  const declared = Object.entries(DATA_INVENTORY).flatMap(([table, of]) =>
    Object.keys(of).map((column) => `${table}.${column}`),
  );
  return {
    unknown: there.filter((column) => !declared.includes(column)),
    gone: declared.filter((column) => !there.includes(column)),
  };
}

it('the data inventory lists every table and column, and no others', async () => {
  expect(await compareWithInventory()).toEqual({ unknown: [], gone: [] });
});

it('a new or a missing table or column is detected', async () => {
  await database.sql(`
    CREATE TABLE note (contact_id uuid REFERENCES contact, text text);
    CREATE SCHEMA aside; CREATE TABLE aside.contact (id uuid);
    ALTER TABLE contact ADD COLUMN nickname text;
    ALTER TABLE choice RENAME COLUMN reason TO why`);
  try {
    const { unknown, gone } = await compareWithInventory();
    expect([unknown.sort(), gone]).toEqual([
      ['aside.contact.id', 'choice.why', 'contact.nickname', 'note.contact_id', 'note.text'],
      ['choice.reason'],
    ]);
  } finally {
    await database.sql(`
      DROP TABLE note; DROP SCHEMA aside CASCADE; ALTER TABLE contact DROP COLUMN nickname;
      ALTER TABLE choice RENAME COLUMN why TO reason`);
  }
});

/** Tables that have rows after everyone is erased: nothing in them is about a person, or it is checked by itself. */
const KEPT = new Set([
  ...['contact', 'erasure', 'audit'],
  ...['import_progress', 'compaction', 'feed_epoch', 'schema_compatibility'],
]);

it('after everyone with a value in any column is erased, only ids and hashes are left', async () => {
  const profile = { firstName: 'Ada', lastName: 'L', country: 'gb', lang: 'en', format: 'H' };
  await inTurn(
    ...[acct('first', 'a', 1), acct('first', 'own', 1), acct('second', 'a', 2), del('second', 3)],
    ...[acct('third', 'b', 3, { locale: 'de', country: 'de', service: 'sync', createdAt: at(2) })],
    acct('third', 'a', 4),
    ...[signup('a', ['x'], 4, { profile }), { ...optout('a', 5), reason: 'enough', source: 'https://site.test/' }],
    exactly('b', ['y'], 5),
  );
  for (const merge of await listMerges(database.db, { limit: 1 })) {
    await applyBatch(database.db, [{ kind: 'undo', at: at(6), merge }], DEFAULTS);
  }
  const last = acct('third', 'lone', 8);
  last.trigger.trace = { parent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, state: 'a=b' };
  const notify = { changes: true, confirmations: false };
  await applyBatch(database.db, [signup('lone', ['x'], 7, { profile })], { ...DEFAULTS, notify });
  await inTurn(last);
  await database.sql(`
    INSERT INTO import_progress (source, lines, counts) VALUES ('of no person', 1, '{}');
    INSERT INTO first_import (record_id, at) SELECT id, now() FROM contact WHERE state = 'live' LIMIT 1;
    UPDATE choice SET fields = '{"geo":"fr"}';
    UPDATE compaction SET holder = gen_random_uuid(), held_until = now(), finished_at = now();
    INSERT INTO audit (operator, command, target, reason, result)
    VALUES ('lone@mail.test', 'merges unblock', '{"email":"lone@mail.test"}', 'Ada asked', '{"account_id":"${uidOf('third')}"}')`);
  expect(await emptyColumns()).toEqual(['erasure.at', 'erasure.hash']);

  const addresses = await database.sql<{ address: string }>('SELECT address FROM email_address');
  for (const { address } of addresses) {
    await erasePerson(database.db, { key: address, typed: address }, { erasureKey: 'a key for erasure in tests' });
  }
  // Published and deleted by the relay: ids and the token only.
  const told = await database.sql<{ type: string; body: object }>('DELETE FROM outbox RETURNING type, body');
  for (const { type, body } of told) {
    const keys = ['erased_at', 'contact_id', 'basket_token', 'retired_contact_ids'];
    expect([type, Object.keys(body)]).toEqual(['contact.erased', keys]);
  }
  const left = (await columns()).map((column) => column.split('.')[0]);
  for (const table of new Set(left)) {
    if (KEPT.has(table as string)) continue;
    expect([table, await database.sql(`SELECT * FROM ${table}`)]).toEqual([table, []]);
  }
  const hash = expect.stringMatching(/^erased:[0-9a-f]{64}$/);
  expect(await database.sql('SELECT operator, target, reason, result FROM audit')).toEqual([
    { operator: hash, target: { email: hash }, reason: hash, result: { account_id: hash } },
  ]);
  expect(await database.sql('SELECT DISTINCT state, merged_into, version, created_at FROM contact')).toEqual([
    { state: 'erased', merged_into: null, version: 0, created_at: new Date(0) },
  ]);
});

/** The columns in which no row has a value. */
async function emptyColumns(): Promise<string[]> {
  const all = await columns();
  const counts = all.map((column) => `SELECT '${column}' AS name, count(${column}) FROM ${column.split('.')[0]}`);
  const rows = await database.sql<{ name: string; count: string }>(counts.join(' UNION ALL '));
  return rows.flatMap(({ name, count }) => (count === '0' ? [name] : [])).sort();
}
