/** Sessions are the same whatever the database, the role and the environment have set, and leave the pool when they are lost. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Database, inTransaction, openDatabase } from '../../src/postgres/database';
import { failureOf } from '../../src/postgres/errors';
import { migrate } from '../../src/postgres/migrations/migrate';
import { type Link, type Reader, TcpProxy } from '../../tools/proxy/tcp-proxy';
import { freshDatabase, HOSTILE_SETTINGS, type TestDatabase } from '../support/database';

let database: TestDatabase;
const open: Database[] = [];
beforeEach(async () => {
  database = await freshDatabase({ migrated: false });
});
afterEach(async () => {
  for (const db of open.splice(0)) await db.$disconnect();
  await database?.drop();
});

function connect(url = database.url, options: { writes?: boolean; statementTimeoutMs?: number } = {}): Database {
  const db = openDatabase({ url, name: 'onecontact test', max: 1, ...options });
  open.push(db);
  return db;
}

const setting = async (db: Database, name: string): Promise<string | undefined> =>
  (await db.$queryRaw<{ value: string }[]>`SELECT current_setting(${name}) AS value`)[0]?.value;

const pidOf = async (db: Database): Promise<number | undefined> =>
  (await db.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`)[0]?.pid;

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error) => failureOf(error).code,
  );

describe('a session', () => {
  const EXPECTED = {
    TimeZone: 'UTC',
    DateStyle: 'ISO, MDY',
    search_path: 'public',
    array_nulls: 'on',
    bytea_output: 'hex',
    extra_float_digits: '1',
    default_transaction_isolation: 'read committed',
    statement_timeout: '30s',
    lock_timeout: '25s',
    idle_in_transaction_session_timeout: '65s',
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    enable_indexscan: 'on',
    jit: 'off',
    client_encoding: 'UTF8',
    synchronous_commit: 'local',
  };
  const actual = async (db: Database): Promise<object> =>
    Object.fromEntries(await Promise.all(Object.keys(EXPECTED).map(async (name) => [name, await setting(db, name)])));

  it('has the settings that the code relies on, whatever the database has set', async () => {
    await database.alter(HOSTILE_SETTINGS);
    expect(await actual(connect())).toEqual(EXPECTED);
  });

  it('takes no settings from PGOPTIONS', async () => {
    process.env.PGOPTIONS = '-c statement_timeout=1 -c enable_seqscan=on -c work_mem=1MB';
    try {
      const db = connect();
      expect([await setting(db, 'statement_timeout'), await setting(db, 'enable_seqscan')]).toEqual(['30s', 'off']);
      expect(await setting(db, 'work_mem')).not.toBe('1MB');
    } finally {
      delete process.env.PGOPTIONS;
    }
  });

  it('sends no setting before it is connected, because poolers refuse those', async () => {
    const sent: Buffer[] = [];
    const reader = ({ toTarget, toClient }: Link): Reader => ({
      asked: (bytes) => {
        sent.push(bytes);
        toTarget(bytes);
      },
      answered: toClient,
    });
    const proxy = await TcpProxy.to(database.url, { reader });
    try {
      await connect(proxy.through(database.url)).$queryRaw`SELECT 1`;
      const startup = sent[0]
        ?.subarray(8)
        .toString()
        .split('\0')
        .filter((_, place) => place % 2 === 0);
      expect(startup?.filter((name) => name !== '').sort()).toEqual([
        'application_name',
        'client_encoding',
        'database',
        'user',
      ]);
    } finally {
      await proxy.close();
    }
  });

  it('keeps a stronger synchronous_commit than a commit on the disk', async () => {
    await database.alter({ synchronous_commit: 'remote_apply' });
    expect(await setting(connect(), 'synchronous_commit')).toBe('remote_apply');
  });

  it('of a migration has them as well: the tables are in the schema public', async () => {
    await database.sql('CREATE SCHEMA app');
    await database.alter({ ...HOSTILE_SETTINGS, search_path: 'app, public' });
    expect((await migrate(database.url)).length).toBeGreaterThan(5);
    const schemas = await database.sql(
      `SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('contact', 'merge', '_prisma_migrations')`,
    );
    expect(schemas).toEqual([{ schemaname: 'public' }]);
    expect(await migrate(database.url)).toEqual([]);
  });
});

describe('a session on a server that became read-only', () => {
  it('leaves the pool at its first failure, also in a transaction, so that the next one is on a server that can be written to', async () => {
    const db = connect();
    await database.alter({ default_transaction_read_only: 'on' });
    const before = await pidOf(db);
    await database.alter({ default_transaction_read_only: 'off' });
    expect(await pidOf(db)).toBe(before);
    const write = inTransaction(db, (tx) => tx.$executeRaw`CREATE TABLE never (id int)`);
    expect(await codeOf(write)).toBe('25006');
    expect(await pidOf(db)).not.toBe(before);
    await inTransaction(db, (tx) => tx.$executeRaw`CREATE TABLE now (id int)`);
  });

  it('is refused on connect where it must write, and accepted where it only reads', async () => {
    await database.alter({ default_transaction_read_only: 'on' });
    const writer = connect(database.url, { writes: true });
    expect(await codeOf(writer.$queryRaw`SELECT 1`)).toBe('read_only');
    expect(await codeOf(inTransaction(writer, (tx) => tx.$queryRaw`SELECT 1`))).toBe('read_only');
    expect(await codeOf(connect().$queryRaw`SELECT 1`)).toBe('none');
    await database.alter({ default_transaction_read_only: 'off' });
    expect(await codeOf(writer.$queryRaw`SELECT 1`)).toBe('none');
  });
});

describe('a lost session', () => {
  it.each([
    ['57P01', 'terminated by an administrator'],
    ['26000', 'without its prepared statements'],
    ['42P05', 'with the prepared statements of another client'],
    ['25P02', 'in a transaction of another client'],
    ['0A000', 'whose plans no longer fit the schema'],
    ['08P01', 'with a pooler that lost its server'],
  ])('(%s, %s) leaves the pool', async (code) => {
    const db = connect();
    const before = await pidOf(db);
    const fail = `DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '${code}'; END $$`;
    const failed = inTransaction(db, (tx) => tx.$executeRawUnsafe(fail));
    const failure = await failed.then(() => null, failureOf);
    expect(failure).toEqual({ kind: 'down', code });
    expect(await pidOf(db)).not.toBe(before);
  });

  it('is none that a statement of its own failed in', async () => {
    const db = connect();
    const before = await pidOf(db);
    expect(await codeOf(inTransaction(db, (tx) => tx.$executeRaw`SELECT 1 / 0`))).toBe('22012');
    expect(await pidOf(db)).toBe(before);
  });
});

describe('several servers', () => {
  const dead = '127.0.0.1:1';
  const list = (...servers: string[]): string => {
    const { username, password, pathname } = new URL(database.url);
    return `postgresql://${username}:${password}@${servers.join()}${pathname}`;
  };

  it('are tried in turn until one can be used', async () => {
    const { host } = new URL(database.url);
    expect(await codeOf(connect(list(dead, host)).$queryRaw`SELECT 1`)).toBe('none');
    const db = connect(list(dead, dead, host));
    expect(await codeOf(inTransaction(db, (tx) => tx.$queryRaw`SELECT 1`))).toBe('none');
    expect(await codeOf(connect(list(dead, dead)).$queryRaw`SELECT 1`)).toMatch(/ECONNREFUSED|DatabaseNotReachable/);
  });

  it('follow each other when the one in use goes away, and when it comes back', async () => {
    const [a, b] = [await TcpProxy.to(database.url), await TcpProxy.to(database.url)];
    try {
      const db = connect(list(`127.0.0.1:${a.port}`, `127.0.0.1:${b.port}`));
      const works = async (): Promise<string> => {
        await codeOf(db.$queryRaw`SELECT 1`); // the first one notices that the connection is gone
        return codeOf(inTransaction(db, (tx) => tx.$queryRaw`SELECT 1`));
      };
      expect(await works()).toBe('none');
      expect([a.accepted, b.accepted]).toEqual([1, 0]);
      a.down();
      expect(await works()).toBe('none');
      expect(b.accepted).toBe(1);
      b.down();
      a.restore();
      expect(await works()).toBe('none');
    } finally {
      await a.close();
      await b.close();
    }
  });

  it('are tried with a login and a database whose names have reserved characters', async () => {
    const name = `onecontact/?#%&="${database.name}`;
    await database.sql(`CREATE DATABASE "${name.replaceAll('"', '""')}"`);
    try {
      const url = new URL(database.url);
      url.pathname = `/${encodeURIComponent(name)}`;
      const db = connect(url.href);
      expect(await db.$queryRaw`SELECT current_database() AS name`).toEqual([{ name }]);
      await db.$disconnect();
    } finally {
      await database.sql(`DROP DATABASE "${name.replaceAll('"', '""')}" WITH (FORCE)`);
    }
  });
});
