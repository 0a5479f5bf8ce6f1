import { readConfig } from '../../config';
import { migrate } from '../../postgres/migrations/migrate';
import { addToAudit } from '../../postgres/tables/audit';
import { authorOf } from '../audited';
import { withDatabase } from '../servers';

/**
 * Brings the schema up to this version, and notes in the audit who did it.
 *
 * @returns the names of the migrations that were applied
 * @throws OperatorError also if the schema is too new for this version
 */
export async function migrateSchema(env: NodeJS.ProcessEnv): Promise<string[]> {
  const { databaseUrl } = readConfig(env, ['database', 'audit']);
  const applied = await migrate(databaseUrl);
  await withDatabase(env, async (db) => {
    if (applied.length === 0) return;
    await addToAudit(db, { ...authorOf(env), command: 'migrate', target: { applied }, result: {} });
  });
  return applied;
}
