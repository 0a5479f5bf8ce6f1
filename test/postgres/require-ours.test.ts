/** What `migrate` and `start` refuse with a sentence: an encoding, tables of another program, missing rights. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { applyBatch } from '../../src/ingest/apply/transaction';
import { erasePerson } from '../../src/operations/erase/run';
import { type Database, openDatabase } from '../../src/postgres/database';
import { DatabaseHealth } from '../../src/postgres/database-health';
import { connectionProblem, failureOf } from '../../src/postgres/errors';
import { findContact } from '../../src/postgres/look-ups/find-contact';
import { migrate } from '../../src/postgres/migrations/migrate';
import { requireSchema } from '../../src/postgres/migrations/require-schema';
import { admin, baseUrl } from '../../tools/jest/template-database';
import { onecontact } from '../support/command-line';
import { freshDatabase, type TestDatabase } from '../support/database';
import { addressOf, signup } from '../support/events';
import { eventually } from '../support/service';
import { DEFAULTS } from '../support/stored';

const opened: Database[] = [];
function open(url: string): Database {
  const db = openDatabase({ url, name: 'onecontact test', max: 2 });
  opened.push(db);
  return db;
}
afterAll(async () => {
  for (const db of opened) await db.$disconnect();
});

describe('a database that cannot be OneContact’s is refused by `migrate` and `start`', () => {
  const refuses = async ({ url }: TestDatabase, says: RegExp): Promise<void> => {
    await expect(migrate(url)).rejects.toThrow(says);
    await expect(requireSchema(open(url))).rejects.toThrow(says);
    const { code, err } = await onecontact(['migrate'], { DATABASE_URL: url });
    expect([code, err]).toEqual([1, expect.stringMatching(/^onecontact: [^\n]+\.\n$/)]);
  };

  it.each(['LATIN1', 'SQL_ASCII'])('with the encoding %s', async (encoding) => {
    const database = await freshDatabase({ migrated: false, encoding });
    try {
      await refuses(
        database,
        new RegExp(`encoding of the database is ${encoding}, .* CREATE DATABASE … ENCODING 'UTF8'`),
      );
    } finally {
      await database.drop();
    }
  });

  it.each([
    ['tables of another program', 'CREATE TABLE customer (id int)'],
    [
      'the migrations of another program',
      `CREATE TABLE _prisma_migrations (id text, checksum text, finished_at timestamptz, migration_name text, logs text,
         rolled_back_at timestamptz, started_at timestamptz, applied_steps_count int);
       INSERT INTO _prisma_migrations VALUES ('1', 'x', now(), '20200101000000_theirs', NULL, NULL, now(), 1)`,
    ],
  ])('with %s', async (_what, sql) => {
    const database = await freshDatabase({ migrated: false });
    try {
      await database.sql(sql);
      await refuses(database, /has tables of another application: set DATABASE_URL to an empty database/);
    } finally {
      await database.drop();
    }
  });

  it('without the schema public', async () => {
    const database = await freshDatabase({ migrated: false });
    try {
      await database.sql('DROP SCHEMA public');
      await refuses(database, /has no schema public: run CREATE SCHEMA public/);
    } finally {
      await database.drop();
    }
  });
});

describe('the roles of deploy/postgres/roles.sql', () => {
  const PASSWORD = randomBytes(12).toString('hex');
  /** Roles belong to the whole server. */
  const prefix = `oc_${randomBytes(6).toString('hex')}`;
  const as = ({ url }: TestDatabase, role: string): string => {
    const own = new URL(url);
    own.username = `${prefix}_${role}`;
    own.password = PASSWORD;
    return own.href;
  };
  const denied = async (work: Promise<unknown>): Promise<void> => {
    const failed = await work.then(
      () => null,
      (error) => error,
    );
    expect(failureOf(failed)).toMatchObject({ code: '42501' });
  };
  let database: TestDatabase;

  beforeAll(async () => {
    database = await freshDatabase({ migrated: false });
    await database.sql(readFileSync('deploy/postgres/roles.sql', 'utf8').replaceAll('onecontact_', `${prefix}_`));
    for (const role of ['migrate', 'service', 'lookups']) {
      await database.sql(`ALTER ROLE ${prefix}_${role} PASSWORD '${PASSWORD}'`);
    }
  });
  afterAll(async () => {
    for (const db of opened.splice(0)) await db.$disconnect();
    await database?.drop();
    for (const role of ['migrate', 'service', 'lookups']) {
      await admin(baseUrl(), (client) => client.query(`DROP ROLE IF EXISTS ${prefix}_${role}`));
    }
  });

  it('let only the one for migrations change the schema; each of the others is told what it lacks', async () => {
    for (const role of ['service', 'lookups']) {
      await expect(migrate(as(database, role))).rejects.toThrow(
        /may not create tables in the schema public: migrate as a role/,
      );
    }
    expect((await migrate(as(database, 'migrate'))).length).toBeGreaterThan(5);
    for (const role of ['service', 'lookups']) {
      await denied(open(as(database, role)).$executeRaw`CREATE TABLE mine (id int)`);
      await denied(open(as(database, role)).$executeRaw`TRUNCATE choice`);
    }
  });

  it('let the service read and write all tables, and erase a person', async () => {
    const db = open(as(database, 'service'));
    await requireSchema(db, 'write');
    await applyBatch(db, [signup('reader', ['x'], 1), signup('erased', ['x'], 1)], { ...DEFAULTS, erasureKey: null });
    expect((await erasePerson(db, addressOf('erased'), { erasureKey: 'a key for erasure in tests' })).known).toBe(true);
  });

  it('let look-ups read, and nothing else', async () => {
    const db = open(as(database, 'lookups'));
    await requireSchema(db);
    await expect(requireSchema(db, 'write')).rejects.toThrow(
      /lacks rights: grant DELETE on account, .*; INSERT on account, .*; UPDATE on .* \(docs/,
    );
    expect(await findContact(db, { by: 'email', address: addressOf('reader').key })).not.toBeNull();
    await denied(applyBatch(db, [signup('new', ['x'], 2)], { ...DEFAULTS, erasureKey: null }));
  });

  it('are checked again while a process runs: its health names the right that it lost', async () => {
    const role = `${prefix}_service`;
    const health = new DatabaseHealth({ url: as(database, 'service'), writes: true });
    try {
      await eventually(health.read, ({ schemaProblems }) => schemaProblems.length === 0);
      await database.sql(`REVOKE INSERT ON choice FROM ${role}`);
      const lost = await eventually(health.read, ({ schemaProblems }) => schemaProblems.length > 0);
      expect(lost.schemaProblems).toEqual([expect.stringMatching(/lacks rights: grant INSERT on choice \(docs/)]);
    } finally {
      await health.close();
      await database.sql(`GRANT INSERT ON choice TO ${role}`);
    }
  });

  it('give no other role any rights', async () => {
    await admin(baseUrl(), (client) => client.query(`CREATE ROLE ${prefix}_other LOGIN PASSWORD '${PASSWORD}'`));
    try {
      const failed = await requireSchema(open(as(database, 'other'))).then(
        () => null,
        (error) => error,
      );
      expect(connectionProblem(failed)).toMatch(/lacks rights on the database or its tables; grant them/);
    } finally {
      await admin(baseUrl(), (client) => client.query(`DROP ROLE ${prefix}_other`));
    }
  });
});
