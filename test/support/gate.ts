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

/** How many sessions wait for a lock. */
async function waitingNow({ sql }: TestDatabase): Promise<number | undefined> {
  const [row] = await sql<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'onecontact test' AND wait_event_type = 'Lock'`,
  );
  return row?.n;
}

/** Resolves when this many sessions wait for a lock. */
export const waiting = (database: TestDatabase, sessions: number) =>
  eventually(
    () => waitingNow(database),
    (n) => n === sessions,
  );

/** Resolves when some work is done, or a session waits for a lock. */
export async function doneOrWaiting(database: TestDatabase, work: Promise<unknown>): Promise<void> {
  let isDone = false;
  const end = (): void => {
    isDone = true;
  };
  work.then(end, end);
  await eventually(
    async () => isDone || (await waitingNow(database)) !== 0,
    (isSo) => isSo,
  );
}
