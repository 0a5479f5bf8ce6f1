import { readConfig } from '../config';
import { type Database, openDatabase } from '../postgres/database';
import { requireSchema } from '../postgres/migrations/require-schema';

/**
 * Opens the database of DATABASE_URL for one command, when it has the schema of this version; closes it afterwards.
 *
 * @param max connections at most
 */
export async function withStore<T>(env: NodeJS.ProcessEnv, work: (db: Database) => Promise<T>, max = 2): Promise<T> {
  const { databaseUrl } = readConfig(env, ['database']);
  const db = openDatabase({ url: databaseUrl, name: 'onecontact command', max, statementTimeoutMs: 0 });
  try {
    await requireSchema(db);
    return await work(db);
  } finally {
    await db.$disconnect();
  }
}
