import type { TestDatabase } from './database';

/**
 * Finds words in any column of a database, ignoring case. Not in Prisma's record of migrations: its random ids may spell a
 * name like Ada.
 *
 * @returns `table.column: word` for each find; tables and columns come from the catalog, so that none is left out
 */
export async function tracesOf({ sql }: TestDatabase, words: readonly string[]): Promise<string[]> {
  const columns = await sql<{ table: string; column: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS table, quote_ident(a.attname) AS column
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
       AND c.relname <> '_prisma_migrations' AND a.attnum > 0 AND NOT a.attisdropped`,
  );
  const found = await sql<{ trace: string }>(
    columns
      .map(
        ({ table, column }) =>
          `SELECT DISTINCT '${table}.${column}: ' || word AS trace FROM ${table}, unnest($1::text[]) AS word
           WHERE strpos(lower(${column}::text COLLATE "C"), lower(word COLLATE "C")) > 0`,
      )
      .join(' UNION ALL '),
    [words],
  );
  return found.map(({ trace }) => trace).sort();
}
