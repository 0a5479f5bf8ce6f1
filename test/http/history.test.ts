import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { MergeDetails } from '../../src/contacts/merge/explain';
import { makeServer } from '../../src/http/server';
import { Health } from '../../src/observability/health';
import { findMerge } from '../../src/postgres/tables/merge';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, at, signup } from '../support/events';
import { apply } from '../support/stored';
import { ask } from './ask';

let data: TestDatabase;
let app: FastifyInstance;
let base: string;
beforeAll(async () => {
  data = await freshDatabase();
  const log = pino({ level: 'silent' });
  app = makeServer({ db: data.db, log, apiKey: null, health: new Health(), metrics: new Registry() });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app?.close();
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
