import { expect } from '@jest/globals';
import { type Database, openDatabase } from '../../src/postgres/database';
import { allRows, canonicalRows, keepRows, type Row } from '../../tools/table-rows';
import { type CrashPoint, CrashProxy } from './crash-proxy';
import type { TestDatabase } from './database';

export interface Crash<T> {
  /** For people: `after statement 3, INSERT …`. */
  where: string;
  /** The state after the crash: every row as before the work, or as after undisturbed work. */
  left: 'before' | 'after';
  /** The result of the work. */
  result: PromiseSettledResult<T>;
  /** The result of the same work when it is repeated with intact connections. */
  again: T;
  /** The rows at the end. */
  rows: readonly Row[];
  /** Whether the repetition wrote anything. */
  wrote: boolean;
}

/**
 * Crashes some work before and after each of its statements, one by one, each time from the current state of the
 * database. Undisturbed work shows how many statements there are.
 *
 * Checks after every crash that the database is exactly before or after, and that repeating the work ends as if nothing
 * had happened. The caller checks everything else.
 *
 * @param work gets an open database, and its URL for connections of its own.
 * @param back see {@link CrashProxy.arm}.
 * @param atomic false for work of several transactions: a crash may leave some of them done, and a repetition may
 *   divide the work differently.
 */
export async function* crashesOf<T>(
  database: TestDatabase,
  work: (db: Database, url: string) => Promise<T>,
  { back = false, atomic = true } = {},
): AsyncGenerator<Crash<T>> {
  const putBack = await keepRows(database);
  await putBack();
  const start = await allRows(database);
  const canonical = async (rows = allRows(database)): Promise<string[]> =>
    canonicalRows(atomic ? await rows : withoutBatches(await rows), start);
  const proxy = await CrashProxy.to(database.url);
  const url = proxy.through(database.url);
  const db = openDatabase({ url, name: 'onecontact crashing', max: 4 });
  try {
    await db.$queryRaw`SELECT 1`;
    proxy.arm(null);
    await work(db, url);
    const { statements } = proxy;
    const undisturbed = await canonical();
    expect(undisturbed).not.toEqual(await canonical(Promise.resolve(start)));

    for (const at of statements.flatMap((_, i) => sidesOf(i + 1))) {
      const where = `${at.side} statement ${at.statement}, ${statements[at.statement - 1]}`;
      await putBack();
      const before = await allRows(database);
      proxy.arm(at, { back });
      const [result] = await Promise.allSettled([work(db, url)]);
      expect({ where, crashed: proxy.crashed }).toEqual({ where, crashed: true });
      await proxy.noticed();
      const crashed = await allRows(database);
      const left = JSON.stringify(crashed) === JSON.stringify(before) ? 'before' : 'after';
      if (left === 'after' && atomic) expect({ where, rows: await canonical() }).toEqual({ where, rows: undisturbed });
      const again = await work(database.db, database.url);
      const rows = await allRows(database);
      expect({ where, again: await canonical() }).toEqual({ where, again: undisturbed });
      yield { where, left, result, again, rows, wrote: JSON.stringify(rows) !== JSON.stringify(crashed) };
    }
  } finally {
    await db.$disconnect();
    await proxy.close();
  }
}

/** Rows without columns that depend on the number and order of transactions. */
const withoutBatches = (rows: readonly Row[]): Row[] =>
  JSON.parse(JSON.stringify(rows), (key, value) => (key === 'version' || key === 'seq' ? undefined : value));

const sidesOf = (statement: number): CrashPoint[] => [
  { statement, side: 'before' },
  { statement, side: 'after' },
];
