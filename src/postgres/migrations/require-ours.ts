/**
 * Problems that no migration can fix: a database with a wrong encoding, or of another program, or a user without
 * rights.
 */
import { OperatorError } from '../../foundation/operator-error';
import type { Database, Queries } from '../database';

export type Rights = 'read' | 'write' | 'migrate';

interface Found {
  encoding: string;
  public_exists: boolean;
  has_migrations: boolean;
  has_tables: boolean;
  may_create: boolean;
  may_own: boolean;
}

/**
 * @param known the names of this version's migrations; a database of another version has some of them.
 * @throws OperatorError for an encoding other than UTF-8, for tables that are not OneContact's, and for a user who may
 *   not migrate but should.
 */
export async function requireOurs(db: Queries, rights: Rights, known: readonly string[]): Promise<void> {
  const [found] = (await db.$queryRaw`
    SELECT current_setting('server_encoding') AS encoding,
      ours.oid IS NOT NULL AS public_exists,
      migrations.oid IS NOT NULL AS has_migrations,
      EXISTS (
        SELECT FROM pg_class WHERE relnamespace = ours.oid AND relkind IN ('r', 'p') AND oid <> coalesce(migrations.oid, 0)
      ) AS has_tables,
      coalesce(has_schema_privilege(ours.oid, 'CREATE'), false) AS may_create,
      coalesce(pg_has_role(migrations.relowner, 'USAGE'), true) AS may_own
    FROM (SELECT to_regnamespace('public')::oid AS oid) AS ours
    LEFT JOIN pg_class AS migrations ON migrations.oid = to_regclass('public._prisma_migrations')`) as [Found];
  if (found.encoding !== 'UTF8') {
    throw new OperatorError(
      `The encoding of the database is ${found.encoding}, which cannot store most names: create a database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and set DATABASE_URL to it.`,
    );
  }
  if (!found.public_exists) {
    throw new OperatorError('The database has no schema public: run CREATE SCHEMA public.');
  }
  if (found.has_migrations ? !(await hasMigrationsOf(db, known)) : found.has_tables) {
    throw new OperatorError('The database has tables of another application: set DATABASE_URL to an empty database.');
  }
  if (rights === 'migrate' && !(found.may_create && found.may_own)) {
    throw new OperatorError(
      `The user of DATABASE_URL ${found.may_own ? 'may not create tables in the schema public' : 'does not own the tables'}: migrate as a role that may (docs/operations.md, Roles).`,
    );
  }
}

/** A table of migrations without rows is left by a first migration that failed. */
async function hasMigrationsOf(db: Queries, known: readonly string[]): Promise<boolean> {
  const rows = await db.$queryRaw<{ name: string }[]>`SELECT migration_name AS name FROM _prisma_migrations`;
  return rows.length === 0 || rows.some(({ name }) => known.includes(name));
}

/** What the process does with the tables, except with `_prisma_migrations`, which it only reads. */
const PRIVILEGES = { read: ['SELECT'], write: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] };

/** @throws OperatorError that names the tables that this user may not use. Call it on a schema of this version. */
export async function requireRights(db: Database, rights: 'read' | 'write'): Promise<void> {
  const missing = await db.$queryRaw<{ privilege: string; tables: string[] }[]>`
    SELECT privilege, array_agg(c.relname::text ORDER BY c.relname) AS tables
    FROM pg_class AS c
    JOIN pg_class AS migrations
      ON migrations.oid = to_regclass('public._prisma_migrations')
        AND c.relowner = migrations.relowner AND c.relnamespace = migrations.relnamespace AND c.oid <> migrations.oid
    CROSS JOIN unnest(${PRIVILEGES[rights]}::text[]) AS privilege
    WHERE c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, privilege)
    GROUP BY privilege ORDER BY privilege COLLATE "C"`;
  if (missing.length === 0) return;
  const lacking = missing.map(({ privilege, tables }) => `${privilege} on ${tables.join(', ')}`);
  throw new OperatorError(
    `The user of DATABASE_URL lacks rights: grant ${lacking.join('; ')} (docs/operations.md, Roles).`,
  );
}
