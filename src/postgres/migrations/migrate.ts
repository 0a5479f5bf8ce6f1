import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { OperatorError } from '../../foundation/operator-error';
import { type Database, openDatabase } from '../database';
import { failureOf } from '../errors';
import { openPool } from '../pool';
import { requireOurs } from './require-ours';
import { type SchemaEngine, startSchemaEngine } from './schema-engine';

/** From src/postgres/migrations in a checkout and dist/postgres/migrations in a package: three levels up. */
const PRISMA_FOLDER = resolve(__dirname, '../../../prisma');
const MIGRATIONS = join(PRISMA_FOLDER, 'migrations');

/** No external tables: everything in the schema is ours. */
const FILTERS = { externalTables: [], externalEnums: [] };

/** An arbitrary number of ours: the lock of a migrating process, so that several may start at once. */
const MIGRATION_LOCK = 7_261_000;

const SESSIONS = { name: 'onecontact migrate', statementTimeoutMs: 0, writes: true };

/** The names of all migrations of this version, in order. */
export const knownMigrations = (): string[] =>
  readdirSync(MIGRATIONS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

/**
 * Applies missing migrations with Prisma's own engine in its WebAssembly build (nothing to download). The engine
 * maintains the table `_prisma_migrations`, so `prisma migrate deploy` works on the same database. Several processes
 * may do it at once.
 *
 * @returns the names of the migrations that were applied.
 * @throws OperatorError if the database belongs to something else, is half migrated, or denies the change.
 */
export async function migrate(url: string): Promise<string[]> {
  const lock = openDatabase({ url, ...SESSIONS, max: 1 });
  try {
    return await lock.$transaction(
      async (tx) => {
        await tx.$executeRaw`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`;
        await requireOurs(tx, 'migrate', knownMigrations());
        const input = { migrationsList: migrationsList(), filters: FILTERS };
        const { appliedMigrationNames } = await withEngine(url, (engine) => engine.applyMigrations(input));
        return appliedMigrationNames;
      },
      { maxWait: 30_000, timeout: 3_600_000 },
    );
  } catch (error) {
    throw refusalOf(error) ?? error;
  } finally {
    await lock.$disconnect();
  }
}

/**
 * Failures that an operator can fix, by the engine's codes (https://www.prisma.io/docs/orm/reference/error-reference).
 */
function refusalOf(error: unknown): OperatorError | null {
  switch (failureOf(error).code) {
    case 'P3005':
      return new OperatorError(
        'The database has tables that are not OneContact’s: set DATABASE_URL to an empty database of its own.',
        { cause: error },
      );
    case 'P3009':
      return new OperatorError(
        'A migration failed here before (its log is in the table _prisma_migrations): mend the cause, run `prisma migrate resolve --rolled-back NAME`, then migrate again.',
        { cause: error },
      );
    case 'SchemaConnectorError': // has neither a code nor details
      return new OperatorError(
        'The schema cannot be changed: check that the user of DATABASE_URL owns the database, or may create in its schema public (the log of the database says why).',
        { cause: error },
      );
    default:
      return null;
  }
}

export type SchemaState = { is: 'current' } | { is: 'behind'; missing: string[] } | { is: 'ahead'; unknown: string[] };

/** Whether a database has the schema of this version. */
export async function schemaState(db: Database): Promise<SchemaState> {
  const [table] = await db.$queryRaw<
    { exists: boolean }[]
  >`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists`;
  const rows = table?.exists
    ? await db.$queryRaw<{ name: string }[]>`
        SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`
    : [];
  const applied = new Set(rows.map(({ name }) => name));
  const known = knownMigrations();
  const missing = known.filter((name) => !applied.has(name));
  if (missing.length > 0) return { is: 'behind', missing };
  const unknown = [...applied].filter((name) => !known.includes(name));
  return unknown.length > 0 ? { is: 'ahead', unknown } : { is: 'current' };
}

const schemaText = (): string => readFileSync(join(PRISMA_FOLDER, 'schema.prisma'), 'utf8');

/** Runs the engine on connections of its own, which end with the work, so that they do not keep the process alive. */
export async function withEngine<T>(url: string, work: (engine: SchemaEngine) => Promise<T>): Promise<T> {
  const pool = openPool({ url, ...SESSIONS, idleInTransactionMs: 0, max: 2 });
  try {
    const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg(pool));
    return await work(await startSchemaEngine([['schema.prisma', schemaText()]], adapter));
  } finally {
    await pool.end();
  }
}

function migrationsList() {
  const file = (name: string): string => readFileSync(join(MIGRATIONS, name, 'migration.sql'), 'utf8');
  return {
    baseDir: MIGRATIONS,
    lockfile: { path: 'migration_lock.toml', content: readFileSync(join(MIGRATIONS, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: knownMigrations().map((name) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: file(name) } },
    })),
  };
}
