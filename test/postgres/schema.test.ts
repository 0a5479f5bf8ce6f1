import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { knownMigrations, migrate, withEngine } from '../../src/postgres/migrations/migrate';
import { schemaState } from '../../src/postgres/migrations/require-schema';
import { freshDatabase, type TestDatabase } from '../support/database';

const SCHEMA = join(__dirname, '../../prisma/schema.prisma');

describe('the schema', () => {
  let migrated: TestDatabase;
  let derived: TestDatabase;

  beforeAll(async () => {
    migrated = await freshDatabase({ migrated: false });
    derived = await freshDatabase({ migrated: false });
  });
  afterAll(async () => {
    await migrated?.drop();
    await derived?.drop();
  });

  it('is migrated once by several concurrent processes, and reports missing migrations before', async () => {
    expect(await schemaState(migrated.db)).toEqual({ is: 'behind', missing: knownMigrations() });
    const applied = await Promise.all([migrate(migrated.url), migrate(migrated.url), migrate(migrated.url)]);
    expect(applied.flat()).toEqual(knownMigrations());
    expect(await schemaState(migrated.db)).toEqual({ is: 'current' });
  });

  it('is not created in a database with foreign tables, and the refusal says what to do', async () => {
    const foreign = await freshDatabase({ migrated: false });
    try {
      await foreign.sql('CREATE TABLE theirs (id int)');
      await expect(migrate(foreign.url)).rejects.toThrow(/tables of another application: set DATABASE_URL/);
    } finally {
      await foreign.drop();
    }
  });

  it('is the same in the migrations and in schema.prisma, except for what Prisma cannot express', async () => {
    await derived.sql(await scriptOf(readFileSync(SCHEMA, 'utf8'), derived.url));
    expect(await shapeOf(migrated)).toEqual(await shapeOf(derived));
  });
});

/** The SQL that Prisma derives from a schema for an empty database. */
async function scriptOf(content: string, url: string): Promise<string> {
  const result = await withEngine(url, (engine) =>
    engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content }] },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    }),
  );
  return result.stdout ?? '';
}

/** Columns, enums, keys, full indexes and foreign keys. Not: collations, checks, partial indexes, deferrability. */
async function shapeOf({ sql }: TestDatabase): Promise<unknown[]> {
  return sql(`
    SELECT 'column' AS what, format('%s.%s %s %s %s', table_name, column_name, udt_name, is_nullable, column_default) AS shape
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'
    UNION ALL
    SELECT 'enum', format('%s %s %s', t.typname, e.enumsortorder, e.enumlabel) FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
    UNION ALL
    SELECT 'index', indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' AND indexdef NOT LIKE '% WHERE %'
    UNION ALL
    SELECT 'foreign key', conrelid::regclass || ' ' || replace(pg_get_constraintdef(oid), ' DEFERRABLE INITIALLY DEFERRED', '')
    FROM pg_constraint WHERE contype = 'f'
    ORDER BY 1, 2`);
}
