import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import type { ContactEvent } from '../../src/contacts/facts/event';
import { applyBatch } from '../../src/ingest/apply/transaction';
import type { Database } from '../../src/postgres/database';
import { PrismaClient } from '../../src/postgres/generated/prisma/client';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, login, optout, signup } from '../support/events';
import { apply, DEFAULTS } from '../support/stored';

describe('the cost of a batch', () => {
  let database: TestDatabase;
  let db: Database;
  let statements: string[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    const client = new PrismaClient({
      adapter: new PrismaPg({ connectionString: database.url }),
      log: [{ emit: 'event', level: 'query' }],
    });
    client.$on('query', ({ query }) => statements.push(query));
    db = client as unknown as Database;
  });
  afterAll(async () => {
    await db?.$disconnect();
    await database?.drop();
  });

  async function cost(events: ContactEvent[]): Promise<number> {
    statements = [];
    await apply(db, ...events);
    return statements.length;
  }

  const many = (n: number, make: (i: number) => ContactEvent[]): ContactEvent[] =>
    Array.from({ length: n }, (_, i) => make(i)).flat();

  it('rises by one statement, that for the outbox, where sign-ups of new readers are to be confirmed', async () => {
    statements = [];
    const notify = { changes: false, confirmations: true };
    await applyBatch(
      db,
      many(50, (i) => [signup(`confirm-${i}`, ['x'], 1)]),
      { ...DEFAULTS, notify },
    );
    expect(statements).toHaveLength(5);
  });

  /** Includes COMMIT; Prisma does not report BEGIN. */
  it.each([
    ['sign-ups of new readers', 4, (run: string) => (i: number) => [signup(`${run}-${i}`, ['x', 'y'], 1)]],
    [
      'sign-ups of known readers',
      3,
      (run: string) => (i: number) => [signup(`known-${run}-${i}`, ['z'], 5), optout(`known-${run}-${i}`, 6)],
    ],
    ['logins of known accounts', 5, (run: string) => (i: number) => [login(`in-${run}${i}`, `in-${run}-${i}`, 5)]],
    [
      'account events with merges',
      15,
      (run: string) => (i: number) => [
        acct(`${run}${i}`, `${run}-c${i}`, 1),
        acct(`${run}${i}`, `lone-${run}-${i}`, 2),
      ],
    ],
  ])('is the same for 5 and for 500 %s: %i statements', async (_, statements, kind) => {
    const known = (run: string, i: number) => [
      signup(`known-${run}-${i}`, ['x'], 1),
      signup(`lone-${run}-${i}`, [], 1),
      acct(`in-${run}${i}`, `in-${run}-${i}`, 1),
    ];
    await apply(db, ...many(500, (i) => [...known('s', i), ...known('l', i)]));
    expect([await cost(many(5, kind('s'))), await cost(many(500, kind('l')))]).toEqual([statements, statements]);
  });
});
