import type { Client } from 'pg';

/** What one statement cost the server, in all its calls. */
export interface StatementCost {
  query: string;
  calls: number;
  rows: number;
  /** Milliseconds. */
  planned: number;
  executed: number;
  /** Pages that were found in memory or read. */
  pages: number;
  walKb: number;
}

/** What the server must be started with; a server of the user's own may have it. */
export const STATEMENT_SETTINGS = [
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.track_planning=on',
];

/** @returns whether the server can count statements */
export async function countStatements(client: Client): Promise<boolean> {
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    await client.query('SELECT pg_stat_statements_reset()');
    return true;
  } catch {
    return false;
  }
}

/** The dearest first. */
export async function statementCosts(client: Client): Promise<StatementCost[]> {
  const { rows } = await client.query<StatementCost>(`
    SELECT regexp_replace(query, '\\s+', ' ', 'g') AS query, calls::int, rows::int, total_plan_time AS planned,
      total_exec_time AS executed, (shared_blks_hit + shared_blks_read)::int AS pages, (wal_bytes / 1024)::int AS "walKb"
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'
    ORDER BY total_exec_time + total_plan_time DESC`);
  return rows;
}
