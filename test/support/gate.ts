/** Forces an interleaving: a separate session holds locks until the gate is opened. */
import { Client } from 'pg';
import type { TestDatabase } from './database';
import { eventually } from './service';

/** Runs a statement in a separate session, which keeps its locks until the returned function is called. */
export async function gate({ url }: TestDatabase, statement: string, values: unknown[] = []) {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(statement, values);
  return async (): Promise<void> => {
    await client.query('COMMIT');
    await client.end();
  };
}

/** Resolves when this many sessions wait for a lock. */
export const waiting = ({ sql }: TestDatabase, sessions: number) =>
  eventually(
    async () =>
      (
        await sql<{ n: number }>(
          `SELECT count(*)::int AS n FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'onecontact test' AND wait_event_type = 'Lock'`,
        )
      )[0]?.n,
    (n) => n === sessions,
  );
