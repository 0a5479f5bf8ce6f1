import type { Client } from 'pg';
import type { Bench } from '../bench';
import { onecontact } from '../contenders/contender';
import { loadOf, measureRun } from './run';

/** The size of one table. */
export interface Size {
  table: string;
  rows: number;
  /** Bytes a row of the table itself, with what is stored out of line. */
  heap: number;
  /** Bytes a row of all its indexes. */
  indexes: number;
}

/** Days on which half of the accounts logged in beforehand: most claims are logins, as in a service that has run for long. */
const EARLIER_DAYS = 5;

/** Measures the tables of a filled database, after a run with merges. Tables without rows are left out. */
export async function measureSizes(bench: Bench): Promise<Size[]> {
  const load = { ...loadOf(bench, 'mix-10'), earlierDays: EARLIER_DAYS };
  let sizes: Size[] = [];
  const nothing = async (): Promise<void> => undefined;
  const end = async ({ client }: { client: Client }): Promise<void> => {
    await client.query('VACUUM ANALYZE');
    sizes = (await client.query<Size>(SIZES)).rows;
  };
  await measureRun(bench, onecontact(bench.options.set), load, { hooks: { prepare: nothing, begin: nothing, end } });
  return sizes;
}

/** Rows as VACUUM counted them. */
const SIZES = `
  SELECT relname AS table, reltuples AS rows, pg_table_size(oid) / reltuples AS heap, pg_indexes_size(oid) / reltuples AS indexes
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > 100
  ORDER BY pg_total_relation_size(oid) DESC`;
