import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, del } from '../support/events';
import { apply, brokenPromises } from '../support/stored';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

it('a deleted account can get another contact in the batch in which its successor takes over the former one', async () => {
  // With many rows PostgreSQL updates in another order than the batch, and checks the unique index row by row.
  await apply(database.db, ...Array.from({ length: 5_000 }, (_, i) => acct(`f${i}`, `f${i}`, 1)));
  await database.sql('ANALYZE');
  for (const n of [1, 2, 3, 4]) {
    await apply(database.db, acct(`old${n}`, `a${n}`, 1), del(`old${n}`, 5));
    await apply(database.db, acct(n % 2 ? `new${n}` : `a-new${n}`, `a${n}`, 6), acct(`old${n}`, `b${n}`, 3));
  }
  expect(await brokenPromises(database)).toEqual([]);
});
