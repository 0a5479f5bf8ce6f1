import { expect } from '@jest/globals';
import { type Database, openDatabase } from '../../src/postgres/database';
import { Breakpoint, bothSides } from '../../tools/proxy/breakpoint';
import { statementSteps } from '../../tools/proxy/statement-steps';
import { TcpProxy } from '../../tools/proxy/tcp-proxy';
import { allRows, canonicalRows, keepRows, type Row, withoutAudit } from '../../tools/table-rows';
import type { TestDatabase } from './database';

export interface Crash<T> {
  /** For people: `after statement 3, INSERT …`. */
  where: string;
  /** Whether the crash left every row unchanged, or all changes of the undisturbed run. */
  left: 'before' | 'after';
  /** The outcome of the crashed work. */
  result: PromiseSettledResult<T>;
  /** The result of the repetition, over stable connections. */
  again: T;
  /** The rows after the repetition. */
  rows: readonly Row[];
  /** Whether the repetition wrote anything. */
  wrote: boolean;
}

/**
 * Crashes some work before and after each of its statements, always starting from the database's present rows. An
 * undisturbed run finds the statements.
 *
 * Checks after every crash that the database is exactly before or after, and that repeating the work ends like the
 * undisturbed run. Callers check everything else.
 *
 * @param work gets an open database, and its URL for work that opens its own
 * @param back accept new connections after the crash: the client survives. Otherwise none are accepted, as if it died
 * @param atomic false for work of several transactions: a crash may leave some of them committed, and the repetition may
 *   divide the rest differently
 */
export async function* crashesOf<T>(
  database: TestDatabase,
  work: (db: Database, url: string) => Promise<T>,
  { back = false, atomic = true } = {},
): AsyncGenerator<Crash<T>> {
  const putBack = await keepRows(database);
  await putBack();
  const start = await rowsOf(database);
  const canonical = async (rows = rowsOf(database)): Promise<string[]> =>
    canonicalRows(atomic ? await rows : withoutBatches(await rows), start);
  const breakpoint = new Breakpoint();
  const proxy = await TcpProxy.to(database.url, { reader: (link) => statementSteps(breakpoint, link) });
  const url = proxy.through(database.url);
  const db = openDatabase({ url, name: 'onecontact crashing', max: 4 });
  try {
    await db.$queryRaw`SELECT 1`;
    breakpoint.arm(null, () => undefined);
    await work(db, url);
    const { steps } = breakpoint;
    const undisturbed = await canonical();
    expect(undisturbed).not.toEqual(await canonical(Promise.resolve(start)));

    for (const at of steps.flatMap(bothSides)) {
      const where = `${at.side} statement ${at.nr}, ${at.what}`;
      await putBack();
      const before = await rowsOf(database);
      let closed: Promise<void> | undefined;
      proxy.restore();
      breakpoint.arm(at, () => {
        closed = proxy.abandon();
        if (!back) return;
        breakpoint.arm(null, () => undefined);
        proxy.restore();
      });
      const [result] = await Promise.allSettled([work(db, url)]);
      expect({ where, crashed: closed !== undefined }).toEqual({ where, crashed: true });
      await closed;
      const crashed = await rowsOf(database);
      const left = JSON.stringify(crashed) === JSON.stringify(before) ? 'before' : 'after';
      if (left === 'after' && atomic) expect({ where, rows: await canonical() }).toEqual({ where, rows: undisturbed });
      const again = await work(database.db, database.url);
      const rows = await rowsOf(database);
      expect({ where, again: await canonical() }).toEqual({ where, again: undisturbed });
      yield { where, left, result, again, rows, wrote: JSON.stringify(rows) !== JSON.stringify(crashed) };
    }
  } finally {
    await db.$disconnect();
    await proxy.abandon();
    await proxy.close();
  }
}

const rowsOf = async (database: TestDatabase): Promise<Row[]> => withoutAudit(await allRows(database));

/** Without the columns that show how the work was divided into transactions. */
const withoutBatches = (rows: readonly Row[]): Row[] =>
  JSON.parse(JSON.stringify(rows), (key, value) => (key === 'version' || key === 'seq' ? undefined : value));
