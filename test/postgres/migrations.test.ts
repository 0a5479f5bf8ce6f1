/** Releases can be rolled back: an older program runs on a newer schema until a migration says that it cannot. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { knownMigrations, migrate } from '../../src/postgres/migrations/migrate';
import { requireSchema, SCHEMA_NUMBER, schemaState } from '../../src/postgres/migrations/require-schema';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';

const OURS = join(__dirname, '../../prisma/migrations');
const COMPATIBLE = join(__dirname, '../support/migrations/compatible');
const RAISING = join(__dirname, '../support/migrations/raising');

let database: TestDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.drop());

/** What a newer release does. */
const migrateFurther = (...folders: string[]): Promise<string[]> =>
  migrate(database.url, { folders: [OURS, ...folders] });

describe('this version', () => {
  it('starts and runs its commands on a newer schema that is compatible', async () => {
    expect(await migrateFurther(COMPATIBLE)).toEqual(['29990101000000_expand']);
    expect(await schemaState(database.db)).toEqual({
      is: 'ahead',
      unknown: ['29990101000000_expand'],
      oldestProgram: SCHEMA_NUMBER,
    });
    await requireSchema(database.db);
    const env = { DATABASE_URL: database.url };
    expect(await onecontact(['export'], env)).toEqual({ code: 0, out: '', err: '' });
    expect(await onecontact(['migrate'], env)).toMatchObject({ code: 0, err: '' });
  });

  it('refuses a schema that needs a newer program, and says which', async () => {
    await migrateFurther(COMPATIBLE, RAISING);
    const refusal =
      `The database needs schema number 99 or higher, and this version has ${SCHEMA_NUMBER}: ` +
      'start the version that migrated the database, or a newer one.';
    await expect(requireSchema(database.db)).rejects.toThrow(refusal);
    for (const command of ['migrate', 'export']) {
      const ran = await onecontact([command], { DATABASE_URL: database.url });
      expect(ran).toEqual({ code: 1, out: '', err: `onecontact: ${refusal}\n` });
    }
  });

  it('can run on its own schema', async () => {
    const [row] = await database.sql<{ oldest_program: number }>('SELECT oldest_program FROM schema_compatibility');
    expect(row?.oldest_program).toBeLessThanOrEqual(SCHEMA_NUMBER);
    expect(await schemaState(database.db)).toEqual({ is: 'current' });
  });
});

describe('a migration', () => {
  it('that does not get its lock leaves nothing behind, says what to do, and is applied once the lock is free', async () => {
    const reader = new Client({ connectionString: database.url });
    await reader.connect();
    try {
      await reader.query('BEGIN; LOCK TABLE contact IN ACCESS SHARE MODE');
      const folders = [OURS, COMPATIBLE, RAISING];
      await expect(migrate(database.url, { folders, lockTimeoutMs: 50 })).rejects.toThrow(
        /did not get its lock, .* nothing of the migration was applied.*migrate again/,
      );
      expect(await schemaState(database.db)).toEqual({ is: 'current' });
    } finally {
      await reader.end();
    }
    expect(await migrateFurther(COMPATIBLE)).toEqual(['29990101000000_expand']);
  });

  it('that fails in its second statement leaves nothing of its first', async () => {
    await migrateFurther(COMPATIBLE);
    await database.sql('CREATE VIEW nicknames AS SELECT nickname FROM contact'); // the column cannot be dropped
    await expect(migrateFurther(COMPATIBLE, RAISING)).rejects.toThrow();
    await requireSchema(database.db);
    await database.sql('DROP VIEW nicknames');
    expect(await migrateFurther(COMPATIBLE, RAISING)).toEqual(['29990201000000_contract']);
  });

  it('that this version does not know is left alone by it', async () => {
    await migrateFurther(COMPATIBLE);
    expect(await migrate(database.url)).toEqual([]);
    expect(knownMigrations()).not.toContain('29990101000000_expand');
  });
});
