import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { MergeDetails } from '../../src/contacts/merge/explain';
import { makeServer } from '../../src/http/server';
import type { HistoryBody } from '../../src/messages/http/schemas';
import { Health } from '../../src/observability/health';
import { type Database, openDatabase } from '../../src/postgres/database';
import { findHistory, findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, signup } from '../support/events';
import { gate, waiting } from '../support/gate';
import { rowsRead, within } from '../support/rows-read';
import { apply } from '../support/stored';
import { ask } from './ask';

let data: TestDatabase;
let historyDb: Database;
let app: FastifyInstance;
let base: string;
beforeAll(async () => {
  data = await freshDatabase({ max: 4 });
  const log = pino({ level: 'silent' });
  historyDb = openDatabase({ url: data.url, name: 'onecontact test', max: 2 });
  const contacts = { db: data.db, historyDb };
  app = makeServer({ contacts, log, keys: { value: [] }, health: new Health(), metrics: new Registry() });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app?.close();
  await historyDb?.$disconnect();
  await data?.drop();
});

it('the history over HTTP shows an undone merge for the survivor and for the restored contact', async () => {
  await apply(data.db, acct('u', 'a', 1), signup('b', ['x'], 2));
  const { merges } = await apply(data.db, acct('u', 'b', 3));
  const merge = (await findMerge(data.db, merges[0]?.id as string)) as MergeDetails;
  const history = async (id: string) => JSON.parse((await ask(base, `/contacts/${id}/history`)).body);
  expect(await history(merge.retiredId)).toMatchObject({ code: 4 });

  await apply(data.db, { kind: 'undo', at: at(9), merge });
  const undone = { merge_id: merge.id, retired_contact_id: merge.retiredId, undone_at: new Date(at(9)).toISOString() };
  for (const id of [merge.survivorId, merge.retiredId]) {
    expect(await history(id)).toMatchObject({ contact_id: id, merges: [undone] });
  }

  await apply(data.db, { kind: 'unblock', uid: merge.uid, address: 'b@mail.test' });
  expect((await history(merge.survivorId)).merges).toMatchObject([undone, { undone_at: null }]);
});

it('20 histories that wait for the database hold up no look-up', async () => {
  await apply(data.db, signup('reader', ['x'], 1));
  const { contact_id: id } = JSON.parse((await ask(base, '/contacts/by-email/reader@mail.test')).body);
  const open = await gate(data, 'LOCK TABLE merge IN ACCESS EXCLUSIVE MODE');
  const histories = Array.from({ length: 20 }, () => ask(base, `/contacts/${id}/history`));
  try {
    await waiting(data, 2);
    // Look-ups of unknown keys do not read the ledger, so only a missing connection can hold them up.
    const unknown = await Promise.all(Array.from({ length: 8 }, () => ask(base, `/contacts/${randomUUID()}`)));
    expect(unknown.map(({ status }) => status)).toEqual(Array(8).fill(404));
  } finally {
    await open();
  }
  for (const { status } of await Promise.all(histories)) expect(status).toBe(200);
});

/** Merges by SQL: `[survivor, retired]` in the order in which they happened, and whether the merge was undone. */
async function ledger(sql: TestDatabase['sql'], merges: readonly [survivor: string, retired: string, undone?: true][]) {
  const into = new Map<string, string>();
  for (const [survivor, retired, undone] of merges) if (!undone) into.set(retired, survivor);
  const rootOf = (id: string): string => (into.has(id) ? rootOf(into.get(id) as string) : id);
  const ids = [...new Set([...merges.map(([survivor]) => survivor), ...merges.map(([, retired]) => retired)])];
  await sql(
    `INSERT INTO contact (id, state, merged_into)
     SELECT id, CASE WHEN root = id THEN 'live' ELSE 'merged' END::contact_state, nullif(root, id)
     FROM unnest($1::uuid[], $2::uuid[]) AS x (id, root)`,
    [ids, ids.map(rootOf)],
  );
  await sql(
    `INSERT INTO merge (id, survivor_id, retired_id, undone_at, uid, reason, trigger_source, trigger_event, trigger_id,
       trigger_at, addresses, token_policy, token_reason, announced)
     SELECT gen_random_uuid(), survivor, retired, CASE WHEN undone THEN now() END, 'u', 'claim', 'fxa', 'login', 'x',
       now(), '{}', 'address', 'only', true
     FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) WITH ORDINALITY AS x (survivor, retired, undone, n) ORDER BY n`,
    [merges.map(([id]) => id), merges.map(([, id]) => id), merges.map(([, , undone = false]) => undone)],
  );
}

