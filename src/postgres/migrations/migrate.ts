import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type { Pool } from 'pg';
import { OperatorError } from '../../foundation/operator-error';
import { openDatabase, type Queries, type Transaction } from '../database';
import { failureOf } from '../errors';
import { openPool } from '../pool';
import { requireOurs } from './require-ours';
import { type SchemaEngine, startSchemaEngine } from './schema-engine';

/**
 * Three levels above this module, both in a checkout (src/postgres/migrations) and in a package
 * (dist/postgres/migrations).
 */
const PRISMA_FOLDER = resolve(__dirname, '../../../prisma');
const MIGRATIONS = join(PRISMA_FOLDER, 'migrations');

/** No external tables: everything in the schema is ours. */
const FILTERS = { externalTables: [], externalEnums: [] };

/** An arbitrary number of ours: the lock of a migrating process, so that several may start at once. */
const MIGRATION_LOCK = 7_261_000;

const SESSIONS = { name: 'onecontact migrate', statementTimeoutMs: 0, writes: true };

/**
 * How long a statement of a migration waits for its lock. All later statements on the table queue behind it, so a
 * migration that waited for a long transaction would stop the service.
 */
const LOCK_TIMEOUT_MS = 5_000;

/** The names of all migrations in a folder, in order; by default those of this version. */
export const knownMigrations = (folder = MIGRATIONS): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

export interface MigrateOptions {
  /** Folders with migrations; by default that of this version. */
  folders?: readonly string[];
  lockTimeoutMs?: number;
}

/**
 * Applies missing migrations with Prisma's own engine in its WebAssembly build (nothing to download). The engine
 * maintains the table `_prisma_migrations`, so `prisma migrate deploy` works on the same database. Several processes
 * may do it at once. Each migration is applied as a whole or not at all.
 *
 * @returns the names of the migrations that were applied.
 * @throws OperatorError if the database belongs to something else, is half migrated, denies the change, or holds a lock.
 */
export async function migrate(
  url: string,
  { folders = [MIGRATIONS], lockTimeoutMs = LOCK_TIMEOUT_MS }: MigrateOptions = {},
): Promise<string[]> {
  const lock = openDatabase({ url, ...SESSIONS, max: 1 });
  const input = { migrationsList: migrationsList(folders), filters: FILTERS };
  try {
    const result = await lock.$transaction(
      async (tx) => {
        await tx.$executeRaw`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`;
        await requireOurs(tx, 'migrate', folders.flatMap(knownMigrations));
        try {
          return await withEngine(url, (engine) => engine.applyMigrations(input), lockTimeoutMs);
        } catch (error) {
          // It left nothing in the database, so it may simply be run again.
          if (error instanceof ScriptFailure) await forgetFailure(tx);
          return { error };
        }
      },
      { maxWait: 30_000, timeout: 3_600_000 },
    );
    if ('error' in result) throw result.error;
    return result.appliedMigrationNames;
  } catch (error) {
    throw refusalOf(error) ?? error;
  } finally {
    await lock.$disconnect();
  }
}

/** Does what `prisma migrate resolve --rolled-back` does. */
async function forgetFailure(tx: Transaction): Promise<void> {
  if (!(await isMigrated(tx))) return;
  await tx.$executeRaw`UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL`;
}

/** Whether any migration was ever started. */
export async function isMigrated(db: Queries): Promise<boolean> {
  const [table] = await db.$queryRaw<
    { exists: boolean }[]
  >`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists`;
  return table?.exists ?? false;
}

/** Failures that an operator can fix: SQLSTATEs, and the engine's codes (https://www.prisma.io/docs/orm/reference/error-reference). */
function refusalOf(error: unknown): OperatorError | null {
  const text = REFUSALS[failureOf(error).code];
  return text === undefined ? null : new OperatorError(text, { cause: error });
}

const NO_RIGHT =
  'The schema cannot be changed: check that the user of DATABASE_URL owns the database, or may create in its schema public (the log of the database says why).';

const REFUSALS: Readonly<Record<string, string>> = {
  P3005: 'The database has tables that are not OneContact’s: set DATABASE_URL to an empty database of its own.',
  P3009:
    'A migration failed here before (its log is in the table _prisma_migrations): fix the cause, run `prisma migrate resolve --rolled-back NAME`, then migrate again.',
  '55P03':
    'A migration did not get its lock, because another transaction has held a table for a long time; nothing of the migration was applied. Look for long transactions in pg_stat_activity, then migrate again.',
  '42501': NO_RIGHT,
  SchemaConnectorError: NO_RIGHT, // has neither a code nor details
};

const schemaText = (): string => readFileSync(join(PRISMA_FOLDER, 'schema.prisma'), 'utf8');

/** Runs the engine on connections of its own, which end with the work, so that they do not keep the process alive. */
export async function withEngine<T>(
  url: string,
  work: (engine: SchemaEngine) => Promise<T>,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): Promise<T> {
  const pool = openPool({ url, ...SESSIONS, idleInTransactionMs: 0, lockTimeoutMs, max: 2 });
  const adapters = new WholeScripts(pool);
  try {
    const engine = await startSchemaEngine(
      [['schema.prisma', schemaText()]],
      bindMigrationAwareSqlAdapterFactory(adapters),
    );
    return await work(engine);
  } catch (error) {
    throw adapters.failure ?? error;
  } finally {
    await pool.end();
  }
}

/** A script that failed; the engine's own error lacks its SQLSTATE. */
class ScriptFailure extends Error {
  constructor(cause: unknown) {
    super('a migration failed', { cause });
  }
}

/**
 * Prisma's adapter splits a script at each semicolon and commits after each statement. Sent as one query, a migration
 * that fails leaves nothing behind.
 */
class WholeScripts extends PrismaPg {
  failure: ScriptFailure | null = null;

  constructor(private readonly pool: Pool) {
    super(pool);
  }

  override async connect() {
    const adapter = await super.connect();
    adapter.executeScript = async (script) => {
      await this.pool.query(script).catch((error: unknown) => {
        this.failure = new ScriptFailure(error);
        throw error;
      });
    };
    return adapter;
  }
}

function migrationsList(folders: readonly string[]) {
  const sqlOf = (folder: string, name: string): string => readFileSync(join(folder, name, 'migration.sql'), 'utf8');
  const migrations = folders.flatMap((folder) =>
    knownMigrations(folder).map((name) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: sqlOf(folder, name) } },
    })),
  );
  return {
    baseDir: MIGRATIONS,
    lockfile: { path: 'migration_lock.toml', content: readFileSync(join(MIGRATIONS, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: migrations,
  };
}
