import { type Database, inTransaction, type Queries } from '../../src/postgres/database';

/** The index entries and table rows that some work of one transaction reads. It is rolled back. */
export async function rowsRead(db: Database, work: (tx: Queries) => Promise<unknown>): Promise<number> {
  return inTransaction(
    db,
    async (tx) => {
      // The counters may still have what earlier transactions of the session have read.
      const before = await readSoFar(tx);
      await work(tx);
      const after = await readSoFar(tx);
      return [...after].reduce((sum, [name, rows]) => sum + rows - (before.get(name) ?? 0), 0);
    },
    { dryRun: true },
  );
}

/** A database of which all statements run in one transaction, whatever transactions they are to run in. */
export const within = (tx: Queries): Database =>
  ({ $transaction: (work: (tx: Queries) => unknown) => work(tx) }) as never;

const readSoFar = async (tx: Queries): Promise<Map<string, number>> => {
  const rows = await tx.$queryRaw<{ name: string; rows: number }[]>`
    SELECT relname AS name, pg_stat_get_xact_tuples_returned(oid)::int AS rows
    FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace`;
  return new Map(rows.map(({ name, rows }) => [name, rows]));
};