it('the history over HTTP comes in pages: every merge once, and those of a merged contact before the one that brought it', async () => {
  const [root, a, b, c, d, e, other] = Array.from({ length: 7 }, () => randomUUID()) as [string, ...string[]];
  const lone = (survivor = '') => [survivor, randomUUID()] as [string, string];
  const merges: [string, string, true?][] = [
    lone(a),
    [e as string, root, true],
    lone(b),
    [b as string, c as string, true],
    lone(c),
    [b as string, a as string],
    lone(root),
    lone(other),
    [d as string, b as string],
    [root, d as string],
    [root, c as string],
    lone(root),
    [root, e as string],
  ];
  await ledger(data.sql, merges);
  const page = async (query: string) => JSON.parse((await ask(base, `/contacts/${root}/history${query}`)).body);
  const all = await page('');
  expect(all.next).toBeNull();
  const order = (all as HistoryBody).merges.map((merge) =>
    merges.findIndex(
      ([survivor, retired]) => survivor === merge.survivor_contact_id && retired === merge.retired_contact_id,
    ),
  );
  expect(order).toEqual([1, 6, 2, 3, 0, 5, 8, 9, 4, 10, 11, 12]);
  for (const limit of [1, 2, 5, 11]) {
    const found = [];
    for (let next: string | null = ''; next !== null; ) {
      const { merges: some, ...rest } = await page(`?limit=${limit}${next === '' ? '' : `&after=${next}`}`);
      expect(some.length).toBeLessThanOrEqual(limit);
      found.push(...some);
      next = rest.next;
    }
    expect(found).toEqual(all.merges);
  }
});

it('a page of a history that cannot be is refused with what is wrong', async () => {
  const mergeOf = async (name: string) => {
    await apply(data.db, acct(name, name, 1), signup(`${name}2`, ['x'], 2));
    const { merges } = await apply(data.db, acct(name, `${name}2`, 3));
    return merges[0] as { survivorId: string; id: string };
  };
  const [{ survivorId, id }, other] = [await mergeOf('p'), await mergeOf('q')];
  const history = async (query: string) => {
    const { status, body } = await ask(base, `/contacts/${survivorId}/history?${query}`);
    return [status, JSON.parse(body).desc];
  };
  for (const query of ['limit=0', 'limit=501', 'limit=-1', 'limit=many', 'limit=', 'limit=1&limit=2']) {
    expect(await history(query)).toEqual([400, 'limit must be a whole number from 1 to 500']);
  }
  for (const query of ['after=', 'after=1', `after=${id}&after=${id}`]) {
    expect(await history(query)).toEqual([400, 'after must be the "next" of the page before']);
  }
  expect(await history(`after=${randomUUID()}`)).toEqual([404, 'User not found']);
  expect(await history(`after=${id}`)).toEqual([200, undefined]);
  expect(await history(`after=${other.id}`)).toEqual([404, 'User not found']);
});

it('a page of a history reads rows for its merges only, however many the contact and others have', async () => {
  const database = await freshDatabase();
  try {
    const [few, many] = [randomUUID(), randomUUID()];
    const merges = (survivor: string, n: number) =>
      Array.from({ length: n }, () => [survivor, randomUUID()] as [string, string]);
    await ledger(database.sql, [...merges(few, 20), ...merges(many, 5_000)]);
    await database.sql('ANALYZE');
    const rows = async (contactId: string, last: number): Promise<number> => {
      const [{ id: after }] = (await database.sql<{ id: string }>(
        'SELECT id FROM merge WHERE survivor_id = $1 ORDER BY seq OFFSET $2 LIMIT 1',
        [contactId, last],
      )) as [{ id: string }];
      return rowsRead(database.db, async (tx) => {
        expect((await findHistory(within(tx), contactId, { limit: 10, after }))?.merges).toHaveLength(10);
      });
    };
    const small = await rows(few, 5);
    expect(small).toBeLessThan(100);
    expect(await rows(many, 5)).toBeLessThanOrEqual(small + 5);
    expect(await rows(many, 4_000)).toBeLessThanOrEqual(small + 5);
  } finally {
    await database.drop();
  }
});
