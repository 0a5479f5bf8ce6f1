import { OperatorError } from '../../foundation/operator-error';
import type { Database, Queries } from '../database';
import { isMigrated, knownMigrations } from './migrate';
import { requireOurs, requireRights } from './require-ours';

/**
 * The number that the table `schema_compatibility` is compared with. Raise it in the version that stops using
 * something, so that a later migration which removes it can name this version as the oldest that runs on the schema.
 */
export const SCHEMA_NUMBER = 3;

export type SchemaState =
  | { is: 'current' }
  | { is: 'behind'; missing: string[] }
  /** A newer version made it. `oldestProgram` is the schema number that a program needs to run on it. */
  | { is: 'ahead'; unknown: string[]; oldestProgram: number };

/** Whether a database has the schema of this version. */
export async function schemaState(db: Queries): Promise<SchemaState> {
  const rows = (await isMigrated(db))
    ? await db.$queryRaw<{ name: string }[]>`
        SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`
    : [];
  const applied = new Set(rows.map(({ name }) => name));
  const known = knownMigrations();
  const missing = known.filter((name) => !applied.has(name));
  if (missing.length > 0) return { is: 'behind', missing };
  const unknown = [...applied].filter((name) => !known.includes(name));
  if (unknown.length === 0) return { is: 'current' };
  const [row] = await db.$queryRaw<{ oldestProgram: number }[]>`
    SELECT oldest_program AS "oldestProgram" FROM schema_compatibility`;
  return { is: 'ahead', unknown, oldestProgram: row?.oldestProgram ?? Number.POSITIVE_INFINITY };
}

/**
 * @param rights what this process does with the tables.
 * @throws OperatorError unless this version can run on the schema (its own, or a newer one that is compatible), and its user
 *   has the rights. Errors of the database are thrown unchanged.
 */
export async function requireSchema(db: Database, rights: 'read' | 'write' = 'read'): Promise<void> {
  await requireOurs(db, rights, knownMigrations());
  await requireCompatible(db);
  await requireRights(db, rights);
}

async function requireCompatible(db: Database): Promise<void> {
  const state = await schemaState(db);
  if (state.is === 'behind') {
    const count = state.missing.length;
    throw new OperatorError(
      `The database is ${count} migration${count === 1 ? '' : 's'} behind this version: run \`onecontact migrate\` (or start with --migrate).`,
    );
  }
  if (state.is === 'ahead' && state.oldestProgram > SCHEMA_NUMBER) {
    throw new OperatorError(
      `The database needs schema number ${state.oldestProgram} or higher, and this version has ${SCHEMA_NUMBER}: start the version that migrated the database, or a newer one.`,
    );
  }
}
