/** Compares and restores all rows of a database. */
import { createHash } from 'node:crypto';

interface Sql {
  sql<T extends object>(text: string): Promise<T[]>;
}

export interface Row {
  table: string;
  /** The columns, and `xmin`, which changes when the row is written. */
  values: Record<string, unknown>;
}

/** Found in the catalogue, so that new tables are included. */
async function tablesOf({ sql }: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }>(`
    SELECT quote_ident(tablename) AS name FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY 1`);
  return rows.map(({ name }) => name);
}

export async function allRows(database: Sql): Promise<Row[]> {
  const tables = await tablesOf(database);
  return database.sql<Row>(`
    SELECT * FROM (${tables
      .map(
        (t) => `SELECT '${t}' AS table, to_jsonb(t) || jsonb_build_object('xmin', t.xmin::text) AS values FROM ${t} t`,
      )
      .join(' UNION ALL ')}) AS rows ORDER BY rows.table, rows.values::text`);
}

/** The audit has an entry for each attempt at a command of several transactions. */
export const withoutAudit = (rows: readonly Row[]): Row[] => rows.filter(({ table }) => table !== 'audit');

/** Copies all rows into a schema of this name. @returns a function that restores them in a few milliseconds */
export async function keepRows(database: Sql, schema = 'kept'): Promise<() => Promise<void>> {
  const tables = await tablesOf(database);
  await database.sql(`
    DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema};
    ${tables.map((t) => `CREATE TABLE ${schema}.${t} AS TABLE ${t}`).join(';')}`);
  return async () => {
    // One transaction, because foreign keys are checked at its end. TRUNCATE is slower: it creates files.
    const statements = tables.flatMap((t) => [`DELETE FROM ${t}`, `INSERT INTO ${t} TABLE ${schema}.${t}`]);
    await database.sql(statements.join(';'));
  };
}

const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::\d\d)?)/g;
/** Times this close to the present come from the clock; event times in tests are far away. */
const CLOCK_MS = 3_600_000;
/** The longest chain of references from a generated id to a value that is not generated. */
const STEPS = 4;

/**
 * Rows without what differs between runs: clock times, ids of transactions, sequence numbers (their order stays) and
 * generated ids, which are named after the rows that contain them.
 *
 * @param before the rows at the start, whose ids are the same in every run
 */
export function canonicalRows(rows: readonly Row[], before: readonly Row[]): string[] {
  const known = new Set(JSON.stringify(before).match(UUID));
  const clock = (text: string): string => (Math.abs(Date.parse(text) - Date.now()) < CLOCK_MS ? 'NOW' : text);
  const texts = withoutNumbers(rows).map((row) => JSON.stringify(row).replace(TIME, clock));
  let names = new Map<string, string>();
  for (let step = 0; step < STEPS; step++) {
    const places = new Map<string, string[]>();
    for (const text of texts) {
      for (const id of new Set(text.match(UUID))) {
        if (known.has(id)) continue;
        const place = text.replace(UUID, (other) =>
          other === id ? 'THIS' : known.has(other) ? other : (names.get(other) ?? ''),
        );
        places.set(id, [...(places.get(id) ?? []), place]);
      }
    }
    names = new Map([...places].map(([id, list]) => [id, `NEW-${digest(list.sort().join('\n'))}`]));
  }
  return texts.map((text) => text.replace(UUID, (id) => names.get(id) ?? id)).sort();
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** Every sequence number is in a column `seq`; ids of transactions are in `xmin` and in `changed_in`. */
function withoutNumbers(rows: readonly Row[]): Row[] {
  const order = new Map<string, number[]>();
  for (const { table, values } of rows) {
    if (typeof values.seq === 'number') order.set(table, [...(order.get(table) ?? []), values.seq]);
  }
  for (const numbers of order.values()) numbers.sort((a, b) => a - b);
  return rows.map(({ table, values: { xmin, changed_in, seq, ...values } }) => ({
    table,
    values: typeof seq === 'number' ? { ...values, seq: order.get(table)?.indexOf(seq) } : values,
  }));
}
