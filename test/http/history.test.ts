import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { MergeDetails } from '../../src/contacts/merge/explain';
import { makeServer } from '../../src/http/server';
import { Health } from '../../src/observability/health';
import { type Database, openDatabase } from '../../src/postgres/database';
import { findHistory, findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, signup } from '../support/events';
import { gate, waiting } from '../support/gate';
import { eventually } from '../support/service';
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
  const undone = { merge_id: merge.id, retired_id: merge.retiredId, undone_at: new Date(at(9)).toISOString() };
  for (const id of [merge.survivorId, merge.retiredId]) {
    expect(await history(id)).toMatchObject({ id, merges: [undone] });
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

it('the history of a contact reads its own merges only, however many there are of others', async () => {
  const database = await freshDatabase();
  try {
    const survivor = randomUUID();
    // This session does not read the ledger, and the one below is the only one that does.
    await database.sql(
      `WITH own AS (INSERT INTO contact (id) VALUES ($1) RETURNING id),
       others AS (INSERT INTO contact (id) SELECT gen_random_uuid() FROM generate_series(1, 2000) RETURNING id),
       pairs AS (
         SELECT id AS survivor, gen_random_uuid() AS retired FROM others
         UNION ALL SELECT id, gen_random_uuid() FROM own, generate_series(1, 3)
       ),
       gone AS (INSERT INTO contact (id, state, merged_into) SELECT retired, 'merged', survivor FROM pairs)
       INSERT INTO merge (id, survivor_id, retired_id, uid, reason, trigger_source, trigger_event, trigger_id,
         trigger_at, addresses, token_policy, token_reason, announced)
       SELECT gen_random_uuid(), survivor, retired, 'u', 'claim', 'fxa', 'login', 'x', now(), '{}', 'address', 'x', true
       FROM pairs`,
      [survivor],
    );
    const read = async (): Promise<number> => {
      const [row] = await database.sql<{ n: number }>(
        `SELECT (seq_tup_read + idx_tup_fetch)::int AS n FROM pg_stat_user_tables WHERE relname = 'merge'`,
      );
      return row?.n ?? 0;
    };
    const own = openDatabase({ url: database.url, name: 'onecontact test', max: 1 });
    expect(await findHistory(own, survivor)).toHaveLength(3);
    await own.$disconnect(); // a session reports what it read at its end at the latest
    expect(await eventually(read, (n) => n > 0)).toBeLessThan(20);
  } finally {
    await database.drop();
  }
});
