import { type Database, inTransaction, type TransactionOptions } from './database';
import { Prisma } from './generated/prisma/client';

/** Plans for fewer rows are good without statistics. */
const MANY_ROWS = 1_000;

/**
 * Analyses tables that have grown from nothing and were never analysed. Sessions keep the plans that they made for an empty
 * table until its first ANALYZE; autovacuum follows a minute later, or never if it is off. Tables that another role owns are
 * left to autovacuum.
 *
 * @returns their names
 */
export async function analyzeGrown(db: Database, options: TransactionOptions): Promise<string[]> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT quote_ident(seen.relname) AS name
    FROM pg_stat_user_tables AS seen JOIN pg_class AS c ON c.oid = seen.relid
    WHERE seen.schemaname = 'public' AND seen.n_live_tup >= ${MANY_ROWS}::int
      AND seen.last_analyze IS NULL AND seen.last_autoanalyze IS NULL
      AND pg_has_role(c.relowner, 'USAGE')`;
  for (const { name } of tables) {
    await inTransaction(db, (tx) => tx.$executeRaw`ANALYZE ${Prisma.raw(name)}`, options);
  }
  return tables.map(({ name }) => name);
}
